/* refetch.h - reads of logs that only the archive has: they wait while the log is fetched back to its place on the disk.
 *
 * What was fetched stays here for a while, used last longest, within a bound in bytes. The archive being out of reach
 * fails the reads with its reason, and those of the next two seconds at once; it is no gap. */
#ifndef ORION_LOGSINK_REFETCH_H
#define ORION_LOGSINK_REFETCH_H

#include <stdbool.h>

#include "logsink/archive.h"
#include "logsink/files.h"
#include "logsink/job.h"

struct refetch;

/* room_bytes of refetch_read: what the disk may take. cache_bytes: of all fetched logs. */
struct refetch *refetch_new(struct files *fs, struct archive *a, uint64_t cache_bytes);
void refetch_free(struct refetch **r);

/* A read that found no files. true: it waits (or is told that it cannot be) and comes out of refetch_take. */
bool refetch_read(struct refetch *r, struct read *q, uint64_t room_bytes);
void refetch_used(struct refetch *r, const struct log_key *key);   /* somebody read it */
void refetch_done(struct refetch *r, const struct archive_job *j);
/* A read that may be asked again (why is clear), or that failed. NULL: none. */
struct read *refetch_take(struct refetch *r);
/* Is it on its way, or was it used a short while ago? */
bool refetch_wants(const struct refetch *r, const struct log_key *key);

#endif
