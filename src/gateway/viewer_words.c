/* viewer_words.c - what stands between the texts of events: attempts, states, gaps, ends.
 *
 * V1: named events whose data is a message of the table. SEED: the sentence and the one event its callers know; a gap
 * is a line like others. Everything goes to `pending`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/sse.h"
#include "gateway/viewer_impl.h"

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

void viewer_put_absent(struct viewer *v)
{
    buf_puts(&v->pending, "data: Task output file not found\n\n");
}

void viewer_put_gap(struct viewer *v, uint64_t to, const char *reason)
{
    const struct msg_log_gap m = { .attempt = v->attempt, .from = (int64_t)v->offset, .to = (int64_t)to,
                                   .reason = reason };
    char safe[4 * GAP_REASON_SIZE];
    size_t n;

    if (v->spec.kind == VIEWER_V1) {
        put_event(v, "gap", m.to, MSG_LOG_GAP, &m);
    } else {
        sse_text((const uint8_t *)reason, strlen(reason), safe, sizeof(safe), &n);
        buf_printf(&v->pending, "id: %" PRId64 ".%" PRIu64 "\ndata: [orion: bytes %" PRId64 "-%" PRId64
                   " of this log are missing: %.*s]\n\n", v->attempt, to, m.from, m.to, (int)n, safe);
    }
    v->offset = v->text_at = v->text_end = to;
    v->has_shown = true;
}

void viewer_put_attempt(struct viewer *v, const struct log_attempt *a)
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

void viewer_put_state(struct viewer *v, const struct log_state *s)
{
    const struct msg_log_end m = { .id = s->id, .state = task_state_name(s->state),
                                   .status = task_state_seed_word(s->state), .attempt = log_state_latest(s) };

    put_event(v, "state", -1, MSG_LOG_END, &m);
    v->shown_state = (int)s->state;
}

/* Its id lies behind the log's end, so that a reconnect is known to be one after this event and not one before it. */
void viewer_put_end(struct viewer *v, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, v->attempt);
    const struct msg_log_end m = end_message(v, s);
    uint64_t offset = a && a->has_bytes && a->bytes > v->offset ? a->bytes : v->offset;
    int64_t id = (int64_t)offset + 1;

    if (v->spec.kind == VIEWER_V1)
        put_event(v, "end", id, MSG_LOG_END, &m);
    else if (!v->has_shown && (!a || follow_kind(&v->follow) == FOLLOW_ABSENT))
        viewer_put_absent(v);
    else
        put_event(v, "buildResult", id, MSG_LOG_END, &m);
    v->is_over = true;
}
