/* runs.c - attempts on simulated agents: begun, run, finished, stopped, forgotten; facts repeated until acknowledged.
 *
 * A number that was begun and is not held any more is never begun again. What becomes of a run is written into its
 * target: poison kills its agent, hang never ends by itself, exit ends with a code that may be tried again. */
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

struct sim_run *run_find(const struct world *w, const struct uuid *task, int64_t attempt)
{
    struct uuid key = attempt_key(task, attempt);

    return table_get(&w->runs, &key);
}

static struct sim_run *run_note(struct world *w, const struct uuid *task, int64_t attempt, int agent)
{
    struct sim_run *run = arena_alloc(&w->arena, sizeof *run);
    struct uuid key = attempt_key(task, attempt);

    run->task = *task;
    run->attempt = attempt;
    run->agent = agent;
    table_put(&w->runs, &key, run);
    return run;
}

struct sim_attempt *held_find(struct sim_agent *a, const struct uuid *task, int64_t number)
{
    for (int i = 0; i < a->n_held; i++)
        if (a->held[i].number == number && uuid_cmp(&a->held[i].task, task) == 0)
            return &a->held[i];
    return NULL;
}

static void held_drop(struct world *w, struct sim_agent *a, struct sim_attempt *at, bool is_lost)
{
    struct sim_run *run = run_find(w, &at->task, at->number);

    if (run && is_lost)
        run->was_lost = true;
    *at = a->held[--a->n_held];
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

static void say_accept(struct world *w, int agent, const struct sim_attempt *at)
{
    const struct msg_task_accept m = { .session = w->agents[agent].session, .task_id = at->task,
                                       .attempt = at->number };

    agent_say(w, agent, MSG_TASK_ACCEPT, &m);
}

static void say_decline(struct world *w, int agent, const struct uuid *task, int64_t attempt)
{
    const struct msg_task_decline m = { .session = w->agents[agent].session, .task_id = *task, .attempt = attempt,
                                        .reason = "no" };

    agent_say(w, agent, MSG_TASK_DECLINE, &m);
}

static void say_prepared(struct world *w, int agent, const struct sim_attempt *at)
{
    const struct msg_task_prepared m = { .session = w->agents[agent].session, .task_id = at->task,
                                         .attempt = at->number, .commit = "c0ffee", .driver = "make",
                                         .workspace = at->is_bad && at->number % 2 ? "bad" : "/w" };

    agent_say(w, agent, MSG_TASK_PREPARED, &m);
}

static void say_result(struct world *w, int agent, const struct sim_attempt *at)
{
    struct msg_task_result m = { .session = w->agents[agent].session, .task_id = at->task, .attempt = at->number,
                                 .outcome = at->outcome, .cause = at->cause, .message = at->is_bad ? "bad" : NULL,
                                 .log_bytes = CHUNK_BYTES * at->chunks, .log_lines = at->chunks, .log_chunks = at->chunks,
                                 .log_head = { (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 } };

    m.exit_code = at->exit_code;
    m.has.exit_code = at->exit_code >= 0;
    agent_say(w, agent, MSG_TASK_RESULT, &m);
}

void runs_repeat(struct world *w, int agent)
{
    struct sim_agent *a = &w->agents[agent];

    for (int i = 0; i < a->n_held; i++) {
        const struct sim_attempt *at = &a->held[i];
        if (!at->is_accepted)
            say_accept(w, agent, at);
        if (!at->is_prepared && !at->is_finished)
            say_prepared(w, agent, at);
        if (at->is_finished && !at->is_result_known)
            say_result(w, agent, at);
    }
}

/* --- ends -------------------------------------------------------------------------------------------------------- */

static void finish(struct world *w, int agent, struct sim_attempt *at, const char *outcome, const char *cause)
{
    struct sim_run *run = run_find(w, &at->task, at->number);
    char id[16];

    world_trace(w, "agent %d: %s.%lld %s", agent, id_short(&at->task, id), (long long)at->number, outcome);
    at->outcome = run->outcome = outcome;
    at->cause = cause;
    at->is_finished = true;
    if (strcmp(outcome, "lost") == 0 || at->is_bad)   /* what SQL refuses is given up, one way or another */
        run->was_lost = true;
    if (w->agents[agent].is_welcome)
        say_result(w, agent, at);
}

/* The agent's own hand on a run: only while it still holds it. */
static struct sim_attempt *running(struct world *w, const struct packet *p)
{
    struct sim_attempt *at = held_find(&w->agents[p->agent], &p->task, p->attempt);

    return at && !at->is_finished ? at : NULL;
}

static void end(struct world *w, const struct packet *p)
{
    static const struct {
        const char *outcome, *cause;
        int exit_code;
    } ends[] = {
        { "failed", "build", 1 }, { "failed", "infrastructure", -1 }, { "failed", "setup", -1 },
        { "timed_out", "policy", -1 }, { "failed", "build", 75 }, { "lost", "agent", -1 },
    };
    struct sim_attempt *at = running(w, p);
    size_t n = world_random(w, 24);

    if (!at)
        return;
    if (p->number)
        n = world_random(w, 10) < 7 ? 4 : ARRAY_LEN(ends);
    if (n >= ARRAY_LEN(ends) || (n == 5 && world_is_kind(w))) {
        at->exit_code = 0;
        finish(w, p->agent, at, "succeeded", "build");
    } else {
        at->exit_code = ends[n].exit_code;
        finish(w, p->agent, at, ends[n].outcome, ends[n].cause);
    }
}

static void time_out(struct world *w, const struct packet *p)
{
    struct sim_attempt *at = running(w, p);

    if (at)
        finish(w, p->agent, at, "timed_out", "policy");
}

static void kill_agent(struct world *w, const struct packet *p)
{
    if (running(w, p))
        agent_die(w, p->agent);
}

static void prepare(struct world *w, const struct packet *p)
{
    struct sim_attempt *at = running(w, p);

    if (at && !at->is_prepared && w->agents[p->agent].is_welcome)
        say_prepared(w, p->agent, at);
}

static void schedule_end(struct world *w, int agent, const struct msg_task_assign *m, const struct sim_attempt *at)
{
    struct packet p = { .agent = agent, .task = m->task_id, .attempt = m->attempt };
    bool is_lazy = world_chance(w, FAULT_AGENT, 20);   /* does not look at the clock */
    int64_t limit = m->has.timeout_ms ? m->timeout_ms : INT64_MAX, ms = world_ms(w, 1, 8000);

    if (m->has.silence_timeout_ms && m->silence_timeout_ms < limit)
        limit = m->silence_timeout_ms;
    if (strcmp(m->target, "poison") == 0 && world_random(w, 8))
        world_in(w, world_ms(w, 1, 2000), kill_agent, &p);
    if (strcmp(m->target, "hang") == 0)
        ms = at->is_stubborn || limit == INT64_MAX ? 40000 : 300000;
    p.number = strcmp(m->target, "exit") == 0;
    if (limit < ms && !is_lazy)
        world_in(w, limit, time_out, &p);
    else
        world_in(w, ms, end, &p);
}

/* --- what the scheduler says ------------------------------------------------------------------------------------- */

static void begin(struct world *w, int agent, const struct msg_task_assign *m)
{
    struct sim_agent *a = &w->agents[agent];
    struct sim_attempt *at = &a->held[a->n_held++];
    struct packet p = { .agent = agent, .task = m->task_id, .attempt = m->attempt };
    char id[16];

    world_trace(w, "agent %d begins %s.%lld", agent, id_short(&m->task_id, id), (long long)m->attempt);
    *at = (struct sim_attempt){ .task = m->task_id, .number = m->attempt, .exit_code = -1 };
    ship_begin(w, agent, m);
    at->is_bad = world_chance(w, FAULT_REFUSAL, 3);
    at->is_stubborn = world_chance(w, FAULT_AGENT, 6);
    run_note(w, &m->task_id, m->attempt, agent)->is_begun = true;
    say_accept(w, agent, at);
    if (world_random(w, 2))
        world_in(w, world_ms(w, 0, 1500), prepare, &p);
    schedule_end(w, agent, m, at);
}

void runs_assigned(struct world *w, int agent, const struct msg_task_assign *m)
{
    struct sim_agent *a = &w->agents[agent];
    struct sim_attempt *at = held_find(a, &m->task_id, m->attempt);
    const struct sim_run *run = run_find(w, &m->task_id, m->attempt);
    char id[16];

    if (m->session != a->session || !a->is_alive)
        return;
    if (run && run->agent != agent)
        world_fail(w, "attempt %s.%lld is given to two agents", id_short(&m->task_id, id), (long long)m->attempt);
    else if (at)
        say_accept(w, agent, at);
    else if (run || a->n_held == HELD_MAX || world_chance(w, FAULT_AGENT, 4))
        say_decline(w, agent, &m->task_id, m->attempt);
    else if (!world_chance(w, FAULT_AGENT, 3))   /* else it says nothing: the deadline must notice */
        begin(w, agent, m);
}

void runs_acked(struct world *w, int agent, const struct msg_task_ack *m)
{
    struct sim_agent *a = &w->agents[agent];
    struct sim_attempt *at = held_find(a, &m->task_id, m->attempt);

    if (!at)
        return;
    if (strcmp(m->fact, "moved") == 0)
        ship_moved(w, agent, m);
    if (strcmp(m->fact, "accept") == 0)
        at->is_accepted = true;
    if (strcmp(m->fact, "prepared") == 0)
        at->is_prepared = true;
    if (strcmp(m->fact, "result") != 0 || !at->is_finished || at->is_result_known)
        return;
    at->is_result_known = at->is_accepted = true;   /* its log is still on the way: ships.c */
}

static void stop_done(struct world *w, const struct packet *p)
{
    struct sim_attempt *at = running(w, p);

    if (at)
        finish(w, p->agent, at, p->number ? "timed_out" : "cancelled", "policy");
}

void runs_stopped(struct world *w, int agent, const struct msg_task_stop *m)
{
    struct sim_agent *a = &w->agents[agent];
    struct sim_attempt *at = held_find(a, &m->task_id, m->attempt);
    struct packet p = { .agent = agent, .task = m->task_id, .attempt = m->attempt };

    if (!m->outcome) {
        if (at && !at->is_finished)   /* what is only to be told and shipped stops nothing, and is still wanted */
            held_drop(w, a, at, true);
        return;
    }
    if (!at) {
        if (!run_find(w, &m->task_id, m->attempt))
            run_note(w, &m->task_id, m->attempt, agent);
        say_decline(w, agent, &m->task_id, m->attempt);
        return;
    }
    p.number = strcmp(m->outcome, "timed_out") == 0;
    if (!at->is_stubborn)
        world_in(w, world_ms(w, 0, world_chance(w, FAULT_AGENT, 20) ? 15000 : 1000), stop_done, &p);
}

void runs_lost(struct world *w, int agent)
{
    struct sim_agent *a = &w->agents[agent];

    for (int i = a->n_held - 1; i >= 0; i--)
        if (!a->held[i].is_finished)
            held_drop(w, a, &a->held[i], true);
}
