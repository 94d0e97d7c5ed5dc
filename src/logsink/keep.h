/* keep.h - what becomes of logs that are finished: packed, archived, and one day removed. Part of the store's thread,
 * which calls it between writes; each call does a little.
 *
 * A log that is sealed is packed at once (keep_sealed). Everything else is found by a walk over all logs that never
 * ends: what a crash left, logs that were sealed before the settings changed, logs to archive, to drop or to remove. It
 * visits some 1,600 folders a second at most, and rests four times as long as it took; while the disk is fuller than the
 * watermark it does not rest. */
#ifndef ORION_LOGSINK_KEEP_H
#define ORION_LOGSINK_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "logsink/archive.h"
#include "logsink/files.h"
#include "logsink/job.h"

struct keep_settings {
    int64_t compress;        /* zstd level; 0: logs are not packed */
    int64_t keep_ms;         /* 0: for ever */
    int64_t watermark;       /* percent of the disk; 0: none */
    int64_t local_keep_ms;   /* of archived logs; 0: as long as the log */
    int64_t cache_bytes;     /* of logs fetched back from the archive */
    struct archive_settings archive;
};

struct keep;

/* `done`: the mailbox of the store itself, for keep_archived. The settings must live as long. */
struct keep *keep_new(int dir_fd, struct files *fs, const struct keep_settings *set, struct archive *a);
void keep_free(struct keep **k);

void keep_sealed(struct keep *k, const struct log_key *key);         /* its seal was written */
void keep_archived(struct keep *k, struct archive_job *j);           /* the archive's answer; consumed */
int64_t keep_step(struct keep *k);   /* does a little; it wants to be called again after so many ms (0: now) */

/* A read was answered. true: by keep, because only the archive has the log: it comes back from keep_take_read. */
bool keep_read(struct keep *k, struct read *q);
struct read *keep_take_read(struct keep *k);   /* to be asked again; with `why` set: failed. NULL: none */

#endif
