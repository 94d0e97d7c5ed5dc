/* utf8.c - steps through UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Pure. Used for paths, queries and log lines, which come from anybody. */
#include "gateway/utf8.h"

/* What may follow a lead byte: how long the character is and where its second byte must lie. */
struct lead {
    uint8_t first, last;     /* range of lead bytes */
    uint8_t low, high;       /* range of the second byte */
    int length;
};

static const struct lead leads[] = {
    { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
    { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
    { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
};

static const struct lead *lead_of(uint8_t byte)
{
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

int utf8_step(const uint8_t *data, size_t len)
{
    if (len == 0)
        return -1;
    if (data[0] < 0x80)
        return 1;
    const struct lead *lead = lead_of(data[0]);
    if (!lead)
        return 0;
    if (len > 1 && (data[1] < lead->low || data[1] > lead->high))
        return 0;
    for (size_t i = 2; i < (size_t)lead->length && i < len; i++)
        if ((data[i] & 0xC0) != 0x80)
            return 0;
    return len < (size_t)lead->length ? -1 : lead->length;
}

bool utf8_is_text(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        int step = utf8_step(data + i, len - i);
        if (step <= 0 || data[i] == 0)
            return false;
        i += (size_t)step;
    }
    return true;
}
