/* stop.c - attempts that are ended before their time: by the farm's word (task.stop), by their own limit, or because
 * the agent stops (PROTOCOL "task.stop", ARCHITECTURE "Words").
 *
 * A verdict says what the result will be. It counts only when it ends something: what has ended by itself before it,
 * its own result told or not, keeps that one. The result is told when nothing of the attempt runs any more. */
#include <string.h>

#include "agent/attempts.h"
#include "agent/duration.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { REASON_MAX = 256 };

/* Giving an attempt back gives way to what ends its task. */
static bool is_final(const struct verdict *v)
{
    return v->outcome && strcmp(v->outcome, "lost") != 0;
}

static void verdict_set(struct attempt *a, const char *outcome, const char *cause, const char *reason)
{
    if (is_final(&a->verdict))
        return;
    a->verdict = (struct verdict){ outcome, cause, text_clean(*reason ? reason : outcome, REASON_MAX, &a->arena) };
    timer_off(a->limit);
    log_info("to be ended", log_str("attempt", a->name), log_str("outcome", outcome),
             log_str("reason", a->verdict.message));
    attempt_keep(a, a->stage, false);
    if (a->hold == HOLD_RUNNING)
        run_stop(a->run, a->verdict.message);
    else
        prepare_stop(a);
}

/* --- the farm's word ------------------------------------------------------------------------------- */

/* Of one that has ended nothing but its result and its log is left: those are told to the end, late or not. */
static void attempt_forget(struct attempt *a, const char *reason)
{
    if (a->hold == HOLD_FINISHED) {
        a->facts.is_open[FACT_ACCEPT] = a->facts.is_open[FACT_PREPARED] = false;
        attempt_settle(a);
        return;
    }
    log_info("to be forgotten", log_str("attempt", a->name), log_str("reason", reason));
    memset(&a->facts, 0, sizeof(a->facts));
    timer_off(a->limit);
    a->dropped_ms = clock_boot_ms();
    attempt_keep(a, RECORD_DROPPED, false);
    if (a->hold == HOLD_RUNNING) {
        attempt_hold(a, HOLD_DROPPED);
        ship_drop(a);
        run_stop(a->run, reason);
    } else if (a->hold == HOLD_PREPARING && !workspace_stop(&a->op)) {
        attempt_hold(a, HOLD_DROPPED);
    } else {
        attempt_hold(a, HOLD_GONE);
    }
}

/* The word itself, which outlives the message; NULL: it is none of these. */
static const char *outcome_word(const char *outcome)
{
    static const char *const words[] = { "cancelled", "timed_out" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(outcome, words[i]) == 0)
            return words[i];
    }
    return NULL;
}

int attempts_stop(struct attempts *t, const struct msg_task_stop *m, struct err *e)
{
    struct attempt *a = attempts_find(t, &m->task_id, m->attempt);
    const char *outcome = m->outcome ? outcome_word(m->outcome) : NULL;

    if (m->outcome && !outcome)
        return err_set(e, ERR_INVALID, "task.stop: an attempt cannot be ended as \"%s\"", m->outcome);
    if (!a || a->hold == HOLD_DROPPED || (outcome && a->hold == HOLD_FINISHED))
        return 0;
    if (outcome)
        verdict_set(a, outcome, "policy", m->reason);
    else
        attempt_forget(a, m->reason);
    return 0;
}

/* --- its own limit --------------------------------------------------------------------------------- */

static void tick_limit(void *arg)
{
    struct attempt *a = arg;
    char limit[DURATION_SIZE];

    duration_format(a->order.timeout_ms, limit);
    verdict_set(a, "timed_out", "policy", arena_printf(&a->arena, "ran longer than %s", limit));
}

/* Another start of the host, another clock: what waited through that has all its time again. */
static uint64_t time_left(const struct attempt *a)
{
    const uint64_t now = clock_boot_ms(), limit = (uint64_t)a->order.timeout_ms;
    const bool is_same_clock = strcmp(a->boot, a->all->agent->identity.boot) == 0 && a->began_ms <= now;
    const uint64_t spent = is_same_clock ? now - a->began_ms : 0;

    return spent < limit ? limit - spent : 0;
}

void stop_limit(struct attempt *a)
{
    a->limit = loop_timer(a->all->agent->loop, tick_limit, a);
    if (a->order.timeout_ms > 0 && !a->verdict.outcome && a->hold < HOLD_FINISHED)
        timer_in(a->limit, time_left(a));
}

/* --- the agent stops ------------------------------------------------------------------------------- */

void attempts_drain(struct attempts *t)
{
    t->is_draining = true;
    for (struct attempt *a = t->head; a; a = a->next) {
        if (a->hold == HOLD_PREPARING || a->hold == HOLD_RUNNING)
            verdict_set(a, "lost", "agent", "the agent is stopping");
    }
}
