/* range.h - reading a stretch of a log. Every chunk that is touched is checked against its checksum: a viewer gets
 * the bytes that were written, or the reason why not. */
#ifndef ORION_LOGSINK_RANGE_H
#define ORION_LOGSINK_RANGE_H

#include "logsink/files.h"
#include "logsink/job.h"

#define RANGE_MAX (256 * 1024)   /* bytes of one answer */

void range_read(struct files *fs, struct read *q, struct buf *scratch);   /* fills the answer's part of q */

#endif
