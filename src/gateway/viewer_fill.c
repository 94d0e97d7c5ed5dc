/* viewer_fill.c - what a viewer is told, in order: heads, text and ends of events, or raw bytes.
 *
 * Given the room that the socket has, writes as much as fits, straight from the attempt's shared memory; a viewer
 * itself keeps only its place and, for a moment, the head of an event. Implements ARCHITECTURE "The life of a task",
 * 5. One rule ends an attempt for all kinds: it is over and its bytes are shown, or the sink sealed less, or nothing
 * came for a grace. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/request.h"
#include "gateway/sse.h"
#include "gateway/viewer_impl.h"
#include "lib/clock.h"

enum step {
    STEP_ON,     /* something was done: ask again */
    STEP_FULL,   /* no room */
    STEP_WAIT,   /* nothing to do until something comes */
};

struct space {
    char *data;
    size_t room;
    size_t used;
};

bool viewer_attach(struct viewer *v, const struct log_attempt *a, uint64_t offset)
{
    follow_leave(&v->follow);
    v->attempt = a->number;
    v->offset = v->text_at = v->text_end = offset;
    v->over_since_ms = 0;
    if (!follow_join(v->follows, &v->spec.id, a, &v->follow))
        return false;
    if (follow_kind(&v->follow) == FOLLOW_UNKNOWN || offset < follow_end(&v->follow))
        follow_want(&v->follow, offset);
    return true;
}

/* --- events ---------------------------------------------------------------------------------------------------- */

/* data: of a message of the table, as one line. NULL `event` or a negative offset: without that field. */
static void put_event(struct viewer *v, const char *event, int64_t offset, enum msg_type type, const void *message)
{
    if (event)
        buf_printf(&v->pending, "event: %s\n", event);
    if (offset >= 0)
        buf_printf(&v->pending, "id: %" PRId64 ".%" PRId64 "\n", v->attempt, offset);
    buf_puts(&v->pending, "data: ");
    msg_to_json(type, message, false, &v->pending);
    buf_puts(&v->pending, "\n\n");
}

static void put_sentence(struct viewer *v, const char *event, const char *text)
{
    size_t len = strlen(text);
    char safe[2048];
    size_t n;

    sse_text((const uint8_t *)text, len, safe, sizeof(safe), &n);
    if (event)
        buf_printf(&v->pending, "event: %s\n", event);
    buf_printf(&v->pending, "data: %.*s\n\n", (int)n, safe);
}

static void put_attempt(struct viewer *v, const struct log_attempt *a)
{
    const struct msg_log_attempt message = { .attempt = a->number, .agent = a->agent };

    if (v->spec.kind == VIEWER_V1)
        put_event(v, "attempt", 0, MSG_LOG_ATTEMPT, &message);
}

static struct msg_log_end end_message(const struct viewer *v, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, v->attempt);
    struct msg_log_end m = { .id = s->id, .state = task_state_name(s->state), .status = task_state_seed_word(s->state),
                             .exit_code = s->exit_code, .cause = s->cause, .message = s->message,
                             .attempt = v->attempt };

    m.has.exit_code = s->has_exit_code;
    if (!a)
        return m;
    m.log_state = a->log_state;
    m.log_bytes = (int64_t)a->bytes;
    m.has.log_bytes = a->has_bytes;
    m.log_lines = (int64_t)a->lines;
    m.has.log_lines = a->has_lines;
    m.log_head = (struct msg_bytes){ a->head, a->head_len };
    return m;
}

static void put_state(struct viewer *v, const struct log_state *s)
{
    const struct msg_log_end m = { .id = s->id, .state = task_state_name(s->state),
                                   .status = task_state_seed_word(s->state), .attempt = log_state_latest(s) };

    put_event(v, "state", -1, MSG_LOG_END, &m);
    v->shown_state = (int)s->state;
}

/* Its id lies at or behind the log's end, so that a reconnect is known to be one after the end. */
static void put_end(struct viewer *v, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, v->attempt);
    const struct msg_log_end m = end_message(v, s);
    uint64_t offset = a && a->has_bytes && a->bytes > v->offset ? a->bytes : v->offset;

    if (v->spec.kind == VIEWER_V1)
        put_event(v, "end", (int64_t)offset, MSG_LOG_END, &m);
    else if (v->spec.kind == VIEWER_SEED && !v->has_shown && (!a || follow_kind(&v->follow) == FOLLOW_ABSENT))
        put_sentence(v, NULL, "Task output file not found");
    else if (v->spec.kind == VIEWER_SEED)
        put_event(v, "buildResult", (int64_t)offset, MSG_LOG_END, &m);
    v->is_over = true;
}

static void begin_text(struct viewer *v, const struct sse_event *event)
{
    v->text_at = v->offset;
    v->text_end = v->offset + event->shown;
    v->text_next = v->offset + event->taken;
    if (v->spec.kind == VIEWER_V1)
        buf_printf(&v->pending, "event: %s\n", event->is_part ? "part" : "log");
    buf_printf(&v->pending, "id: %" PRId64 ".%" PRIu64 "\ndata: ", v->attempt, v->text_next);
    v->has_shown = true;
    if (v->text_at == v->text_end) {
        buf_puts(&v->pending, "\n\n");
        v->offset = v->text_next;
    }
}

/* The stream breaks, and its client can see that. */
static void cut(struct viewer *v)
{
    v->is_over = v->is_cut = true;
    buf_fini(&v->pending);
}

/* --- steps ----------------------------------------------------------------------------------------------------- */

static enum step step_pending(struct viewer *v, struct space *s)
{
    size_t n = v->pending.len < s->room - s->used ? v->pending.len : s->room - s->used;

    memcpy(s->data + s->used, v->pending.data, n);
    s->used += n;
    buf_consume(&v->pending, n);
    if (v->pending.len > 0)
        return STEP_FULL;
    buf_fini(&v->pending);
    return STEP_ON;
}

/* Bytes at the viewer's place, or a wish for them. */
static size_t peek_or_want(struct viewer *v, uint64_t offset, const uint8_t **data_r)
{
    size_t n = follow_peek(&v->follow, offset, data_r);

    if (n == 0 && !v->follow.is_wanting)
        follow_want(&v->follow, offset);
    return n;
}

/* Why the bytes at a place will not come; NULL: they may. */
static const char *hole_reason(const struct viewer *v, const struct log_state *s)
{
    if (follow_error(&v->follow))
        return follow_error(&v->follow);
    if (follow_failing_ms(&v->follow) > VIEWER_GRACE_SINKLESS_MS && log_state_is_over(s, v->attempt))
        return "the log sink does not answer";
    return NULL;
}

/* What was wanted cannot be had: the hole is shown and passed over. */
static enum step step_hole(struct viewer *v, const char *why)
{
    if (v->spec.kind == VIEWER_RAW || v->text_at < v->text_end) {
        cut(v);
        return STEP_ON;
    }
    put_sentence(v, v->spec.kind == VIEWER_V1 ? "gap" : NULL, why);
    v->offset = v->text_at = v->text_end = follow_end(&v->follow);
    return STEP_ON;
}

/* Goes on with the text of the event that was begun. */
static enum step step_text(struct viewer *v, struct space *s)
{
    const char *why = hole_reason(v, track_state(&v->track));
    const uint8_t *data;
    size_t n = peek_or_want(v, v->text_at, &data);
    char small[SSE_STEP_MAX];
    size_t written;

    if (n == 0)
        return why ? step_hole(v, why) : STEP_WAIT;
    if (n > v->text_end - v->text_at)
        n = (size_t)(v->text_end - v->text_at);
    if (s->room - s->used >= SSE_STEP_MAX) {
        v->text_at += sse_text(data, n, s->data + s->used, s->room - s->used, &written);
        s->used += written;
    } else {
        v->text_at += sse_text(data, n, small, sizeof(small), &written);
        buf_append(&v->pending, small, written);
    }
    if (v->text_at == v->text_end) {
        buf_puts(&v->pending, "\n\n");
        v->offset = v->text_next;
    }
    return STEP_ON;
}

static enum step step_raw(struct viewer *v, struct space *s, uint64_t end)
{
    const uint8_t *data;
    size_t n = peek_or_want(v, v->offset, &data);

    if (n == 0)
        return STEP_WAIT;
    if (n > end - v->offset)
        n = (size_t)(end - v->offset);
    if (n > s->room - s->used)
        n = s->room - s->used;
    memcpy(s->data + s->used, data, n);
    s->used += n;
    v->offset += n;
    return STEP_ON;   /* a full space ends the round */
}

/* May more bytes come than the sink has now? */
static bool is_final(const struct viewer *v, const struct log_state *s, const struct log_attempt *a)
{
    enum follow_end_kind kind = follow_kind(&v->follow);
    uint64_t end = follow_end(&v->follow);

    if (!log_state_is_over(s, v->attempt))
        return false;
    if (a->has_bytes && end >= a->bytes)
        return true;
    if (kind == FOLLOW_SEALED || (kind == FOLLOW_ABSENT && strcmp(a->log_state, "open") != 0))
        return true;
    if (v->over_since_ms == 0)
        return false;
    uint64_t grace_ms = follow_failing_ms(&v->follow) ? VIEWER_GRACE_SINKLESS_MS : VIEWER_GRACE_MS;
    return clock_boot_ms() - v->over_since_ms > grace_ms && follow_idle_ms(&v->follow) > grace_ms;
}

/* The attempt has said everything: on to the next one, to the end, or wait for either. */
static enum step step_after(struct viewer *v, const struct log_state *s)
{
    int64_t latest = log_state_latest(s);

    if (v->spec.kind == VIEWER_RAW && v->attempt != 0) {
        v->is_over = true;
    } else if (latest > v->attempt) {
        const struct log_attempt *next = log_state_attempt(s, v->spec.kind == VIEWER_V1 ? v->attempt + 1 : latest);
        if (next && viewer_attach(v, next, 0))
            put_attempt(v, next);
        else
            cut(v);
    } else if (task_is_terminal(s->state)) {
        put_end(v, s);
    } else {
        return STEP_WAIT;
    }
    return STEP_ON;
}

/* Bytes are there, or will be read: the next event of them. */
static enum step step_bytes(struct viewer *v, struct space *s, enum sse_rest rest)
{
    const char *why = hole_reason(v, track_state(&v->track));
    uint64_t end = follow_end(&v->follow);
    struct sse_event event;
    const uint8_t *data;

    if (why && follow_peek(&v->follow, v->offset, &data) == 0)
        return step_hole(v, why);
    if (v->spec.kind == VIEWER_RAW)
        return step_raw(v, s, end < v->spec.limit ? end : v->spec.limit);
    size_t n = peek_or_want(v, v->offset, &data);
    if (n == 0)
        return STEP_WAIT;
    bool is_all = v->offset + n >= end;
    if (sse_next(data, n, is_all ? rest : SSE_WAIT, &event)) {
        begin_text(v, &event);
        return STEP_ON;
    }
    /* A line that goes on behind this page: read it in one piece. */
    if (!is_all && !v->follow.is_wanting)
        follow_want(&v->follow, v->offset);
    return STEP_WAIT;
}

static enum sse_rest rest_of(const struct viewer *v, bool is_last)
{
    if (is_last)
        return SSE_LAST;
    return v->spec.kind == VIEWER_V1 && follow_is_quiet(&v->follow) ? SSE_QUIET : SSE_WAIT;
}

/* Everything that this viewer is to see of the attempt was shown. */
static bool is_shown(const struct viewer *v, const struct log_state *s, const struct log_attempt *a, bool is_last)
{
    if (v->offset >= v->spec.limit)
        return true;
    if (a->has_bytes && v->offset >= a->bytes && log_state_is_over(s, v->attempt))
        return true;
    return v->offset >= follow_end(&v->follow) && (is_last || (v->spec.kind == VIEWER_RAW && !v->spec.is_following));
}

static enum step step_log(struct viewer *v, struct space *s, const struct log_state *state)
{
    const struct log_attempt *a = log_state_attempt(state, v->attempt);
    bool is_last = is_final(v, state, a);

    if (is_shown(v, state, a, is_last))
        return step_after(v, state);
    if (v->offset < follow_end(&v->follow) && step_bytes(v, s, rest_of(v, is_last)) == STEP_ON) {
        v->over_since_ms = 0;
        return STEP_ON;
    }
    if (v->over_since_ms == 0 && log_state_is_over(state, v->attempt))
        v->over_since_ms = clock_boot_ms();
    return STEP_WAIT;
}

static void drain(struct viewer *v)
{
    v->is_over = true;
    if (v->spec.kind == VIEWER_RAW)
        v->is_cut = true;
    else
        buf_puts(&v->pending, "retry: 1000\n\n");
}

/* Between two events. */
static enum step step_between(struct viewer *v, struct space *s)
{
    const struct log_state *state = track_state(&v->track);

    if (v->is_draining && (v->spec.kind != VIEWER_RAW || v->spec.is_following)) {
        drain(v);
        return STEP_ON;
    }
    if (v->is_beat_due && v->spec.kind != VIEWER_RAW) {
        v->is_beat_due = false;
        buf_puts(&v->pending, ":\n\n");
        return STEP_ON;
    }
    if (!state) {
        put_sentence(v, NULL, "Task output file not found");
        v->is_over = true;
        return STEP_ON;
    }
    if (v->spec.kind == VIEWER_V1 && v->shown_state != (int)state->state) {
        put_state(v, state);
        return STEP_ON;
    }
    return v->follow.follow ? step_log(v, s, state) : step_after(v, state);
}

static enum step step_once(struct viewer *v, struct space *s)
{
    if (v->pending.len > 0)
        return step_pending(v, s);
    return v->text_at < v->text_end ? step_text(v, s) : step_between(v, s);
}

ssize_t viewer_fill(void *arg, char *out, size_t room)
{
    struct viewer *v = arg;
    struct space s = { out, room, 0 };
    enum step step = STEP_ON;

    while (step == STEP_ON && s.used < s.room && !(v->is_over && v->pending.len == 0))
        step = step_once(v, &s);
    follow_unpin(&v->follow);
    if (s.used > 0)
        return (ssize_t)s.used;
    if (v->is_over && v->pending.len == 0)
        return v->is_cut ? STREAM_ABORT : STREAM_END;
    return STREAM_WAIT;
}
