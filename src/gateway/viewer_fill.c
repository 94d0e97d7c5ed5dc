/* viewer_fill.c - what a viewer is told, in order: texts of events, and between them viewer_words.c's.
 *
 * Given the room that the socket has, writes as much as fits, straight from the attempt's shared memory: whole events
 * at once where they were made for all viewers, else one after the other. A viewer itself keeps only its place and, for
 * a moment, the head of an event. Implements ARCHITECTURE "The life of a task", 5. */
#include <string.h>

#include "gateway/reading.h"
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

/* --- steps ----------------------------------------------------------------------------------------------------- */

/* The stream breaks, and its client can see that. */
static void cut(struct viewer *v)
{
    v->is_over = v->is_cut = true;
    buf_fini(&v->pending);
}

/* A few bytes between texts: at once, or as soon as there is room. */
static void put(struct viewer *v, struct space *s, const char *data, size_t len)
{
    if (v->pending.len > 0 || len > s->room - s->used) {
        buf_append(&v->pending, data, len);
        return;
    }
    memcpy(s->data + s->used, data, len);
    s->used += len;
}

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

/* There are no bytes at `offset` in memory: they are missing, or will be read. */
static enum step step_absent(struct viewer *v, uint64_t offset)
{
    const char *why = reading_failure(track_state(&v->track), v->attempt, &v->follow);
    struct follow_gap gap;
    bool is_gap = follow_gap(&v->follow, offset, &gap);

    if (!is_gap && !why) {
        if (!v->follow.is_wanting || v->follow.wanted != offset)
            follow_want(&v->follow, offset);
        return STEP_WAIT;
    }
    if (v->text_at < v->text_end) {
        cut(v);
        return STEP_ON;
    }
    if (is_gap)
        viewer_put_gap(v, gap.to, gap.reason);
    else
        viewer_put_gap(v, follow_end(&v->follow), why);
    return STEP_ON;
}

static void end_text(struct viewer *v, struct space *s)
{
    put(v, s, SSE_TAIL, sizeof(SSE_TAIL) - 1);
    v->offset = v->text_next;
}

static void begin_text(struct viewer *v, struct space *s, const struct sse_event *event)
{
    const struct sse_form form = { .is_named = v->spec.kind == VIEWER_V1, .attempt = v->attempt };
    char head[SSE_HEAD_MAX];

    v->text_at = v->offset;
    v->text_end = v->offset + event->shown;
    v->text_next = v->offset + event->taken;
    v->has_shown = true;
    put(v, s, head, sse_head(&form, event->is_part, v->text_next, head));
    if (v->text_at == v->text_end)
        end_text(v, s);
}

/* So much of a piece of the event's text can be shown: a character that the piece's end cuts waits for its rest, unless
 * that is missing. */
static size_t whole_text(const struct viewer *v, const uint8_t *data, size_t n)
{
    struct follow_gap gap;
    size_t cut = v->text_at + n < v->text_end ? sse_cut_character(data, n) : 0;

    return cut > 0 && !follow_gap(&v->follow, v->text_at + n, &gap) ? n - cut : n;
}

/* Goes on with the text of the event that was begun. */
static enum step step_text(struct viewer *v, struct space *s)
{
    const uint8_t *data;
    size_t n = follow_peek(&v->follow, v->text_at, &data);
    char small[SSE_STEP_MAX];
    size_t written;

    if (n == 0)
        return step_absent(v, v->text_at);
    if (n > v->text_end - v->text_at)
        n = (size_t)(v->text_end - v->text_at);
    uint64_t next = v->text_at + n;
    if ((n = whole_text(v, data, n)) == 0) {
        if (!v->follow.is_wanting || v->follow.wanted != next)
            follow_want(&v->follow, next);   /* the character goes on there */
        return STEP_WAIT;
    }
    if (s->room - s->used >= SSE_STEP_MAX) {
        v->text_at += sse_text(data, n, s->data + s->used, s->room - s->used, &written);
        s->used += written;
    } else {
        v->text_at += sse_text(data, n, small, sizeof(small), &written);
        buf_append(&v->pending, small, written);
    }
    if (v->text_at == v->text_end)
        end_text(v, s);
    return STEP_ON;
}

/* The attempt has said everything: on to the next one, to the end, or wait for either. */
static enum step step_after(struct viewer *v, const struct log_state *s)
{
    int64_t latest = log_state_latest(s);

    if (latest > v->attempt) {
        const struct log_attempt *next = log_state_attempt(s, v->spec.kind == VIEWER_V1 ? v->attempt + 1 : latest);
        if (next && viewer_attach(v, next, 0))
            viewer_put_attempt(v, next);
        else
            cut(v);
    } else if (task_is_terminal(s->state)) {
        viewer_put_end(v, s);
    } else {
        return STEP_WAIT;
    }
    return STEP_ON;
}

/* Events that were made for all viewers of this kind. */
static bool take_events(struct viewer *v, struct space *s)
{
    const char *text;
    size_t n = follow_events(&v->follow, v->offset, s->room - s->used, &text, &v->offset);

    if (n == 0)
        return false;
    memcpy(s->data + s->used, text, n);
    s->used += n;
    v->text_at = v->text_end = v->offset;
    v->has_shown = true;
    return true;
}

/* Bytes are there, or will be read: the next event of them, or more. An unfinished line ends where a gap begins. */
static enum step step_bytes(struct viewer *v, struct space *s, enum sse_rest rest)
{
    uint64_t end = follow_end(&v->follow);
    struct sse_event event;
    struct follow_gap gap;
    const uint8_t *data, *behind;

    if (take_events(v, s))
        return STEP_ON;
    size_t n = follow_peek(&v->follow, v->offset, &data);
    if (n == 0)
        return step_absent(v, v->offset);
    uint64_t next = v->offset + n;
    bool is_all = next >= end;
    if (!is_all)
        rest = follow_peek(&v->follow, next, &behind) == 0 && follow_gap(&v->follow, next, &gap) ? SSE_LAST : SSE_WAIT;
    if (sse_next(data, n, rest, &event)) {
        begin_text(v, s, &event);
        return STEP_ON;
    }
    if (!is_all && (!v->follow.is_wanting || v->follow.wanted != next))
        follow_want(&v->follow, next);   /* a line that goes on there */
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
    if (a->has_bytes && v->offset >= a->bytes && log_state_is_over(s, v->attempt))
        return true;
    return v->offset >= follow_end(&v->follow) && is_last;
}

static enum step step_log(struct viewer *v, struct space *s, const struct log_state *state)
{
    const struct log_attempt *a = log_state_attempt(state, v->attempt);
    bool is_last = reading_is_final(state, v->attempt, &v->follow, v->over_since_ms);

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

/* Between two events. */
static enum step step_between(struct viewer *v, struct space *s)
{
    const struct log_state *state = track_state(&v->track);

    if (v->is_draining) {
        buf_puts(&v->pending, "retry: 1000\n\n");
        v->is_over = true;
        return STEP_ON;
    }
    if (v->is_beat_due) {
        v->is_beat_due = false;
        buf_puts(&v->pending, ":\n\n");
        return STEP_ON;
    }
    if (!state) {
        viewer_put_absent(v);
        v->is_over = true;
        return STEP_ON;
    }
    if (v->spec.kind == VIEWER_V1 && v->shown_state != (int)state->state) {
        viewer_put_state(v, state);
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
    follow_listen(&v->follow);
    return STREAM_WAIT;
}
