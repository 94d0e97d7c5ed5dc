/* archive.h - the thread that talks to the archive, S3-compatible storage: it puts, gets and deletes a log's objects.
 *
 * The objects are NAME/XX/TASK/N.zst (or N.log, when it is not packed), N.chunks and N.seal, with the sink's name in
 * front. Gets come first: somebody waits. Puts and deletes are tried three times with growing pauses, then given back as
 * failed; nothing here is ever waited for by ingest. */
#ifndef ORION_LOGSINK_ARCHIVE_H
#define ORION_LOGSINK_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "logsink/job.h"
#include "logsink/seal.h"

enum archive_verb {
    ARCHIVE_PUT,      /* the log as it is on the disk now, and the seal given */
    ARCHIVE_GET,      /* back to the disk: N.zst or N.log, then N.chunks; at most max_bytes */
    ARCHIVE_DELETE,
};

struct archive_job {
    struct job job;
    enum archive_verb verb;
    struct log_key key;
    struct seal seal;
    uint64_t max_bytes;
    unsigned tries;
    uint64_t bytes;       /* got */
    struct err why;       /* set: it failed */
};

struct archive_settings {
    char *url, *region, *key_id;   /* url NULL or empty: no archive */
    char *secret, *secret_file;    /* the secret, or a file whose first line it is */
};

struct archive;

bool archive_is_on(const struct archive_settings *set);
int archive_check(const struct archive_settings *set, const char *sink_name, struct err *e);
/* Finished jobs (JOB_ARCHIVE) come back on `done`. NULL: the secret cannot be read. */
struct archive *archive_open(int dir_fd, const struct archive_settings *set, const char *sink_name,
                             struct mailbox *done, struct err *e);
void archive_push(struct archive *a, struct archive_job *j);   /* consumed */
void archive_close(struct archive **a);   /* breaks off what is under way; nothing comes back any more */

#endif
