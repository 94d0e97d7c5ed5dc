/* download_lines.c - a log as JSON lines: one object (PROTOCOL "log.line") per line of output or piece of a long one,
 * with its time and stream; {"gap": ...} where bytes are missing. With separate streams the lines of each are put
 * together apart. */
#include "gateway/download_impl.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/base64.h"
#include "lib/text.h"
#include "proto/chain.h"

#define NS_PER_MS 1000000

static const char *const stream_names[] = {
    [CHAIN_BOTH] = "both", [CHAIN_STDOUT] = "stdout", [CHAIN_STDERR] = "stderr",
};

/* The bytes as a C string: NUL becomes U+FFFD, the writer does the same with what is not UTF-8. Valid until the next
 * call. */
static const char *text_of_line(struct download *d, const struct line *line)
{
    const uint8_t *p = line->data, *end = p + line->len, *nul;

    buf_reset(&d->scratch);
    while ((nul = memchr(p, '\0', (size_t)(end - p)))) {
        buf_append(&d->scratch, p, (size_t)(nul - p));
        buf_puts(&d->scratch, "\xEF\xBF\xBD");
        p = nul + 1;
    }
    buf_append(&d->scratch, p, (size_t)(end - p));
    return d->scratch.data;
}

static void put_object(struct download *d, const struct line *line, uint64_t behind)
{
    const struct log_attempt *a = log_state_attempt(track_state(&d->track), d->attempt);
    uint64_t pending = lines_pending(&d->lines);
    struct buf base64 = { 0 };
    struct msg_log_line m = {
        .attempt = d->attempt, .offset = (int64_t)line->offset,
        .next = (int64_t)(pending < behind ? pending : behind), .t_ms = (int64_t)(line->time_ns / NS_PER_MS),
        .stream = stream_names[line->stream], .text = text_of_line(d, line), .partial = !line->is_ended,
        .note = line->source == LINE_NOTES,
    };

    m.has.partial = m.partial;
    m.has.note = m.note;
    m.time = a->started_ms + m.t_ms;
    m.has.time = a->started_ms != 0;
    if (memchr(line->data, '\0', line->len) || !text_is_valid(line->data, line->len)) {
        base64_encode(line->data, line->len, &base64);
        m.bytes_base64 = base64.data;
    }
    msg_to_json(MSG_LOG_LINE, &m, false, &d->made);
    buf_putc(&d->made, '\n');
    buf_fini(&base64);
}

/* Only lines that match, if that was asked for; the pieces of a line share its fate. */
static bool is_wanted(struct download *d, const struct line *line)
{
    if (!d->query.grep || !line->is_first)
        return !d->query.grep || d->is_matching[line->source];
    bool is_match = grep_matches(&d->grep, line->data, line->len);
    d->is_matching[line->source] = is_match;
    if (!is_match)
        return false;
    if (download_may_match(d)) {
        d->matches++;
        return true;
    }
    d->has_stopped = true;
    buf_printf(&d->made, "{\"stopped\":{\"max_matches\":%" PRId64 "}}\n", d->query.max_matches);
    download_finish(d);
    return false;
}

static void put_bytes(struct download *d, const struct piece *p)
{
    struct line_origin from = { .source = p->is_note ? LINE_NOTES : p->stream, .stream = p->stream,
                                .time_ns = p->time_ns };
    size_t done = 0;

    while (done < p->len && !d->is_over) {
        struct line line;
        from.offset = p->offset + done;
        done += lines_take(&d->lines, &from, p->data + done, p->len - done, &line);
        if (line.data && is_wanted(d, &line))
            put_object(d, &line, p->offset + done);
    }
}

static void put_rest(struct download *d)
{
    struct line line;

    while (!d->is_cut && !d->has_stopped && lines_rest(&d->lines, &line))
        if (is_wanted(d, &line))
            put_object(d, &line, d->offset);
}

static void put_gap(struct download *d, const struct follow_gap *gap)
{
    const struct msg_log_gap m = { .attempt = d->attempt, .from = (int64_t)d->offset, .to = (int64_t)gap->to,
                                   .reason = gap->reason };

    put_rest(d);
    buf_puts(&d->made, "{\"gap\":");
    msg_to_json(MSG_LOG_GAP, &m, false, &d->made);
    buf_puts(&d->made, "}\n");
}

const struct download_form download_form_lines = {
    .has_chunks = true, .piece_max = 16384, .bytes = put_bytes, .gap = put_gap, .end = put_rest,
};
