/* download_head.c - what a download says of itself before its first byte: status, length, range, tag, and what is known
 * of the log. Given the place and the request's headers. Implements RFC 9110, 13 and 14, as far as one range of bytes
 * goes. */
#include "gateway/download_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/accept.h"
#include "gateway/byte_range.h"
#include "gateway/request.h"

#define TAG_SIZE 96

/* --- what is known of the log ---------------------------------------------------------------------------------- */

static void add_number(struct request *r, const char *name, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, n);
    request_add_header(r, name, text);
}

static void hex_of(const uint8_t *data, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        sprintf(out + 2 * i, "%02x", data[i]);
}

/* What SQL says of the log; of an open one the bytes that are durable. */
static void add_log_headers(struct download *d, const struct log_attempt *a)
{
    struct request *r = d->request;
    char head[2 * sizeof(a->head) + 1];
    bool is_open = strcmp(a->log_state, "open") == 0;

    add_number(r, "Orion-Attempt", (uint64_t)a->number);
    request_add_header(r, "Orion-Log-State", a->log_state);
    add_number(r, "Orion-Log-Offset", d->offset);
    add_number(r, "Orion-Log-Bytes", a->has_bytes && !is_open ? a->bytes : follow_end(&d->follow));
    if (a->has_lines)
        add_number(r, "Orion-Log-Lines", a->lines);
    if (a->head_len == 0)
        return;
    hex_of(a->head, a->head_len, head);
    request_add_header(r, "Orion-Log-Head", head);
}

/* Names the bytes of this answer for ever: those of a complete log, in this form and coding. false: nothing does. */
static bool tag_of(const struct download *d, const struct log_attempt *a, char tag[TAG_SIZE])
{
    static const char *const suffixes[LOG_FORMS] = { "", "", "-jsonl", "-cast", "-chunks" };
    char head[2 * sizeof(a->head) + 1];

    if (!a || strcmp(a->log_state, "complete") != 0 || a->head_len == 0 || d->query.since_ms >= 0)
        return false;
    hex_of(a->head, a->head_len, head);
    snprintf(tag, TAG_SIZE, "\"%s%s%s\"", head, suffixes[d->query.form], d->gzip ? "-gzip" : "");
    return true;
}

/* Plain bytes of which everybody knows how many there are. */
static bool can_be_sized(const struct download *d, const struct log_attempt *a)
{
    const struct log_query *q = &d->query;

    return a && q->form == FORM_TEXT && !q->grep && !d->gzip && !q->is_following && !q->stops_at_gaps &&
           strcmp(a->log_state, "gap") != 0;
}

/* --- what the request's headers ask for ------------------------------------------------------------------------ */

static enum opening refuse_range(struct download *d, uint64_t size)
{
    char text[40];

    snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
    request_add_header(d->request, "Content-Range", text);
    download_refuse_text(d, 416, "the range begins behind the end of what was asked for");
    return OPENING_OVER;
}

/* Of what was asked for otherwise. `tag` may be NULL. */
static enum opening apply_range(struct download *d, const char *tag)
{
    uint64_t size = d->end > d->offset ? d->end - d->offset : 0;

    if (d->request->method != HTTP_GET || d->query.tail >= 0 || d->query.since_ms >= 0 ||
        !etag_allows_range(request_header(d->request, "If-Range"), tag ? tag : ""))
        return OPENING_ON;
    switch (byte_range(request_header(d->request, "Range"), size, &d->range_from, &d->range_to)) {
    case RANGE_UNSATISFIABLE:
        return refuse_range(d, size);
    case RANGE_PART:
        d->is_part = true;
        d->range_size = size;
        d->end = d->offset + d->range_to;
        d->offset += d->range_from;
        return OPENING_ON;
    case RANGE_NONE:
        break;
    }
    return OPENING_ON;
}

static const struct download_form *form_of(const struct log_query *q)
{
    switch (q->form) {
    case FORM_JSONL:
        return &download_form_lines;
    case FORM_CAST:
        return &download_form_cast;
    default:
        return q->grep ? &download_form_grep : &download_form_text;
    }
}

enum opening download_conditions(struct download *d)
{
    const struct log_attempt *a = log_state_attempt(track_state(&d->track), d->attempt);
    struct request *r = d->request;
    char tag[TAG_SIZE];

    d->form = form_of(&d->query);
    if (!request_header(r, "Range") && accept_coding(request_header(r, "Accept-Encoding"), "gzip"))
        download_pack(d);
    bool has_tag = tag_of(d, a, tag);
    if (has_tag && etag_is_listed(request_header(r, "If-None-Match"), tag)) {
        request_add_header(r, "ETag", tag);
        download_free(d);
        request_answer(r, 304, NULL, NULL);
        return OPENING_OVER;
    }
    d->is_sized = can_be_sized(d, a);
    return d->is_sized ? apply_range(d, has_tag ? tag : NULL) : OPENING_ON;
}

/* --- the answer ------------------------------------------------------------------------------------------------ */

static void on_gone(void *arg)
{
    download_free(arg);
}

/* Of a log that grows nobody knows the whole. */
static void add_content_range(struct download *d, const struct log_attempt *a)
{
    char text[80], whole[24] = "*";

    if (strcmp(a->log_state, "complete") == 0)
        snprintf(whole, sizeof(whole), "%" PRIu64, d->range_size);
    snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%s", d->range_from, d->range_to - 1, whole);
    request_add_header(d->request, "Content-Range", text);
}

static void add_headers(struct download *d, const struct log_attempt *a)
{
    struct request *r = d->request;
    char tag[TAG_SIZE];

    request_add_header(r, "X-Content-Type-Options", "nosniff");
    request_add_header(r, "Vary", "Accept, Accept-Encoding");
    if (d->gzip)
        request_add_header(r, "Content-Encoding", "gzip");
    if (a)
        add_log_headers(d, a);
    if (tag_of(d, a, tag))
        request_add_header(r, "ETag", tag);
    if (d->is_sized && d->query.tail < 0 && d->query.since_ms < 0)
        request_add_header(r, "Accept-Ranges", "bytes");
    if (d->is_part)
        add_content_range(d, a);
}

void download_begin(struct download *d)
{
    static const struct stream_hooks hooks = { download_fill, on_gone };
    const struct log_state *s = track_state(&d->track);
    const struct log_attempt *a = log_state_attempt(s, d->attempt);
    struct stream_head head = { d->is_part ? 206 : 200, d->query.type, STREAM_UNSIZED };

    add_headers(d, a);
    if (d->is_sized)
        head.size = d->end > d->offset ? d->end - d->offset : 0;
    if (d->query.grep)
        grep_init(&d->grep, d->query.grep, d->query.ignores_case);
    if (d->form->has_chunks)
        download_need_chunks(d);
    if (d->form->begin)
        d->form->begin(d, s, a);
    request_stream_as(d->request, &head, &hooks, d);
}
