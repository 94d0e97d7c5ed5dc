/* byte_range.h - the part of something that a Range header asks for, and whether a client has it already
 * (RFC 9110, 13.1 and 14). */
#ifndef ORION_GATEWAY_BYTE_RANGE_H
#define ORION_GATEWAY_BYTE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum range_end {
    RANGE_NONE,            /* the whole: no header, several ranges, another unit, or not to be understood */
    RANGE_PART,
    RANGE_UNSATISFIABLE,   /* nothing of it is there */
};

/* Of `size` bytes, [from_r, to_r). */
enum range_end byte_range(const char *header, uint64_t size, uint64_t *from_r, uint64_t *to_r);

/* Is `tag`, with its quotes, in an If-None-Match header? Weak or strong does not matter there. NULL header: no. */
bool etag_is_listed(const char *header, const char *tag);
/* Does an If-Range header let the Range stand? Without one it does; a date never names what we have. */
bool etag_allows_range(const char *header, const char *tag);

#endif
