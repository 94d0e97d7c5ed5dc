/* stops.c - what is told to end before its time: cancelled, superseded, timed out; and the core's timers.
 *
 * Cancel sets an attempt `stopping` with its reason; the first committed fact about its end wins. At the stop deadline
 * the task ends without it, while the slot stays taken until the process is gone. ARCHITECTURE "Words". */
#include <string.h>

#include "scheduler/core_impl.h"

static const struct {
    const char *name;
    enum state_event task;       /* how its task ends */
    const char *outcome;         /* what the agent shall tell */
} stops[] = {
    [STOP_NONE] = { NULL, STATE_CANCEL, NULL },
    [STOP_CANCEL] = { "cancel", STATE_CANCEL, "cancelled" },
    [STOP_SUPERSEDE] = { "supersede", STATE_SUPERSEDE, "cancelled" },
    [STOP_TIME_OUT] = { "time_out", STATE_TIME_OUT, "timed_out" },
};

enum state_event stop_event(enum stop stop)
{
    return stops[stop].task;
}

const char *stop_name(enum stop stop)
{
    return stops[stop].name;
}

struct attempt *task_open_attempt(const struct task *t)
{
    struct attempt *at = LIST_FIRST(&t->attempts);

    return at && !attempt_is_terminal(at->state) ? at : NULL;
}

void attempt_halt_again(struct step *s, struct attempt *at)
{
    struct msg_task_stop *m;

    if (!at->agent->route.peer)
        return;   /* its next hello brings it up */
    m = step_message(s, MSG_TASK_STOP, sizeof *m, at->agent->route);
    m->epoch = s->core->epoch;
    m->task_id = at->task->id;
    m->attempt = at->number;
    m->reason = at->message ? step_text(s, at->message) : "stopped";
    m->outcome = stops[at->stop].outcome;
}

void attempt_halt(struct step *s, struct attempt *at, enum stop stop, const char *reason)
{
    struct row_event *ev;

    if (at->stop == STOP_NONE) {   /* else the first reason stands */
        at->state = (enum attempt_state)attempt_next(at->state, STATE_STOP);
        at->stop = stop;
        text_set(&at->message, reason);
        attempt_mark(s->core, at);
        ev = step_event(s, "attempt.stopping", at->task, at, NULL);
        event_data(s, ev, "stop", stops[stop].name);
        event_data(s, ev, "reason", reason);
        step_timer_in(s, TIMER_STOP, at->task, at->number, s->core->config->stop_ms);
    }
    attempt_halt_again(s, at);
}

void task_supersede(struct step *s, struct task *t, const struct uuid *by, bool is_running_too)
{
    struct attempt *at = task_open_attempt(t);
    char id[UUID_TEXT_SIZE];
    const char *reason;

    uuid_format(by, id);
    reason = arena_printf(&s->fx->arena, "superseded by task %s", id);
    if (at && is_running_too)
        attempt_halt(s, at, STOP_SUPERSEDE, reason);
    else if (!at)
        task_end(s, t, &(struct task_ending){ STATE_SUPERSEDE, "policy", reason, NULL });
}

/* --- cancel --------------------------------------------------------------------------------------------------------- */

static void cancel(struct step *s, struct task *t, const char *reason)
{
    struct attempt *at = task_open_attempt(t);

    event_data(s, step_event(s, "task.cancel", t, NULL, NULL), "reason", reason);
    if (t->ended_ms)
        return;
    if (at)
        attempt_halt(s, at, STOP_CANCEL, reason);
    else
        task_end(s, t, &(struct task_ending){ STATE_CANCEL, "policy", reason, NULL });
}

void step_cancel(struct step *s, const void *message)
{
    const struct msg_task_cancel *m = message;
    const struct change change = { &m->request_id, { "", m->idempotency_key, m->body_hash, false } };
    struct task *t = table_get(&s->core->tasks, &m->task_id);

    if (!change_begin(s, &change))
        return;
    if (!t) {   /* unknown, or it ended long ago: the gateway reads which */
        change_refuse(s, &change, "not_found", "no open task has this id");
        return;
    }
    cancel(s, t, m->reason && *m->reason ? m->reason : "cancelled");
    change_done(s, &change, &t->id);
}

/* --- timers ---------------------------------------------------------------------------------------------------------- */

static void on_backoff(struct step *s, struct task *t, struct attempt *at)
{
    (void)at;
    if (t->state == TASK_WAITING && t->not_before_ms)
        task_ready(s, t);
}

static void on_queue(struct step *s, struct task *t, struct attempt *at)
{
    (void)at;
    if (!t->started_ms && (t->state == TASK_WAITING || t->state == TASK_QUEUED))
        task_end(s, t, &(struct task_ending){ STATE_TIME_OUT, "policy", "it did not start within its queue timeout", NULL });
}

static void on_wall(struct step *s, struct task *t, struct attempt *at)
{
    (void)t;
    if (at && at->state == ATTEMPT_RUNNING)
        attempt_halt(s, at, STOP_TIME_OUT, "it ran longer than its timeout");
}

static void on_stop(struct step *s, struct task *t, struct attempt *at)
{
    if (at && at->state == ATTEMPT_STOPPING && !t->ended_ms)
        task_end(s, t, &(struct task_ending){ stop_event(at->stop), "policy", at->message, at });
}

void step_timer(struct step *s, const void *message)
{
    static void (*const due[])(struct step *, struct task *, struct attempt *) = {
        [TIMER_BACKOFF] = on_backoff, [TIMER_QUEUE] = on_queue, [TIMER_WALL] = on_wall, [TIMER_STOP] = on_stop,
    };
    const struct core_timer *timer = message;
    struct task *t = table_get(&s->core->tasks, &timer->task_id);

    /* A timer of an earlier attempt is void. */
    if (!t || (timer->attempt && timer->attempt != t->number))
        return;
    due[timer->kind](s, t, timer->attempt ? attempt_find(s->core, &t->id, timer->attempt) : NULL);
}
