/* line_filter.c - the lines of a stream that hold a text, for `orion logs -f --grep`. Bounded memory; a text that lies
 * across the border of two pieces of an endless line is found too. Pure. */
#include "cli/line_filter.h"

#include <string.h>
#include <strings.h>

static bool holds(const struct line_filter *f, const char *data, size_t len)
{
    size_t n = strlen(f->text);

    if (!f->ignore_case)
        return memmem(data, len, f->text, n);
    for (size_t at = 0; at + n <= len; at++) {
        if (strncasecmp(data + at, f->text, n) == 0)
            return true;
    }
    return false;
}

static void look(struct line_filter *f, struct buf *out)
{
    if (!f->is_shown && f->line.len > 0 && holds(f, f->line.data, f->line.len)) {
        f->is_shown = true;
        buf_printf(out, "%llu:", (unsigned long long)f->lines + 1);
    }
    if (f->is_shown) {
        buf_append(out, f->line.data, f->line.len);
        buf_reset(&f->line);
    }
}

/* Of a piece without the text only so much is kept as may be the text's beginning. */
static void shorten(struct line_filter *f)
{
    size_t keep = strlen(f->text);

    if (f->line.len > keep)
        buf_consume(&f->line, f->line.len - keep);
}

void line_filter_feed(struct line_filter *f, const char *data, size_t len, struct buf *out)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) + 1 : len;

        if (n > LINE_FILTER_MAX) {
            n = LINE_FILTER_MAX;
            end = NULL;
        }
        buf_append(&f->line, data, n);
        if (end || f->is_shown || f->line.len >= LINE_FILTER_MAX)
            look(f, out);
        if (end) {
            buf_reset(&f->line);
            f->is_shown = false;
            f->lines++;
        } else if (f->line.len >= LINE_FILTER_MAX) {
            shorten(f);
        }
        data += n;
        len -= n;
    }
}

void line_filter_end(struct line_filter *f, struct buf *out)
{
    look(f, out);
    buf_reset(&f->line);
    f->is_shown = false;
}

void line_filter_fini(struct line_filter *f)
{
    buf_fini(&f->line);
}
