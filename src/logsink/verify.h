/* verify.h - where a log on the disk ends, found by walking its hash chain: what ingest goes on from after a start.
 *
 * A step walks a few MiB, so that a long log does not hold up the others' writes. */
#ifndef ORION_LOGSINK_VERIFY_H
#define ORION_LOGSINK_VERIFY_H

#include <stdbool.h>

#include "logsink/files.h"
#include "logsink/job.h"

/* true: l has its answer. `scratch` is working memory. */
bool verify_step(struct files *fs, struct load *l, struct buf *scratch);

#endif
