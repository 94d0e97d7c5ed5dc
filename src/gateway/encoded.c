/* encoded.c - events as text, made once. Pure memory.
 *
 * How a log divides into events depends on nothing but its bytes and the place where one begins (sse_next), except at
 * its end: what is shown of an unfinished line is every viewer's own affair and never comes here. */
#include "gateway/encoded.h"

#include <string.h>

#include "lib/mem.h"

enum { MARKS_MIN = 64 };

static struct encoded_mark *mark_at(const struct encoded *e, size_t i)
{
    return &e->marks[(e->first + i) & (e->cap - 1)];
}

static void mark_add(struct encoded *e, uint64_t offset, uint64_t at)
{
    if (e->n == e->cap) {
        size_t cap = e->cap ? 2 * e->cap : MARKS_MIN;
        struct encoded_mark *marks = mem_array(cap, sizeof(*marks));
        for (size_t i = 0; i < e->n; i++)
            marks[i] = *mark_at(e, i);
        mem_free(&e->marks);
        e->marks = marks;
        e->cap = cap;
        e->first = 0;
    }
    e->n++;
    *mark_at(e, e->n - 1) = (struct encoded_mark){ offset, at };
}

/* Marks of text that the ring has dropped. */
static void drop_marks(struct encoded *e)
{
    while (e->n > 0 && mark_at(e, 0)->at < e->text.offset) {
        e->first = (e->first + 1) & (e->cap - 1);
        e->n--;
    }
}

static uint64_t end_of(const struct encoded *e)
{
    return e->n ? mark_at(e, e->n - 1)->offset : 0;
}

static void begin_at(struct encoded *e, uint64_t offset)
{
    e->text.start = e->text.len = 0;
    e->text.offset = 0;
    e->first = e->n = 0;
    e->misses = 0;
    mark_add(e, offset, 0);
}

bool encoded_wants(const struct encoded *e, uint64_t offset, uint64_t end, size_t viewers)
{
    if (e->n > 0 && offset == end_of(e))
        return end > e->seen;
    return e->n == 0 || e->misses > viewers;
}

/* The ring takes no more than `max` at once, so that this may come in the middle. */
static void flush(struct encoded *e, struct buf *scratch)
{
    if (scratch->len > 0)
        ring_put(&e->text, ring_end(&e->text), (const uint8_t *)scratch->data, scratch->len, e->max);
    buf_reset(scratch);
}

void encoded_add(struct encoded *e, const struct sse_form *form, uint64_t offset, const uint8_t *data, size_t len,
                 struct buf *scratch)
{
    struct sse_event event;

    if (e->n == 0 || end_of(e) != offset)
        begin_at(e, offset);
    e->seen = offset + len;
    if (e->max < ENCODED_MIN)
        e->max = ENCODED_MIN;
    buf_reset(scratch);
    while (sse_next(data, len, SSE_WAIT, &event)) {
        sse_put(form, &event, data, offset, scratch);
        offset += event.taken;
        data += event.taken;
        len -= event.taken;
        mark_add(e, offset, ring_end(&e->text) + scratch->len);
        if (scratch->len > e->max / 4)
            flush(e, scratch);
    }
    flush(e, scratch);
    drop_marks(e);
}

/* The last mark whose offset (or place in the text) is not behind `value`; -1: none. */
static ptrdiff_t last_mark(const struct encoded *e, uint64_t value, bool is_text)
{
    size_t low = 0, high = e->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct encoded_mark *m = mark_at(e, middle);
        if ((is_text ? m->at : m->offset) <= value)
            low = middle + 1;
        else
            high = middle;
    }
    return (ptrdiff_t)low - 1;
}

size_t encoded_get(struct encoded *e, uint64_t offset, size_t room, const char **text_r, uint64_t *next_r)
{
    ptrdiff_t from = last_mark(e, offset, false);
    const uint8_t *text;

    if (from < 0 || mark_at(e, (size_t)from)->offset != offset) {
        e->was_short |= from < 0 && e->n > 0;
        e->misses++;
        return 0;
    }
    const struct encoded_mark *begin = mark_at(e, (size_t)from);
    e->misses = 0;
    const struct encoded_mark *end = mark_at(e, (size_t)last_mark(e, begin->at + room, true));
    if (end->at == begin->at || ring_peek(&e->text, begin->at, &text) == 0)
        return 0;
    *text_r = (const char *)text;
    *next_r = end->offset;
    return (size_t)(end->at - begin->at);
}

size_t encoded_memory(const struct encoded *e)
{
    return e->text.cap + e->cap * sizeof(*e->marks);
}

void encoded_fini(struct encoded *e)
{
    ring_fini(&e->text);
    mem_free(&e->marks);
    *e = (struct encoded){ 0 };
}
