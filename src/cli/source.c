/* source.c - one attempt's log at a gateway: GET /v1/tasks/{id}/log as text without notes (gaps=stop) and as chunks.
 *
 * Given a task's id and an attempt. Changes nothing at the server. An answer that ends says nothing of why: whoever
 * wants to know asks again where it ended, and gets bytes, a hole, or an answer without bytes. */
#include "cli/source.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fetch.h"

/* STREAM_MS: a quiet stream is opened anew after this long, so that a server that vanished without a word is
 * noticed. */
enum { STREAM_MS = 60000, PAUSE_FIRST_MS = 10, PAUSE_MS = 200, STATUS_GONE = 410 };

struct stream {
    const struct source *source;
    int64_t bytes;
    bool is_stopped;
    struct err wrong;   /* the lines are none */
};

static bool on_data(void *arg, const char *data, size_t len)
{
    struct stream *s = arg;

    s->bytes += (int64_t)len;
    s->is_stopped = !s->source->write(s->source->arg, data, len);
    return !s->is_stopped;
}

static bool on_lines(void *arg, const char *data, size_t len)
{
    struct stream *s = arg;
    struct buf out = { 0 };
    int rc = json_lines_feed(s->source->lines, data, len, &out, &s->wrong);

    s->is_stopped = out.len > 0 && !s->source->write(s->source->arg, out.data, out.len);
    buf_fini(&out);
    return rc == 0 && !s->is_stopped;
}

static char *span_url(const struct source *s, const struct source_span *span)
{
    struct buf url = { 0 };

    buf_printf(&url, "%s/v1/tasks/%s/log?format=%s&attempt=%lld", s->api->url, s->id,
               s->lines ? "jsonl" : "text&gaps=stop", (long long)s->attempt);
    if (span->place)
        buf_puts(&url, span->place);
    else
        buf_printf(&url, "&offset=%lld", (long long)span->offset);
    if (span->until > 0)
        buf_printf(&url, "&limit=%lld", (long long)(span->until - span->offset));
    if (span->is_waiting)
        buf_puts(&url, "&follow=1");
    return buf_take(&url);
}

/* The hole at the span's place, if that is what the answer says. */
static enum source_end pass_gap(const struct source *s, const struct fetch_response *r, struct source_span *span,
                                struct err *e)
{
    struct arena arena = { 0 };
    struct msg_log_gap gap = { 0 };
    struct err ignored = { 0 };
    enum source_end end = SOURCE_GAP;

    if (msg_from_json(MSG_LOG_GAP, r->body.data ? r->body.data : "", r->body.len, &arena, &gap, &ignored) < 0 ||
        gap.to <= span->offset) {
        api_problem(r->status, &r->body, e);
        end = SOURCE_FAILED;
    } else {
        int64_t to = span->until > 0 && gap.to > span->until ? span->until : gap.to;
        s->gap(s->arg, span->place ? gap.from : span->offset, to, gap.reason);
        span->offset = to;
        span->place = NULL;
    }
    arena_fini(&arena);
    return end;
}

/* The server says where an answer begins that was not asked for by offset. */
static void find_place(const struct source *s, struct source_span *span, const struct fetch_response *r, int64_t bytes)
{
    char *end = NULL;

    if (s->lines) {
        json_lines_break(s->lines);
        span->offset = s->lines->next;
        return;
    }
    if (!span->place) {
        span->offset += bytes;
        return;
    }
    long long offset = strtoll(r->header, &end, 10);
    if (end == r->header || *end)
        return;
    span->offset = offset + bytes;
    span->place = NULL;
}

static enum source_end end_of(const struct source *s, const struct stream *stream, const struct fetch_response *r,
                              struct source_span *span, struct err *e)
{
    if (stream->is_stopped)
        return SOURCE_STOPPED;
    if (stream->wrong.kind != ERR_NONE) {
        *e = stream->wrong;
        return SOURCE_FAILED;
    }
    if (e->kind != ERR_NONE)
        return SOURCE_FAILED;
    if (r->status == STATUS_GONE)
        return pass_gap(s, r, span, e);
    if (r->status < 200 || r->status > 299) {
        api_problem(r->status, &r->body, e);
        return SOURCE_FAILED;
    }
    return SOURCE_DONE;
}

enum source_end source_read(const struct source *s, struct source_span *span, struct err *e)
{
    struct stream stream = { .source = s };
    struct fetch_response r = { 0 };
    char *url = span_url(s, span);
    struct fetch_request q = { .url = url,
                               .ca_file = s->api->ca_file,
                               .timeout_ms = span->timeout_ms > 0 ? span->timeout_ms : STREAM_MS,
                               .on_data = s->lines ? on_lines : on_data,
                               .arg = &stream,
                               .header = "Orion-Log-Offset" };
    struct err broken = { 0 };

    fetch_http(&q, &r, &broken);
    find_place(s, span, &r, stream.bytes);
    enum source_end end = end_of(s, &stream, &r, span, &broken);
    if (end == SOURCE_FAILED)
        *e = broken;
    fetch_response_fini(&r);
    mem_free(&url);
    return end;
}

bool source_is_patient(const struct err *e, int64_t *since_ms)
{
    int64_t now_ms = (int64_t)clock_boot_ms();

    if (e->kind != ERR_UNAVAILABLE)
        return false;
    bool is_first = *since_ms == 0;
    if (is_first)
        *since_ms = now_ms;
    if (now_ms - *since_ms > SOURCE_PATIENCE_MS)
        return false;
    api_pause(is_first ? PAUSE_FIRST_MS : PAUSE_MS);
    return true;
}

enum source_end source_copy(const struct source *s, struct source_span *span, struct err *e)
{
    int64_t away_since_ms = 0;

    while (span->until == 0 || span->offset < span->until) {
        bool was_placed = span->place != NULL;
        int64_t before = span->offset;
        struct err now = { 0 };
        enum source_end end = source_read(s, span, &now);

        if (end == SOURCE_STOPPED)
            return end;
        if (end == SOURCE_DONE && !was_placed && span->offset == before)
            return end;
        if (span->offset > before || end == SOURCE_DONE)
            away_since_ms = 0;
        if (end == SOURCE_FAILED && !source_is_patient(&now, &away_since_ms)) {
            *e = now;
            return end;
        }
    }
    return SOURCE_DONE;
}

/* --- chunks ------------------------------------------------------------------------------------------------------ */

/* One JSON text on each line. */
static int read_items(const struct buf *text, size_t max, struct arena *a, struct msg_log_item_list *items_r,
                      struct err *e)
{
    struct msg_log_item *items = arena_alloc(a, max * sizeof(*items));
    const char *at = text->data;
    size_t left = text->len, n = 0;

    while (left > 0 && n < max) {
        const char *end = memchr(at, '\n', left);
        size_t len = end ? (size_t)(end - at) : left;
        if (msg_from_json(MSG_LOG_ITEM, at, len, a, &items[n], e) < 0)
            return err_prefix(e, "the list of chunks");
        n++;
        at += len + (end != NULL);
        left -= len + (end != NULL);
    }
    *items_r = (struct msg_log_item_list){ items, n };
    return 0;
}

int source_chunks(const struct source *s, const struct source_page *page, struct arena *a,
                  struct msg_log_item_list *items_r, struct err *e)
{
    char *path = mem_printf("/v1/tasks/%s/log?format=chunks&attempt=%lld&seq=%llu&limit=%zu", s->id,
                            (long long)s->attempt, (unsigned long long)page->seq, page->max);
    const struct api api = { a, s->api->url, s->api->ca_file };
    struct buf text = { 0 };
    int rc = api_get_patiently(&api, path, page->patience_ms, &text, e);

    if (rc == 0)
        rc = read_items(&text, page->max, a, items_r, e);
    buf_fini(&text);
    mem_free(&path);
    return rc;
}
