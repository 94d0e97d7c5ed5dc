/* logs.c - an attempt's log: where it lies, how it moves to another sink, how it ends.
 *
 * ARCHITECTURE "The life of a task" 6: the verdict and the log are two facts. complete never changes. A gap becomes
 * complete when the rest comes after all: with a late result, with the agent that still has it, with the sink that was
 * lost; until its sink has answered that, it is wanted. What a sink says counts only while the log lies there. */
#include <string.h>

#include "scheduler/core_impl.h"

struct sink *log_sink(const struct attempt *at)
{
    return at->segment ? at->segment->sink : at->sink;
}

void log_begin(struct attempt *at, struct sink *sink)
{
    at->sink = sink;
    if (at->log_state != LOG_COMPLETE)
        LIST_INSERT_HEAD(&sink->logs, at, of_sink);
}

void log_segment_set(struct attempt *at, const struct segment *segment)
{
    if (!at->segment)
        at->segment = mem_alloc(sizeof *at->segment);
    *at->segment = *segment;
    if (at->log_state == LOG_COMPLETE)
        return;
    LIST_REMOVE(at, of_sink);
    LIST_INSERT_HEAD(&segment->sink->logs, at, of_sink);
}

void log_close(struct attempt *at)
{
    if (at->log_state != LOG_COMPLETE)
        LIST_REMOVE(at, of_sink);
    mem_free(&at->segment);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

bool log_is_due(const struct attempt *at)
{
    return attempt_is_terminal(at->state) && (at->log_state == LOG_OPEN || at->is_wanted);
}

static void set_state(struct step *s, struct attempt *at, enum log_state state, bool is_wanted)
{
    if (state == LOG_COMPLETE)
        LIST_REMOVE(at, of_sink);
    at->log_state = state;
    at->is_wanted = is_wanted;
    attempt_mark(s->core, at);
    if (!log_is_due(at))
        task_waits_out(s->core, at->task);
}

void log_seal_fill(const struct attempt *at, struct msg_log_seal *m)
{
    m->task_id = at->task->id;
    m->attempt = at->number;
    m->project = at->task->project->name;
    m->keep_ms = at->task->project->log_keep_ms;
    m->has.keep_ms = m->keep_ms > 0;
    if (!at->has_head)
        return;
    m->bytes = at->log_bytes;
    m->chunks = at->log_chunks;
    m->has.bytes = m->has.chunks = true;
    m->head = (struct msg_bytes){ at->log_head.b, sizeof at->log_head.b };
}

static void ask_seal(struct step *s, const struct attempt *at)
{
    struct msg_log_seal *m = step_message(s, MSG_LOG_SEAL, sizeof *m, (struct route){ 0 });

    s->fx->messages.v[s->fx->messages.n - 1].sink = step_text(s, log_sink(at)->name);
    log_seal_fill(at, m);
    m->project = step_text(s, m->project);
    if (m->head.len)
        m->head.data = arena_dup(&s->fx->arena, m->head.data, m->head.len);
}

void log_lose(struct step *s, struct attempt *at)
{
    struct row_event *ev;

    if (!attempt_is_terminal(at->state) || at->log_state != LOG_OPEN)
        return;
    set_state(s, at, LOG_GAP, true);
    ev = step_event(s, "log.sealed", at->task, at, NULL);
    event_data(s, ev, "state", "gap");
    event_data(s, ev, "reason", arena_printf(&s->fx->arena, "log sink %s is lost", log_sink(at)->name));
}

void log_seal(struct step *s, struct attempt *at)
{
    if (at->has_head && at->log_chunks == 0) {   /* nothing was written: there is nothing to seal */
        set_state(s, at, LOG_COMPLETE, false);
        return;
    }
    if (log_sink(at)->state == SINK_LOST)
        log_lose(s, at);
    ask_seal(s, at);
}

void log_reopen(struct step *s, struct attempt *at)
{
    if (at->log_state == LOG_GAP)
        set_state(s, at, LOG_GAP, true);
    log_seal(s, at);
}

/* A gap is believed of whoever had to seal what there was, or has all that there ever was; else it is an answer to an
 * earlier question. */
static bool is_news(const struct attempt *at, const struct input_sealed *m)
{
    if (m->state == LOG_COMPLETE || at->log_state == LOG_COMPLETE)
        return at->log_state != LOG_COMPLETE;
    return log_is_due(at) && (m->is_forced || !at->has_head || m->bytes >= at->log_bytes);
}

void step_sealed(struct step *s, const void *message)
{
    const struct input_sealed *m = message;
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);

    if (!at || !attempt_is_terminal(at->state) || strcmp(log_sink(at)->name, m->sink) != 0 || !is_news(at, m))
        return;
    if (!at->has_head) {   /* the agent never said how much there was */
        at->log_bytes = m->bytes;
        at->log_lines = m->lines;
    }
    set_state(s, at, m->state, false);
    event_data(s, step_event(s, "log.sealed", at->task, at, NULL), "state", m->state == LOG_COMPLETE ? "complete" : "gap");
}

/* --- moves --------------------------------------------------------------------------------------------------------- */

void log_leave(struct step *s, struct attempt *at)
{
    struct route to = at->agent->route;
    struct msg_log_move *m;
    struct sink *sink;

    if (!to.peer || at->log_state == LOG_COMPLETE || (!at->started_ms && !attempt_is_terminal(at->state)))
        return;
    sink = sink_instead(s->core, &at->task->id, at->number, log_sink(at));
    if (!sink)
        return;   /* later, when there is one */
    m = step_message(s, MSG_LOG_MOVE, sizeof *m, to);
    m->epoch = s->core->epoch;
    m->task_id = at->task->id;
    m->attempt = at->number;
    m->sink = step_text(s, sink->name);
}

void log_ask_move(struct step *s, struct attempt *at)
{
    if (log_sink(at)->state == SINK_LOST)
        log_leave(s, at);
}

void log_listed(struct step *s, struct attempt *at)
{
    log_ask_move(s, at);
    if (!attempt_is_terminal(at->state) || at->log_state != LOG_GAP || !at->has_head || at->is_wanted)
        return;
    step_event(s, "log.late", at->task, at, NULL);
    log_reopen(s, at);
}

/* The row of a segment that is replaced in the same batch by one behind it. */
static void write_segment(struct step *s, const struct attempt *at)
{
    struct row_segment *row = effects_segment(s->fx);

    *row = (struct row_segment){ at->task->id, at->number, at->segment->offset, at->segment->chunk, at->segment->head,
                                 step_text(s, at->segment->sink->name), s->at_ms };
}

static bool is_move(const struct attempt *at, const struct msg_log_moved *m)
{
    if (at->log_state == LOG_COMPLETE || m->head.len != sizeof at->segment->head.b)
        return false;
    if (at->segment && (m->offset < at->segment->offset || m->seq < at->segment->chunk))
        return false;   /* no agent goes back */
    return strcmp(log_sink(at)->name, m->sink) != 0;
}

static void move(struct step *s, struct attempt *at, const struct msg_log_moved *m)
{
    struct segment next = { sink_get(s->core, m->sink), m->offset, m->seq, { { 0 } }, true };
    struct row_event *ev = step_event(s, "log.moved", at->task, at, NULL);

    event_data(s, ev, "from", log_sink(at)->name);
    event_data(s, ev, "sink", m->sink);
    event_data(s, ev, "offset", arena_printf(&s->fx->arena, "%lld", (long long)m->offset));
    memcpy(next.head.b, m->head.data, sizeof next.head.b);
    if (at->segment && at->segment->is_new && at->segment->offset != m->offset)
        write_segment(s, at);
    log_segment_set(at, &next);
    attempt_mark(s->core, at);
    if (attempt_is_terminal(at->state))
        log_reopen(s, at);
}

/* An agent says it again, with its new session, after every welcome: what an older one says may have been overtaken. */
void step_moved(struct step *s, const void *message)
{
    const struct msg_log_moved *m = message;
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);

    if (at && m->session != at->agent->session)
        return;
    attempt_ack(s, &m->task_id, m->attempt, "moved");
    if (at && is_move(at, m))
        move(s, at, m);
}
