/* results.c - what an agent found and how it ended.
 *
 * The first committed fact about an attempt's end wins. A result that comes later goes to late_state, and says what its
 * log should be. Every fact is acknowledged, after the commit, or the agent would repeat it for ever. */
#include <string.h>

#include "scheduler/core_impl.h"

void step_prepared(struct step *s, const void *message)
{
    const struct msg_task_prepared *m = message;
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);
    struct row_event *ev;

    if (attempt_is_sent_again(at, m->session))
        return;
    attempt_ack(s, &m->task_id, m->attempt, "prepared");
    if (!at || attempt_is_terminal(at->state)) {
        attempt_forget(s, s->from, &m->task_id, m->attempt, "this attempt has ended");
        return;
    }
    if (!at->started_ms)   /* it overtook the acceptance */
        attempt_accepted(s, at);
    if (at->state == ATTEMPT_STOPPING)
        attempt_halt_again(s, at);
    if (at->commit || at->task->ended_ms)
        return;
    text_set(&at->commit, m->commit);
    text_set(&at->driver, m->driver);
    text_set(&at->workspace, m->workspace);
    attempt_mark(s->core, at);
    if (!at->task->commit) {
        text_set(&at->task->commit, m->commit);
        task_mark(s->core, at->task);
    }
    ev = step_event(s, "attempt.prepared", at->task, at, NULL);
    event_data(s, ev, "commit", at->commit);
    event_data(s, ev, "driver", at->driver);
}

/* --- results --------------------------------------------------------------------------------------------------- */

static const struct outcome {
    const char *name;
    enum state_event event;
    enum attempt_state state;
} outcomes[] = {
    { "succeeded", STATE_SUCCEED, ATTEMPT_SUCCEEDED }, { "failed", STATE_FAIL, ATTEMPT_FAILED },
    { "cancelled", STATE_CANCEL, ATTEMPT_CANCELLED },  { "timed_out", STATE_TIME_OUT, ATTEMPT_TIMED_OUT },
    { "lost", STATE_LOSE, ATTEMPT_LOST },
};

/* A word that this version does not know is a failure: the attempt has ended, that much is certain. */
static const struct outcome *outcome_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
        if (strcmp(outcomes[i].name, name) == 0)
            return &outcomes[i];
    return &outcomes[1];
}

static const char *cause_of(const char *name)
{
    static const char *const causes[] = { "build", "setup", "agent", "infrastructure", "policy" };

    for (size_t i = 0; i < ARRAY_LEN(causes); i++)
        if (strcmp(causes[i], name) == 0)
            return causes[i];
    return "agent";
}

static void keep_totals(struct attempt *at, const struct msg_task_result *m)
{
    at->log_bytes = m->log_bytes;
    at->log_lines = m->log_lines;
    at->log_chunks = m->log_chunks;
    at->has_head = m->log_head.len == sizeof at->log_head.b;
    if (at->has_head)
        memcpy(at->log_head.b, m->log_head.data, sizeof at->log_head.b);
}

static void keep_facts(struct attempt *at, const struct msg_task_result *m)
{
    at->exit_code = m->has.exit_code ? m->exit_code : -1;
    at->signal = m->has.signal ? m->signal : -1;
    keep_totals(at, m);
}

/* The attempt had ended without a result: its state stays, its log may still be completed. */
static void keep_late(struct step *s, struct attempt *at, const struct msg_task_result *m, const struct outcome *o)
{
    bool is_verdict = o->event != STATE_LOSE && at->state == ATTEMPT_LOST && at->late_state < 0;
    bool has_totals = !at->has_head && at->log_state != LOG_COMPLETE && m->log_head.len == sizeof at->log_head.b;

    if (!is_verdict && !has_totals)
        return;
    if (is_verdict)
        at->late_state = (int)o->state;
    if (has_totals)
        keep_totals(at, m);
    attempt_mark(s->core, at);
    event_data(s, step_event(s, "attempt.late", at->task, at, NULL), "state", o->name);
    if (has_totals)
        log_reopen(s, at);
}

void step_result(struct step *s, const void *message)
{
    const struct msg_task_result *m = message;
    const struct outcome *o = outcome_of(m->outcome);
    struct attempt *at = attempt_find(s->core, &m->task_id, m->attempt);
    const char *cause = cause_of(m->cause);
    bool is_spoilt = o->event == STATE_FAIL && strcmp(cause, "infrastructure") == 0;

    attempt_ack(s, &m->task_id, m->attempt, "result");
    if (at && attempt_is_terminal(at->state))
        keep_late(s, at, m, o);
    if (!at || attempt_is_terminal(at->state))
        return;
    if (!at->started_ms) {
        at->started_ms = s->at_ms;
        at->task->started_ms = at->task->started_ms ? at->task->started_ms : s->at_ms;
    }
    keep_facts(at, m);
    if (o->event == STATE_LOSE)   /* given back in an orderly stop: nobody's fault */
        attempt_end(s, at, &(struct ending){ STATE_LOSE, "policy", m->message ? m->message : "given back by the agent" });
    else if (is_spoilt)
        attempt_end(s, at, &(struct ending){ STATE_FAIL, cause, m->message });
    else
        attempt_verdict(s, at, &(struct ending){ o->event, cause, m->message });
}
