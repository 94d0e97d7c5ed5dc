/* fetch_s3.h - objects in S3-compatible storage: put, get and delete whole ones, blocking, signed with AWS signature 4.
 *
 * Requests go to URL/KEY in path style, over one connection that is kept. Bodies stream from and to files, so memory is
 * constant. A body's SHA-256 is signed with it: the server refuses what was damaged on its way. One thread at a time. */
#ifndef ORION_LIB_FETCH_S3_H
#define ORION_LIB_FETCH_S3_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define S3_OBJECT_MAX ((int64_t)5 << 30)   /* what one PUT takes; longer ones would need several parts */

struct s3;

struct s3_settings {
    const char *url;               /* http(s)://host[:port]/bucket[/prefix] */
    const char *region;
    const char *key_id, *secret;
    int64_t stall_ms;              /* a transfer that moves nothing for so long fails */
    const atomic_bool *is_stopped; /* ends a transfer within a second when it becomes true; NULL: never */
};

/* Is the URL one that can be signed? -1 names `setting`. */
int s3_url_check(const char *url, const char *setting, struct err *e);

struct s3 *s3_new(const struct s3_settings *set);   /* what `set` points to must live as long */
void s3_free(struct s3 **s);

/* The errors: ERR_UNAVAILABLE: nobody answered, or the server has trouble: try again. ERR_DENIED: key, secret or right
 * is wrong. ERR_NOT_FOUND: no such object (or bucket). ERR_INVALID: the server does not take this request.
 * ERR_TOO_LARGE: the object is over S3_OBJECT_MAX or `max`. ERR_SYSTEM: the file. The text has the server's own code.
 * A key holds only letters, digits and . _ - / */
int s3_put(struct s3 *s, const char *key, int fd, uint64_t len, struct err *e);   /* fd's first len bytes */
int s3_put_bytes(struct s3 *s, const char *key, const void *data, size_t len, struct err *e);
int s3_get(struct s3 *s, const char *key, int fd, uint64_t max, struct err *e);   /* into fd from its beginning */
int s3_delete(struct s3 *s, const char *key, struct err *e);   /* 0 as well when there is no such object */

#endif
