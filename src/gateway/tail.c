/* tail.c - where the last lines of a log begin. Given its blocks from the end backwards. Pure. */
#include "gateway/tail.h"

#include <string.h>

static void finish(struct tail *t, uint64_t start)
{
    t->start = start;
    t->is_done = true;
}

void tail_begin(struct tail *t, uint64_t low, uint64_t end, uint64_t lines)
{
    if (end - low > TAIL_REACH)
        low = end - TAIL_REACH;
    *t = (struct tail){ .low = low, .end = end, .at = end, .wanted = lines };
    if (lines == 0 || low >= end)
        finish(t, end);
}

uint64_t tail_block(const struct tail *t)
{
    return t->at - t->low > TAIL_BLOCK ? t->at - TAIL_BLOCK : t->low;
}

void tail_look(struct tail *t, const uint8_t *block)
{
    uint64_t from = tail_block(t);
    size_t len = (size_t)(t->at - from);

    /* The newline at the very end closes the last line and begins none. */
    if (t->at == t->end && block[len - 1] == '\n')
        len--;
    while (len > 0) {
        const uint8_t *newline = memrchr(block, '\n', len);
        if (!newline)
            break;
        len = (size_t)(newline - block);
        if (--t->wanted == 0) {
            finish(t, from + len + 1);
            return;
        }
    }
    t->at = from;
    if (from == t->low)
        finish(t, from);
}
