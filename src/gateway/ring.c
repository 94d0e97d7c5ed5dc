/* ring.c - the newest bytes of a log. Pure memory.
 *
 * The bytes lie in one piece, so that a reader never meets a seam: the buffer is twice as large as what is kept
 * and the kept bytes move to its front when they reach its end, which costs one copy per byte. */
#include "gateway/ring.h"

#include <string.h>

#include "lib/mem.h"

enum { RING_MIN = 4096 };

uint64_t ring_end(const struct ring *r)
{
    return r->offset + r->len;
}

static void drop_front(struct ring *r, size_t len)
{
    r->start += len;
    r->len -= len;
    r->offset += len;
}

/* Room for `more` bytes behind the kept ones. */
static void make_room(struct ring *r, size_t more, size_t max)
{
    if (r->start + r->len + more <= r->cap)
        return;
    if (r->len > 0)
        memmove(r->data, r->data + r->start, r->len);
    r->start = 0;
    size_t cap = r->cap ? r->cap : RING_MIN;
    while (cap < r->len + more)
        cap *= 2;
    if (cap == r->cap && r->len + more > cap / 2 && cap < 2 * max)
        cap *= 2;
    if (cap != r->cap) {
        r->data = mem_resize(r->data, cap, 1);
        r->cap = cap;
    }
}

void ring_put(struct ring *r, uint64_t offset, const uint8_t *data, size_t len, size_t max)
{
    if (offset + len <= ring_end(r) && r->len > 0)
        return;
    if (r->len == 0 || offset > ring_end(r)) {
        r->offset = offset;
        r->start = r->len = 0;
    }
    size_t known = (size_t)(ring_end(r) - offset);
    data += known;
    len -= known;
    if (len > max) {
        r->offset = offset + known + (len - max);
        r->start = r->len = 0;
        data += len - max;
        len = max;
    }
    if (r->len + len > max)
        drop_front(r, r->len + len - max);
    if (len == 0)
        return;
    make_room(r, len, max);
    memcpy(r->data + r->start + r->len, data, len);
    r->len += len;
}

size_t ring_peek(const struct ring *r, uint64_t offset, const uint8_t **data_r)
{
    if (offset < r->offset || offset >= ring_end(r))
        return 0;
    size_t skip = (size_t)(offset - r->offset);
    *data_r = r->data + r->start + skip;
    return r->len - skip;
}

void ring_fini(struct ring *r)
{
    mem_free(&r->data);
    *r = (struct ring){ 0 };
}
