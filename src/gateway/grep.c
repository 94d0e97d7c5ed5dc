/* grep.c - does a line hold a text? Given both; changes nothing but its own memory. Pure.
 *
 * Time is linear in the line, whatever is looked for: memmem's is, and case is folded beforehand. */
#include "gateway/grep.h"

#include <string.h>

static void append_folded(struct buf *b, const uint8_t *data, size_t len)
{
    uint8_t *out = (uint8_t *)buf_reserve(b, len);

    for (size_t i = 0; i < len; i++)
        out[i] = data[i] >= 'A' && data[i] <= 'Z' ? (uint8_t)(data[i] | 0x20) : data[i];
    buf_commit(b, len);
}

void grep_init(struct grep *g, const char *text, bool ignores_case)
{
    *g = (struct grep){ .ignores_case = ignores_case };
    if (ignores_case)
        append_folded(&g->wanted, (const uint8_t *)text, strlen(text));
    else
        buf_puts(&g->wanted, text);
}

bool grep_matches(struct grep *g, const uint8_t *data, size_t len)
{
    if (len < g->wanted.len)
        return false;
    if (g->ignores_case) {
        buf_reset(&g->folded);
        append_folded(&g->folded, data, len);
        data = (const uint8_t *)g->folded.data;
    }
    return memmem(data, len, g->wanted.data, g->wanted.len) != NULL;
}

void grep_fini(struct grep *g)
{
    buf_fini(&g->wanted);
    buf_fini(&g->folded);
}
