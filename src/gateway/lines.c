/* lines.c - the bytes of a log as lines. Given bytes with their stream and time, in the log's order. Pure memory, at
 * most LINE_PIECE_MAX bytes of each source.
 *
 * A line that lies whole in the bytes given is returned as it lies there; only what goes on behind them is copied. */
#include "gateway/lines.h"

#include <string.h>

#include "lib/text.h"

/* The bytes that were returned from the source's own memory go. */
static void forget_shown(struct lines_source *s)
{
    if (s->shown == 0)
        return;
    buf_consume(&s->text, s->shown);
    s->offset = s->behind;
    s->shown = 0;
}

/* Where a piece of `len` bytes ends without cutting a character in two. */
static size_t piece_end(const uint8_t *data, size_t len)
{
    for (size_t back = 1; back < 4 && back < len; back++)
        if (text_step(data + len - back, back) < 0)
            return len - back;
    return len;
}

static void describe(const struct lines_source *s, unsigned source, bool is_ended, struct line *line_r)
{
    *line_r = (struct line){ .source = source, .stream = s->stream, .offset = s->offset, .time_ns = s->time_ns,
                             .is_first = !s->is_inside, .is_ended = is_ended };
}

/* The line, or its rest, lies in what was given. */
static size_t take_direct(struct lines_source *s, const struct line_origin *from, const uint8_t *data, size_t len,
                          struct line *line_r)
{
    if (!s->is_inside)
        s->time_ns = from->time_ns;
    s->offset = from->offset;
    describe(s, from->source, true, line_r);
    line_r->data = data;
    line_r->len = len;
    s->is_inside = false;
    return len + 1;
}

size_t lines_take(struct lines *l, const struct line_origin *from, const uint8_t *data, size_t len,
                  struct line *line_r)
{
    struct lines_source *s = &l->of[from->source];

    *line_r = (struct line){ 0 };
    forget_shown(s);
    s->stream = from->stream;
    size_t room = LINE_PIECE_MAX - s->text.len;
    size_t most = len < room ? len : room;
    const uint8_t *newline = memchr(data, '\n', most);
    size_t n = newline ? (size_t)(newline - data) : most;
    if (newline && s->text.len == 0)
        return take_direct(s, from, data, n, line_r);
    if (s->text.len == 0) {
        s->offset = from->offset;
        s->time_ns = s->is_inside ? s->time_ns : from->time_ns;
    }
    buf_append(&s->text, data, n);
    if (!newline && s->text.len < LINE_PIECE_MAX)
        return n;
    describe(s, from->source, newline != NULL, line_r);
    line_r->data = (const uint8_t *)s->text.data;
    line_r->len = newline ? s->text.len : piece_end(line_r->data, s->text.len);
    s->shown = line_r->len;
    s->behind = from->offset + n - (s->text.len - s->shown);
    s->is_inside = !newline;
    return n + (newline != NULL);
}

static struct lines_source *oldest(struct lines *l)
{
    struct lines_source *found = NULL;

    for (size_t i = 0; i < LINE_SOURCES; i++) {
        struct lines_source *s = &l->of[i];
        forget_shown(s);
        if (s->text.len > 0 && (!found || s->offset < found->offset))
            found = s;
    }
    return found;
}

bool lines_rest(struct lines *l, struct line *line_r)
{
    struct lines_source *s = oldest(l);

    if (!s)
        return false;
    describe(s, (unsigned)(s - l->of), false, line_r);
    line_r->data = (const uint8_t *)s->text.data;
    line_r->len = s->shown = s->text.len;
    s->is_inside = true;
    return true;
}

uint64_t lines_pending(const struct lines *l)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < LINE_SOURCES; i++) {
        const struct lines_source *s = &l->of[i];
        uint64_t offset = s->shown ? s->behind : s->offset;
        if (s->text.len > s->shown && offset < first)
            first = offset;
    }
    return first;
}

void lines_fini(struct lines *l)
{
    for (size_t i = 0; i < LINE_SOURCES; i++)
        buf_fini(&l->of[i].text);
    *l = (struct lines){ 0 };
}
