/* endings.c - how attempts and tasks end: tried again, after a pause, or the end. ARCHITECTURE "Words", task states.
 *
 * Which ends count against the tries: lost with its agent, declined, spoilt by the farm, an exit code that is to be tried
 * again. An attempt that an agent gives back in an orderly stop (lost, cause policy) does not, but even those are
 * bounded. An attempt that was told to stop is never tried again: its task ends as the stop says. */
#include <string.h>

#include "scheduler/core_impl.h"

enum { GIVEN_BACK_MAX = 100 };

/* --- what is tried again ------------------------------------------------------------------------------------------- */

static bool is_retry_code(const struct policy *policy, int64_t exit_code)
{
    for (size_t i = 0; i < policy->retry_exit_codes.n; i++)
        if (policy->retry_exit_codes.v[i] == exit_code)
            return true;
    return false;
}

bool attempt_is_counted(const struct attempt *at)
{
    switch (at->state) {
    case ATTEMPT_REFUSED:
        return true;
    case ATTEMPT_LOST:
        return strcmp(at->cause, "agent") == 0;
    case ATTEMPT_FAILED:
        return strcmp(at->cause, "infrastructure") == 0 || is_retry_code(task_policy(at->task), at->exit_code);
    default:
        return false;
    }
}

static int64_t counted(const struct task *t)
{
    const struct attempt *at;
    int64_t n = 0;

    LIST_FOREACH(at, &t->attempts, of_task)
        n += attempt_is_counted(at);
    return n;
}

/* Does the policy want another attempt after one that ended so? What never began costs nothing to try again. */
static bool is_wanted(const struct attempt *at)
{
    const struct policy *policy = task_policy(at->task);

    if (!at->started_ms || at->state == ATTEMPT_REFUSED)
        return true;
    if (at->state == ATTEMPT_LOST)
        return strcmp(at->cause, "agent") != 0 || (policy->retry_on & RETRY_AGENT);
    if (strcmp(at->cause, "infrastructure") == 0)
        return policy->retry_on & RETRY_INFRASTRUCTURE;
    return is_retry_code(policy, at->exit_code);
}

static bool is_try_left(const struct core *core, const struct task *t)
{
    int64_t tries = task_policy(t)->tries ? task_policy(t)->tries : core->config->tries;

    return counted(t) < tries && t->number < tries + GIVEN_BACK_MAX;
}

static bool killed_agent(const struct attempt *at)
{
    return at->state == ATTEMPT_LOST && at->started_ms && strcmp(at->cause, "agent") == 0;
}

/* Agents that were lost while they ran it, each once. */
static int64_t killed_agents(const struct task *t)
{
    const struct attempt *at, *newer;
    int64_t n = 0;

    LIST_FOREACH(at, &t->attempts, of_task) {
        bool is_first = killed_agent(at);
        LIST_FOREACH(newer, &t->attempts, of_task) {
            if (newer == at)
                break;
            is_first = is_first && !(newer->agent == at->agent && killed_agent(newer));
        }
        n += is_first;
    }
    return n;
}

int64_t retry_delay(const struct core *core, const struct task *t)
{
    const struct attempt *latest = LIST_FIRST(&t->attempts);
    int64_t ms = core->config->retry_ms;

    if (!latest || !latest->started_ms || !attempt_is_counted(latest))
        return 0;
    for (int64_t n = counted(t); n > 1 && ms < core->config->retry_max_ms; n--)
        ms *= 2;
    return ms < core->config->retry_max_ms ? ms : core->config->retry_max_ms;
}

/* --- tasks ----------------------------------------------------------------------------------------------------------- */

void task_ready(struct step *s, struct task *t)
{
    task_leave_list(s->core, t);   /* loaded with a pause that is over, and not yet linked */
    t->state = (enum task_state)task_next(t->state, STATE_READY);
    t->not_before_ms = 0;
    queue_push(s->core, t);
    task_mark(s->core, t);
    step_event(s, "task.ready", t, NULL, NULL);
}

void queue_deadline(struct step *s, const struct task *t)
{
    int64_t timeout_ms = task_policy(t)->queue_timeout_ms;

    if (timeout_ms && !t->started_ms)
        step_timer_in(s, TIMER_QUEUE, t, 0, t->created_ms + timeout_ms - s->at_ms);
}

static void requeue(struct step *s, struct task *t, const struct attempt *at)
{
    int64_t delay_ms = retry_delay(s->core, t);
    struct row_event *ev;

    ev = step_event(s, "task.requeued", t, at, NULL);
    event_data(s, ev, "state", attempt_state_name(at->state));
    event_data(s, ev, "cause", at->cause);
    event_data(s, ev, "message", at->message);
    event_data(s, ev, "delay_ms", arena_printf(&s->fx->arena, "%lld", (long long)delay_ms));
    t->state = (enum task_state)task_next(t->state, delay_ms ? STATE_HOLD : STATE_RETRY);
    task_mark(s->core, t);
    if (delay_ms) {
        t->not_before_ms = s->at_ms + delay_ms;
        step_timer_in(s, TIMER_BACKOFF, t, t->number, delay_ms);
    } else {
        queue_push(s->core, t);
    }
    queue_deadline(s, t);
}

void task_end(struct step *s, struct task *t, const struct task_ending *end)
{
    struct row_event *ev;

    if (heap_has(&t->place))
        queue_remove(s->core, t);
    t->state = (enum task_state)task_next(t->state, end->event);
    t->cause = end->cause;
    text_set(&t->message, end->message);
    t->exit_code = end->by ? end->by->exit_code : -1;
    t->ended_ms = s->at_ms;
    t->not_before_ms = 0;
    after_unlink(t);
    task_leave_list(s->core, t);
    if (!LIST_EMPTY(&t->dependents)) {
        TAILQ_INSERT_TAIL(&s->core->settling, t, placing);
        t->is_settling = true;
    }
    TAILQ_INSERT_TAIL(&s->core->ended, t, ended);
    t->is_waiting_out = true;
    task_mark(s->core, t);
    ev = step_event(s, "task.ended", t, end->by, NULL);
    event_data(s, ev, "state", task_state_name(t->state));
    event_data(s, ev, "cause", t->cause);
    if (t->exit_code >= 0)
        event_data(s, ev, "exit_code", arena_printf(&s->fx->arena, "%lld", (long long)t->exit_code));
    task_close(s->core, t);
}

/* --- attempts -------------------------------------------------------------------------------------------------------- */

static void attempt_close(struct step *s, struct attempt *at, const struct ending *end)
{
    at->state = (enum attempt_state)attempt_next(at->state, end->event);
    at->cause = end->cause;
    at->ended_ms = s->at_ms;
    attempt_detach(s->core, at);
    attempt_mark(s->core, at);
}

/* The task was told to end, and nothing of the build contradicts. */
static void end_as_stopped(struct step *s, struct attempt *at)
{
    task_end(s, at->task, &(struct task_ending){ stop_event(at->stop), "policy", at->message, at });
}

static void quarantine(struct step *s, struct attempt *at, int64_t agents)
{
    task_end(s, at->task, &(struct task_ending){ STATE_LOSE, "quarantine",
             arena_printf(&s->fx->arena, "it took %lld agents with it; the last: %s", (long long)agents, at->message), at });
}

static void lose_or_retry(struct step *s, struct attempt *at, enum state_event event)
{
    int64_t agents = killed_agents(at->task);

    if (agents >= s->core->config->killed_agents)
        quarantine(s, at, agents);
    else if (is_wanted(at) && is_try_left(s->core, at->task))
        requeue(s, at->task, at);
    else
        task_end(s, at->task, &(struct task_ending){ event == STATE_FAIL ? STATE_FAIL : STATE_LOSE, at->cause, at->message, at });
}

void attempt_end(struct step *s, struct attempt *at, const struct ending *end)
{
    struct task *t = at->task;

    if (at->stop == STOP_NONE)   /* else the message is the reason of the stop */
        text_set(&at->message, end->message);
    attempt_close(s, at, end);
    if (!t->ended_ms && at->stop != STOP_NONE)
        end_as_stopped(s, at);
    else if (!t->ended_ms)
        lose_or_retry(s, at, end->event);
    else
        step_event(s, "attempt.ended", t, at, NULL);
    log_seal(s, at);
}

void attempt_verdict(struct step *s, struct attempt *at, const struct ending *end)
{
    struct task *t = at->task;
    bool is_by_stop = at->stop != STOP_NONE && (end->event == STATE_CANCEL || end->event == STATE_TIME_OUT);
    bool is_retried;

    if (t->ended_ms) {   /* the stop's deadline was first: what the build says now is late */
        if (!is_by_stop)
            at->late_state = (int)attempt_next(at->state, end->event);
        attempt_close(s, at, &(struct ending){ is_by_stop ? end->event : STATE_CANCEL, "policy", NULL });
        event_data(s, step_event(s, "attempt.ended", t, at, NULL), "state", attempt_state_name(at->state));
        log_seal(s, at);
        return;
    }
    if (!is_by_stop)
        text_set(&at->message, end->message);
    attempt_close(s, at, end);
    is_retried = at->stop == STOP_NONE && end->event == STATE_FAIL && is_retry_code(task_policy(t), at->exit_code) &&
                 is_try_left(s->core, t);
    if (is_by_stop)
        end_as_stopped(s, at);
    else if (is_retried)
        requeue(s, t, at);
    else
        task_end(s, t, &(struct task_ending){ end->event, at->cause, at->message, at });
    log_seal(s, at);
}
