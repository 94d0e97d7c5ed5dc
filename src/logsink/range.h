/* range.h - answers to what is asked of a log: a stretch of its bytes, its end, its chunks. Every chunk that is touched
 * is checked against its checksum: a viewer gets the bytes that were written, or the reason why not and where the log goes
 * on (gap_to). What is damaged hides nothing else. */
#ifndef ORION_LOGSINK_RANGE_H
#define ORION_LOGSINK_RANGE_H

#include "logsink/files.h"
#include "logsink/job.h"

#define RANGE_MAX (256 * 1024)   /* bytes of one answer */
#define RANGE_CHUNKS_MAX 1023    /* items of one answer, besides a base in front */

void range_read(struct files *fs, struct read *q, struct buf *scratch);   /* fills the answer's part of q */

#endif
