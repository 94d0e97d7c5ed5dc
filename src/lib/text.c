/* text.c - steps through UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF; and compares names.
 *
 * Pure. Everything that comes from outside passes here: bodies, paths, log lines, settings. */
#include "lib/text.h"

#include <stdint.h>
#include <string.h>

/* --- UTF-8 ----------------------------------------------------------------------------------------------------- */

/* Bytes of the character that this one begins; 0: none does. */
static size_t length_by_first(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* The first byte narrows the second: longer forms than needed, surrogates and what is beyond U+10FFFF fall out here. */
static bool may_follow(uint8_t first, uint8_t second)
{
    uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

    return second >= low && second <= high;
}

int text_step(const void *data, size_t len)
{
    const uint8_t *p = data;

    if (len == 0)
        return -1;
    size_t n = length_by_first(p[0]);
    for (size_t i = 1; i < n && i < len; i++)
        if (i == 1 ? !may_follow(p[0], p[1]) : (p[i] & 0xC0) != 0x80)
            return 0;
    return n > len ? -1 : (int)n;
}

bool text_is_valid(const void *data, size_t len)
{
    const uint8_t *p = data, *end = p + len;
    uint64_t word;

    while (p < end) {
        /* Nearly all text is ASCII: eight at a time. */
        for (; (size_t)(end - p) >= sizeof(word); p += sizeof(word)) {
            memcpy(&word, p, sizeof(word));
            if (word & UINT64_C(0x8080808080808080))
                break;
        }
        if (p == end)
            break;
        int step = text_step(p, (size_t)(end - p));
        if (step <= 0)
            return false;
        p += step;
    }
    return true;
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b)
{
    enum { NAME_MAX_LEN = 63 };
    size_t rows[3][NAME_MAX_LEN + 2];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    size_t len_a = strlen(a), len_b = strlen(b);

    if (len_a > NAME_MAX_LEN || len_b > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= len_b; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        size_t *recycled = before;

        now[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = recycled;
    }
    return last[len_b];
}
