/* attempts.c - who runs a task: given to an agent, accepted, declined, lost; back to the queue or the end.
 *
 * Which ends count against the tries: lost with its agent, declined, spoilt by the farm. An attempt that an agent
 * gives back in an orderly stop (lost, cause policy) does not, but even those are bounded. */
#include <string.h>

#include "scheduler/match.h"
#include "scheduler/model.h"

enum { GIVEN_BACK_MAX = 100 };

bool attempt_is_counted(const struct attempt *at)
{
    switch (at->state) {
    case ATTEMPT_REFUSED:
        return true;
    case ATTEMPT_LOST:
        return strcmp(at->cause, "agent") == 0;
    case ATTEMPT_FAILED:
        return strcmp(at->cause, "infrastructure") == 0;
    default:
        return false;
    }
}

/* --- messages ------------------------------------------------------------------------------------------------ */

void attempt_ack(struct step *s, const struct uuid *task_id, int64_t number, const char *fact)
{
    struct msg_task_ack *m = step_message(s, MSG_TASK_ACK, sizeof *m, s->from);

    m->epoch = s->core->epoch;
    m->task_id = *task_id;
    m->attempt = number;
    m->fact = fact;
}

void attempt_stop(struct step *s, struct route to, const struct uuid *task_id, int64_t number, const char *reason)
{
    struct msg_task_stop *m;

    if (!to.peer)
        return;
    m = step_message(s, MSG_TASK_STOP, sizeof *m, to);
    m->epoch = s->core->epoch;
    m->task_id = *task_id;
    m->attempt = number;
    m->reason = reason;
}

void attempt_send(struct step *s, struct attempt *at)
{
    const struct task *t = at->task;
    const struct spec *spec = spec_pack(t->spec, &s->fx->arena);
    struct msg_task_assign *m = step_message(s, MSG_TASK_ASSIGN, sizeof *m, at->agent->route);

    m->epoch = s->core->epoch;
    m->session = at->session;
    m->task_id = t->id;
    m->attempt = at->number;
    m->project = spec->project;
    m->repo = spec->repo;
    m->target = spec->target;
    m->args = spec->args;
    m->ref = spec->ref;
    m->commit = step_text(s, t->commit);
    m->mr = spec->mr;
    m->driver = spec->driver;
    m->env = spec->env;
    m->separate_streams = m->has.separate_streams = spec->separate_streams;
    m->sink = step_text(s, at->sink);
}

void attempt_seal(struct step *s, struct attempt *at)
{
    struct msg_log_seal *m = step_message(s, MSG_LOG_SEAL, sizeof *m, (struct route){ 0 });

    s->fx->messages.v[s->fx->messages.n - 1].sink = step_text(s, at->sink);
    m->task_id = at->task->id;
    m->attempt = at->number;
    if (!at->has_head)
        return;
    m->bytes = at->log_bytes;
    m->chunks = at->log_chunks;
    m->has.bytes = m->has.chunks = true;
    m->head = (struct msg_bytes){ arena_dup(&s->fx->arena, &at->log_head, sizeof at->log_head), sizeof at->log_head };
}

/* --- beginning ------------------------------------------------------------------------------------------------- */

struct attempt *attempt_assign(struct step *s, struct task *t, struct agent *a)
{
    const struct core_config *config = s->core->config;
    struct row_segment *segment = effects_segment(s->fx);
    struct attempt *at;

    queue_remove(s->core, t);
    t->number++;
    t->state = (enum task_state)task_next(t->state, STATE_ASSIGN);
    at = attempt_new(t, t->number, a);
    at->session = a->session;
    at->state = ATTEMPT_ASSIGNED;
    at->assigned_ms = s->at_ms;
    at->is_new = true;
    text_set(&at->sink, config->sinks[match_sink(&t->id, at->number, config->n_sinks)]);
    segment->task_id = t->id;
    segment->attempt = at->number;
    segment->sink = step_text(s, at->sink);
    task_mark(s->core, t);
    attempt_mark(s->core, at);
    attempt_send(s, at);
    return at;
}

void dispatch(struct step *s)
{
    struct core *core = s->core;
    struct agent *a;
    struct task *t;

    while ((t = TAILQ_FIRST(&core->placing))) {
        TAILQ_REMOVE(&core->placing, t, placing);
        t->is_placing = false;
        if (heap_has(&t->place) && (a = queue_agent_for(t)))
            step_event(s, "task.assigned", t, attempt_assign(s, t, a), NULL);
    }
    while ((a = TAILQ_FIRST(&core->filling))) {
        TAILQ_REMOVE(&core->filling, a, filling);
        a->is_filling = false;
        while (a->route.peer && a->busy < a->slots && (t = queue_task_for(a)))
            step_event(s, "task.assigned", t, attempt_assign(s, t, a), NULL);
    }
}

void attempt_accepted(struct step *s, struct attempt *at)
{
    struct task *t = at->task;

    at->state = (enum attempt_state)attempt_next(at->state, STATE_ACCEPT);
    at->started_ms = s->at_ms;
    t->state = (enum task_state)task_next(t->state, STATE_ACCEPT);
    if (!t->started_ms)
        t->started_ms = s->at_ms;
    task_mark(s->core, t);
    attempt_mark(s->core, at);
    step_event(s, "attempt.accepted", t, at, NULL);
}

void step_accept(struct step *s, const void *message)
{
    const struct msg_task_accept *m = message;
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);

    attempt_ack(s, &m->task_id, m->attempt, "accept");
    if (!at || attempt_is_terminal(at->state))
        attempt_stop(s, s->from, &m->task_id, m->attempt, "this attempt has ended");
    else if (at->state == ATTEMPT_ASSIGNED)
        attempt_accepted(s, at);
}

/* --- ending without a verdict ------------------------------------------------------------------------------------ */

void task_end(struct step *s, struct task *t, enum state_event event, const struct attempt *by)
{
    struct row_event *ev;

    t->state = (enum task_state)task_next(t->state, event);
    t->cause = by->cause;
    text_set(&t->message, by->message);
    t->exit_code = by->exit_code;
    t->ended_ms = s->at_ms;
    task_drop_spec(s->core, t);
    TAILQ_INSERT_TAIL(&s->core->ended, t, ended);
    t->is_waiting_out = true;
    task_mark(s->core, t);
    ev = step_event(s, "task.ended", t, by, NULL);
    event_data(s, ev, "state", task_state_name(t->state));
    event_data(s, ev, "cause", t->cause);
    if (t->exit_code >= 0)
        event_data(s, ev, "exit_code", arena_printf(&s->fx->arena, "%lld", (long long)t->exit_code));
}

static bool is_try_left(const struct core *core, const struct task *t)
{
    const struct attempt *at;
    int64_t counted = 0;

    LIST_FOREACH(at, &t->attempts, of_task)
        counted += attempt_is_counted(at);
    return counted < core->config->tries && t->number < core->config->tries + GIVEN_BACK_MAX;
}

void attempt_end(struct step *s, struct attempt *at, const struct ending *end)
{
    struct task *t = at->task;
    struct row_event *ev;

    at->state = (enum attempt_state)attempt_next(at->state, end->event);
    at->cause = end->cause;
    text_set(&at->message, end->message);
    at->ended_ms = s->at_ms;
    attempt_detach(s->core, at);
    attempt_mark(s->core, at);
    if (is_try_left(s->core, t)) {
        t->state = (enum task_state)task_next(t->state, STATE_RETRY);
        queue_push(s->core, t);
        task_mark(s->core, t);
        ev = step_event(s, "task.requeued", t, at, NULL);
        event_data(s, ev, "state", attempt_state_name(at->state));
        event_data(s, ev, "cause", at->cause);
        event_data(s, ev, "message", at->message);
    } else {
        task_end(s, t, end->event == STATE_FAIL ? STATE_FAIL : STATE_LOSE, at);
    }
    attempt_seal(s, at);
}

void step_decline(struct step *s, const void *message)
{
    const struct msg_task_decline *m = message;
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);

    attempt_ack(s, &m->task_id, m->attempt, "decline");
    /* An older session's word says nothing about what was sent again since. */
    if (!at || attempt_is_terminal(at->state) || at->session != m->session)
        return;
    attempt_end(s, at, &(struct ending){
        .event = at->state == ATTEMPT_ASSIGNED ? STATE_DECLINE : STATE_LOSE, .cause = "agent", .message = m->reason });
}

void step_accept_out(struct step *s, const void *message)
{
    const struct input_clock *m = message;
    struct attempt *at = attempt_find(s->core, &m->id, m->attempt);

    if (!at || at->state != ATTEMPT_ASSIGNED || at->session != m->session)
        return;
    attempt_stop(s, at->agent->route, &m->id, m->attempt, "not accepted in time");
    attempt_end(s, at, &(struct ending){ STATE_LOSE, "agent", "the agent did not accept it in time" });
}

void step_give_up(struct step *s, const void *message)
{
    const struct input_clock *m = message;
    struct attempt *at = attempt_find(s->core, &m->id, m->attempt);

    if (!at || attempt_is_terminal(at->state))
        return;
    attempt_stop(s, at->agent->route, &m->id, m->attempt, "what the agent said about it cannot be stored");
    attempt_end(s, at, &(struct ending){ STATE_FAIL, "infrastructure", "what the agent said about it cannot be stored" });
}
