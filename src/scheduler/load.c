/* load.c - the core made from rows: at a takeover, and by the simulator after every commit. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/model.h"

static const char *cause_static(const char *cause)
{
    static const char *const causes[] = { "build", "setup", "agent", "infrastructure", "policy", "quarantine" };

    for (size_t i = 0; cause && i < ARRAY_LEN(causes); i++)
        if (strcmp(causes[i], cause) == 0)
            return causes[i];
    return NULL;
}

static void load_agent(struct core *core, const struct row_agent *row)
{
    struct agent *a = mem_zalloc(sizeof *a);

    a->id = row->id;
    a->instance = row->instance;
    text_set(&a->name, row->name);
    text_set(&a->version, row->version);
    agent_labels(a, row->labels);
    a->slots = row->slots;
    a->session = row->session;
    a->seen_ms = row->seen_ms;
    a->is_up = row->is_up;
    core->agents_up += a->is_up;
    if (core->session < a->session)
        core->session = a->session;
    table_put(&core->agents, &a->id, a);
}

/* Attempts decide in which queue a task waits: it is queued after they are there. */
static int load_task(struct core *core, const struct row_task *row, struct err *e)
{
    struct task *t;

    if (table_get(&core->tasks, &row->id))
        return err_set(e, ERR_INVALID, "a task was loaded twice");
    t = task_new(core, &row->id);
    t->state = row->state;
    t->cause = cause_static(row->cause);
    text_set(&t->commit, row->commit);
    text_set(&t->message, row->message);
    t->project = mem_strdup(row->spec->project);
    t->exit_code = row->exit_code;
    t->number = row->attempt;
    t->created_ms = row->created_ms;
    t->started_ms = row->started_ms;
    t->ended_ms = row->ended_ms;
    if (t->ended_ms)
        return 0;
    t->spec = spec_pack(row->spec, NULL);
    queue_open(core, t);
    return 0;
}

static int load_attempt(struct core *core, const struct row_attempt *row, struct err *e)
{
    struct task *t = table_get(&core->tasks, &row->task_id);
    struct agent *a = table_get(&core->agents, &row->agent_id);
    struct attempt *at;

    if (!t || !a)
        return err_set(e, ERR_INVALID, "attempt %lld has no %s", (long long)row->number, t ? "agent" : "task");
    at = attempt_new(t, row->number, a);
    at->session = row->session;
    at->state = row->state;
    at->late_state = row->late_state;
    at->cause = cause_static(row->cause);
    text_set(&at->message, row->message);
    text_set(&at->commit, row->commit);
    text_set(&at->driver, row->driver);
    text_set(&at->workspace, row->workspace);
    at->exit_code = row->exit_code;
    at->signal = row->signal;
    at->log_state = row->log_state;
    at->log_bytes = row->log_bytes;
    at->log_lines = row->log_lines;
    at->log_chunks = row->log_chunks;
    at->log_head = row->log_head;
    at->has_head = row->has_head;
    at->assigned_ms = row->assigned_ms;
    at->started_ms = row->started_ms;
    at->ended_ms = row->ended_ms;
    if (attempt_is_terminal(at->state)) {
        at->cause = at->cause ? at->cause : "agent";
        attempt_detach(core, at);
    }
    return 0;
}

static int load_segment(struct core *core, const struct row_segment *row, struct err *e)
{
    struct attempt *at = attempt_find(core, &row->task_id, row->attempt);

    if (!at)
        return err_set(e, ERR_INVALID, "a log segment has no attempt %lld", (long long)row->attempt);
    text_set(&at->sink, row->sink);
    return 0;
}

static int ended_order(const void *x, const void *y)
{
    const struct task *a = *(struct task *const *)x, *b = *(struct task *const *)y;

    if (a->ended_ms != b->ended_ms)
        return a->ended_ms < b->ended_ms ? -1 : 1;
    return uuid_cmp(&a->id, &b->id);
}

/* Queued tasks into their queues, ended ones into the list of those that will be forgotten. */
static void settle_tasks(struct core *core)
{
    struct task **ended = mem_array(core->tasks.used + 1, sizeof *ended), *t;
    size_t n = 0;

    for (size_t at = 0; (t = table_next(&core->tasks, &at));) {
        if (t->state == TASK_QUEUED)
            queue_push(core, t);
        else if (t->ended_ms)
            ended[n++] = t;
    }
    qsort(ended, n, sizeof *ended, ended_order);
    for (size_t i = 0; i < n; i++) {
        TAILQ_INSERT_TAIL(&core->ended, ended[i], ended);
        ended[i]->is_waiting_out = true;
    }
    mem_free(&ended);
}

/* Nobody is connected yet: there is nothing to place. */
static void forget_wakeups(struct core *core)
{
    struct agent *a;
    struct task *t;

    while ((t = TAILQ_FIRST(&core->placing))) {
        TAILQ_REMOVE(&core->placing, t, placing);
        t->is_placing = false;
    }
    while ((a = TAILQ_FIRST(&core->filling))) {
        TAILQ_REMOVE(&core->filling, a, filling);
        a->is_filling = false;
    }
}

static int check_sinks(struct core *core, struct err *e)
{
    struct attempt *at;
    struct task *t;

    for (size_t i = 0; (t = table_next(&core->tasks, &i));)
        LIST_FOREACH(at, &t->attempts, of_task)
            if (!at->sink)
                return err_set(e, ERR_INVALID, "attempt %lld has no log segment", (long long)at->number);
    return 0;
}

int core_load(struct core *core, const struct core_rows *rows, struct err *e)
{
    core->epoch = rows->epoch;
    core->seq = rows->seq;
    core->now_ms = rows->now_ms;
    for (size_t i = 0; i < rows->n_agents; i++)
        load_agent(core, &rows->agents[i]);
    for (size_t i = 0; i < rows->n_tasks; i++)
        if (load_task(core, &rows->tasks[i], e) < 0)
            return -1;
    for (size_t i = 0; i < rows->n_attempts; i++)
        if (load_attempt(core, &rows->attempts[i], e) < 0)
            return -1;
    for (size_t i = 0; i < rows->n_segments; i++)
        if (load_segment(core, &rows->segments[i], e) < 0)
            return -1;
    for (size_t i = 0; i < rows->n_keys; i++)
        key_add(core, &rows->keys[i]);
    if (check_sinks(core, e) < 0)
        return -1;
    settle_tasks(core);
    forget_wakeups(core);
    return 0;
}

/* --- what a new shell must watch ------------------------------------------------------------------------------- */

static void watch_attempt(const struct attempt *at, const struct core_watch *watch, void *arg)
{
    struct msg_log_seal seal = { .task_id = at->task->id, .attempt = at->number };

    if (at->state == ATTEMPT_ASSIGNED && watch->assignment)
        watch->assignment(arg, &at->task->id, at->number, at->session);
    if (!attempt_is_terminal(at->state) || at->log_state != LOG_OPEN || !watch->unsealed)
        return;
    if (at->has_head) {
        seal.bytes = at->log_bytes;
        seal.chunks = at->log_chunks;
        seal.has.bytes = seal.has.chunks = true;
        seal.head = (struct msg_bytes){ at->log_head.b, sizeof at->log_head.b };
    }
    watch->unsealed(arg, at->sink, &seal);
}

void core_each(struct core *core, const struct core_watch *watch, void *arg)
{
    struct attempt *at;
    struct agent *a;
    struct task *t;

    for (size_t i = 0; (a = table_next(&core->agents, &i));) {
        if (a->is_up && watch->agent)
            watch->agent(arg, &a->id, a->session);
        if (a->route.peer && watch->connection)
            watch->connection(arg, &a->id, a->session, a->route);
    }
    for (size_t i = 0; (t = table_next(&core->tasks, &i));)
        LIST_FOREACH(at, &t->attempts, of_task)
            watch_attempt(at, watch, arg);
}

void core_attach(struct core *core, const struct uuid *agent_id, int64_t session, struct route to)
{
    struct agent *a = table_get(&core->agents, agent_id);

    if (a && a->is_up && a->session == session && !a->route.peer)
        queue_agent_connect(core, a, to);
}
