/* attempts.c - who runs a task: given to an agent, accepted, declined, not accepted in time. endings.c says what follows. */
#include <string.h>

#include "scheduler/core_impl.h"

/* --- messages ------------------------------------------------------------------------------------------------ */

void attempt_ack(struct step *s, const struct uuid *task_id, int64_t number, const char *fact)
{
    struct msg_task_ack *m = step_message(s, MSG_TASK_ACK, sizeof *m, s->from);

    m->epoch = s->core->epoch;
    m->task_id = *task_id;
    m->attempt = number;
    m->fact = fact;
}

void attempt_forget(struct step *s, struct route to, const struct uuid *task_id, int64_t number, const char *reason)
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
    m->sink = step_text(s, log_sink(at)->name);
    m->timeout_ms = task_policy(t)->timeout_ms;
    m->has.timeout_ms = m->timeout_ms > 0;
    m->silence_timeout_ms = task_policy(t)->silence_timeout_ms;
    m->has.silence_timeout_ms = m->silence_timeout_ms > 0;
    m->log_max = t->project->log_max;
    m->has.log_max = m->log_max > 0;
}

/* --- beginning ------------------------------------------------------------------------------------------------- */

struct attempt *attempt_assign(struct step *s, struct task *t, struct agent *a)
{
    struct attempt *at;

    queue_remove(s->core, t);
    project_took(s->core, t->project);
    t->number++;
    t->state = (enum task_state)task_next(t->state, STATE_ASSIGN);
    at = attempt_new(s->core, t, t->number, a);
    at->session = a->session;
    at->state = ATTEMPT_ASSIGNED;
    at->assigned_ms = s->at_ms;
    at->is_new = true;
    log_begin(at, sink_place(s->core, &t->id, at->number));
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

    after_settle(s);
    while ((t = TAILQ_FIRST(&core->placing))) {
        TAILQ_REMOVE(&core->placing, t, placing);
        t->is_placing = false;
        if (heap_has(&t->place) && (a = queue_agent_for(core, t)))
            step_event(s, "task.assigned", t, attempt_assign(s, t, a), NULL);
    }
    while ((a = TAILQ_FIRST(&core->filling))) {
        TAILQ_REMOVE(&core->filling, a, filling);
        a->is_filling = false;
        while (queue_agent_is_usable(a) && a->busy < a->slots && (t = queue_task_for(core, a)))
            step_event(s, "task.assigned", t, attempt_assign(s, t, a), NULL);
    }
}

void attempt_accepted(struct step *s, struct attempt *at)
{
    struct task *t = at->task;
    int64_t timeout_ms = task_policy(t)->timeout_ms;

    if (at->state == ATTEMPT_ASSIGNED)   /* else it is stopping, and stays so */
        at->state = (enum attempt_state)attempt_next(at->state, STATE_ACCEPT);
    at->started_ms = s->at_ms;
    attempt_mark(s->core, at);
    if (!t->ended_ms) {
        t->state = (enum task_state)task_next(t->state, STATE_ACCEPT);
        t->started_ms = t->started_ms ? t->started_ms : s->at_ms;
        task_mark(s->core, t);
    }
    if (timeout_ms)   /* the agent keeps that clock; this is for one that does not */
        step_timer_in(s, TIMER_WALL, t, at->number, timeout_ms + s->core->config->stop_ms);
    step_event(s, "attempt.accepted", t, at, NULL);
    log_ask_move(s, at);
}

/* The agent has said hello since, and did not have it: what it said before is void. */
bool attempt_is_sent_again(const struct attempt *at, int64_t session)
{
    return at && !attempt_is_terminal(at->state) && !at->started_ms && at->session != session;
}

void step_accept(struct step *s, const void *message)
{
    const struct msg_task_accept *m = message;
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);

    if (attempt_is_sent_again(at, m->session))
        return;
    attempt_ack(s, &m->task_id, m->attempt, "accept");
    if (!at || attempt_is_terminal(at->state)) {
        attempt_forget(s, s->from, &m->task_id, m->attempt, "this attempt has ended");
        return;
    }
    if (!at->started_ms)
        attempt_accepted(s, at);
    if (at->state == ATTEMPT_STOPPING)
        attempt_halt_again(s, at);
}

/* --- never begun, or not to be trusted --------------------------------------------------------------------------- */

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

    if (!at || attempt_is_terminal(at->state) || at->started_ms || at->session != m->session)
        return;
    attempt_forget(s, at->agent->route, &m->id, m->attempt, "not accepted in time");
    attempt_end(s, at, &(struct ending){ STATE_LOSE, "agent", "the agent did not accept it in time" });
}

void step_give_up(struct step *s, const void *message)
{
    const struct input_clock *m = message;
    struct attempt *at = attempt_find(s->core, &m->id, m->attempt);

    if (!at || attempt_is_terminal(at->state))
        return;
    attempt_forget(s, at->agent->route, &m->id, m->attempt, "what the agent said about it cannot be stored");
    attempt_end(s, at, &(struct ending){ STATE_FAIL, "infrastructure", "what the agent said about it cannot be stored" });
}
