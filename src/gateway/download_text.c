/* download_text.c - a log as plain text: its bytes as they are, or the lines that hold a text (?grep=), numbered as
 * `grep -n` numbers them.
 *
 * A gap is a line of its own, in brackets. Where a length was promised, the same line stands at the gap's beginning and
 * blanks fill the rest of it, so that every other byte keeps its place. */
#include "gateway/download_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GAP_TEXT_SIZE (GAP_REASON_SIZE + 96)

enum { FILL_MAX = 65536 };

void download_gap_text(const struct follow_gap *gap, char *text, size_t size)
{
    snprintf(text, size, "[orion: bytes %" PRIu64 "-%" PRIu64 " of this log are missing: %s]", gap->from, gap->to,
             gap->reason);
}

static void note_end(struct download *d)
{
    if (d->made.len > 0)
        d->is_inside = d->made.data[d->made.len - 1] != '\n';
}

/* Bracketed lines begin on a line of their own. */
static void put_note(struct download *d, const char *text)
{
    buf_printf(&d->made, "%s%s\n", d->is_inside ? "\n" : "", text);
    note_end(d);
}

static void put_gap(struct download *d, const struct follow_gap *gap)
{
    struct follow_gap rest = *gap;
    char text[GAP_TEXT_SIZE];

    rest.from = d->offset;
    download_gap_text(&rest, text, sizeof(text));
    put_note(d, text);
}

static void begin_filling(struct download *d, const struct follow_gap *gap)
{
    if (d->filled_to == gap->to)
        return;
    d->filled_from = d->offset;
    d->filled_to = gap->to;
    d->is_filling_line = d->is_inside;
}

void download_text_fill_gap(struct download *d, const struct follow_gap *gap)
{
    struct follow_gap whole = *gap;
    char text[GAP_TEXT_SIZE] = "\n";

    begin_filling(d, gap);
    whole.from = d->filled_from;
    size_t skip = d->is_filling_line;
    download_gap_text(&whole, text + skip, sizeof(text) - skip);
    size_t len = strlen(text);
    uint64_t to = gap->to < d->end ? gap->to : d->end;
    for (size_t n = 0; d->offset < to && n < FILL_MAX; n++, d->offset++) {
        uint64_t at = d->offset - d->filled_from;
        buf_putc(&d->made, d->offset + 1 == gap->to ? '\n' : at < len ? text[at] : ' ');
    }
    note_end(d);
}

/* --- bytes as they are ----------------------------------------------------------------------------------------- */

static void put_bytes(struct download *d, const struct piece *p)
{
    buf_append(&d->made, p->data, p->len);
    note_end(d);
}

const struct download_form download_form_text = { .piece_max = 65536, .bytes = put_bytes, .gap = put_gap };

/* --- lines that match ------------------------------------------------------------------------------------------ */

bool download_may_match(struct download *d)
{
    return d->matches < d->query.max_matches;
}

/* One line too many: said, so that nobody takes the lines for all of them. */
static void stop_matching(struct download *d)
{
    char text[96];

    d->is_matching[0] = false;
    snprintf(text, sizeof(text), "[orion: %" PRId64 " lines match, and there are more: ask with a larger max_matches]",
             d->matches);
    put_note(d, text);
    download_finish(d);
}

static void put_match(struct download *d, const struct line *line)
{
    if (line->is_first) {
        d->line_number++;
        d->is_matching[0] = grep_matches(&d->grep, line->data, line->len);
        if (d->is_matching[0] && !download_may_match(d)) {
            stop_matching(d);
            return;
        }
        d->matches += d->is_matching[0];
        if (d->is_matching[0])
            buf_printf(&d->made, "%" PRIu64 ":", d->line_number);
    }
    if (!d->is_matching[0])
        return;
    buf_append(&d->made, line->data, line->len);
    if (line->is_ended)
        buf_putc(&d->made, '\n');
    d->is_inside = !line->is_ended;
}

static void grep_bytes(struct download *d, const struct piece *p)
{
    struct line_origin from = { .offset = p->offset };
    size_t done = 0;

    while (done < p->len && !d->is_over) {
        struct line line;
        from.offset = p->offset + done;
        done += lines_take(&d->lines, &from, p->data + done, p->len - done, &line);
        if (line.data)
            put_match(d, &line);
    }
}

/* What stands before a gap or the end without its newline is a line, too. */
static void grep_rest(struct download *d)
{
    struct line line;

    while (lines_rest(&d->lines, &line))
        put_match(d, &line);
    if (d->is_inside)
        buf_putc(&d->made, '\n');
    d->is_inside = false;
}

static void grep_gap(struct download *d, const struct follow_gap *gap)
{
    grep_rest(d);
    put_gap(d, gap);
}

const struct download_form download_form_grep = {
    .piece_max = 16384, .bytes = grep_bytes, .gap = grep_gap, .end = grep_rest,
};
