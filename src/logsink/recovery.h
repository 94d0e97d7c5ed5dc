/* recovery.h - what a start does before it serves: the journal's segments are replayed into the attempts' files, the
 * files synced, the segments deleted. Afterwards the files alone say what is durable. */
#ifndef ORION_LOGSINK_RECOVERY_H
#define ORION_LOGSINK_RECOVERY_H

#include <stdint.h>

#include "lib/err.h"
#include "logsink/files.h"

/* next_segment_r: number for the first new segment. */
int recovery_run(int dir_fd, struct files *files, uint64_t *next_segment_r, struct err *e);

#endif
