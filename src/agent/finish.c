/* finish.c - what a runner's end means for the task: outcome, cause, exit code, and the end of the log's chain. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attempts.h"
#include "agent/trash.h"
#include "lib/log.h"
#include "lib/mem.h"

/* --- outcome --------------------------------------------------------------------------------------- */

static void outcome_set(struct attempt *a, const char *outcome, const char *cause, const char *message)
{
    a->result.outcome = outcome;
    a->result.cause = cause;
    a->result.message = message ? text_clean(message, 4000, &a->arena) : NULL;
}

void finish_set(struct attempt *a, const struct verdict *v)
{
    outcome_set(a, v->outcome, v->cause, v->message);
}

static void outcome_of_end(struct attempt *a, const struct msg_runner_ended *m)
{
    if (m->error) {
        const bool is_spool = strncmp(m->error, SPOOL_ERROR, strlen(SPOOL_ERROR)) == 0;

        outcome_set(a, "failed", is_spool ? "infrastructure" : "setup", m->error);
    } else if (m->has.signal) {
        a->result.signal = m->signal;
        a->result.has.signal = true;
        outcome_set(a, "failed", "build",
                    arena_printf(&a->arena, "killed by signal %d (%s)", (int)m->signal, strsignal((int)m->signal)));
    } else {
        a->result.exit_code = m->exit_code;
        a->result.has.exit_code = true;
        outcome_set(a, m->exit_code ? "failed" : "succeeded", "build", NULL);
    }
}

/* By itself, for its silence, by a verdict; or with its runner, which nobody asked to leave. */
static void outcome_find(struct attempt *a, const struct msg_runner_ended *m, const char *why)
{
    if (a->is_decided)
        return;
    if (m && !m->stopped)
        outcome_of_end(a, m);
    else if (m && m->timed_out)
        outcome_set(a, "timed_out", "policy", m->stopped);
    else if (a->verdict.outcome)
        finish_set(a, &a->verdict);
    else if (m)
        outcome_set(a, "lost", "agent", m->stopped);
    else
        outcome_set(a, "failed", "infrastructure", why);
}

/* --- the log's end --------------------------------------------------------------------------------- */

static void log_end_set(struct attempt *a, const struct msg_runner_ended *m)
{
    a->result.log_bytes = m->bytes;
    a->result.log_lines = m->lines;
    a->result.log_chunks = m->chunks;
    a->result.log_head = (struct msg_bytes){ arena_dup(&a->arena, m->head.data, m->head.len), m->head.len };
}

/* Without the runner's word the log ends where its spool does. */
static void log_end_find(struct attempt *a)
{
    struct ship *s = &a->ship;
    struct err e = { 0 };
    struct msg_runner_ended m;

    if (ship_scan(a, &e))
        log_error("cannot read a spool", log_str("attempt", a->name), log_err(&e));
    m = (struct msg_runner_ended){ .bytes = (int64_t)s->spooled_offset,
                                   .lines = (int64_t)s->lines + s->is_line_open,
                                   .chunks = (int64_t)s->seen,
                                   .head = { s->head.b, sizeof(s->head.b) } };
    log_end_set(a, &m);
}

/* --- the end --------------------------------------------------------------------------------------- */

static bool is_used(void *arg, const char *name)
{
    return attempts_is_used(arg, name);
}

static void attempt_finish(struct attempt *a)
{
    const struct msg_task_result *r = &a->result;
    struct agent *agent = a->all->agent;
    char *work = mem_printf("%s/work", agent->identity.dir);

    attempt_hold(a, HOLD_FINISHED);
    attempt_keep(a, RECORD_FINISHED, true);
    timer_off(a->limit);
    trash_put(agent->trash, a->tmp);
    utimensat(AT_FDCWD, a->workspace, NULL, AT_SYMLINK_NOFOLLOW); /* its age counts from now */
    keep_newest(work, (size_t)agent->settings->keep_workspaces, agent->trash, is_used, a->all);
    log_info("attempt ended", log_str("attempt", a->name), log_str("outcome", r->outcome), log_str("cause", r->cause),
             log_int("exit_code", r->has.exit_code ? r->exit_code : -1), log_int("log_bytes", r->log_bytes));
    mem_free(&work);
    facts_tell(a, FACT_RESULT);
}

static void on_spooled(void *arg, uint64_t seq, uint64_t offset)
{
    ship_spooled(arg, seq, offset);
}

static void on_ended(void *arg, const struct msg_runner_ended *m, const char *why)
{
    struct attempt *a = arg;

    if (!m)
        log_error("a runner died", log_str("attempt", a->name), log_str("why", why),
                  log_int("killed", stray_kill(&a->order.task_id, a->order.attempt)));
    if (a->hold == HOLD_DROPPED) {
        attempt_hold(a, HOLD_GONE);
        return;
    }
    if (m) {
        ship_spooled(a, (uint64_t)m->chunks, (uint64_t)m->bytes);
        log_end_set(a, m);
    } else {
        log_end_find(a);
    }
    outcome_find(a, m, why);
    attempt_finish(a);
}

const struct run_hooks finish_run_hooks = { on_spooled, on_ended };

void finish_without_run(struct attempt *a)
{
    if (!a->ship.reader)
        ship_init(a);
    log_end_find(a);
    attempt_finish(a);
}
