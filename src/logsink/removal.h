/* removal.h - logs go: the seal says so durably before the first byte is deleted, so that a crash in between leaves a
 * removed log whose rest the next walk deletes. */
#ifndef ORION_LOGSINK_REMOVAL_H
#define ORION_LOGSINK_REMOVAL_H

#include "logsink/files.h"
#include "logsink/seal.h"

/* `seal`: as it is on the disk. */
int removal_of(struct files *fs, const struct log_key *key, struct seal *seal, enum seal_removed reason,
               struct err *e);
/* Of a log that was never sealed: it gets the seal of a gap. */
int removal_of_abandoned(struct files *fs, const struct log_key *key, struct err *e);

#endif
