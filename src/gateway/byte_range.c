/* byte_range.c - Range, If-Range and If-None-Match. Given headers' texts, which come from anybody; changes nothing.
 * Pure. */
#include "gateway/byte_range.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits; more than fit are UINT64_MAX. false: there are none. */
static bool parse_position(const char **at, uint64_t *n_r)
{
    const char *p = *at;
    uint64_t n = 0;

    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    if (p == *at)
        return false;
    *at = p;
    *n_r = n;
    return true;
}

static bool is_at_end(const char *p)
{
    return p[strspn(p, " \t")] == '\0';
}

/* "-500": the last so many. */
static enum range_end suffix(const char *p, uint64_t size, uint64_t *from_r, uint64_t *to_r)
{
    uint64_t n;

    if (!parse_position(&p, &n) || !is_at_end(p))
        return RANGE_NONE;
    if (n == 0 || size == 0)
        return RANGE_UNSATISFIABLE;
    *from_r = n < size ? size - n : 0;
    *to_r = size;
    return RANGE_PART;
}

enum range_end byte_range(const char *header, uint64_t size, uint64_t *from_r, uint64_t *to_r)
{
    static const char unit[] = "bytes=";
    uint64_t first, last = UINT64_MAX;

    *from_r = 0;
    *to_r = size;
    if (!header || strncasecmp(header, unit, sizeof(unit) - 1) != 0)
        return RANGE_NONE;
    const char *p = header + sizeof(unit) - 1;
    p += strspn(p, " \t");
    if (*p == '-')
        return suffix(p + 1, size, from_r, to_r);
    if (!parse_position(&p, &first) || *p++ != '-')
        return RANGE_NONE;
    if (!is_at_end(p) && (!parse_position(&p, &last) || !is_at_end(p) || last < first))
        return RANGE_NONE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    *from_r = first;
    *to_r = last < size ? last + 1 : size;
    return RANGE_PART;
}

bool etag_is_listed(const char *header, const char *tag)
{
    size_t len = strlen(tag);

    if (!header)
        return false;
    header += strspn(header, " \t");
    if (*header == '*')
        return is_at_end(header + 1);
    while (*header) {
        header += strspn(header, " \t,");
        if (strncmp(header, "W/", 2) == 0)
            header += 2;
        if (strncmp(header, tag, len) == 0)
            return true;
        header += strcspn(header, ",");   /* our tags hold no comma */
    }
    return false;
}

bool etag_allows_range(const char *header, const char *tag)
{
    return !header || strcmp(header, tag) == 0;
}
