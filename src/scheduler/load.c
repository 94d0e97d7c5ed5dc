/* load.c - the core made from rows: at a takeover, and by the simulator after every commit.
 *
 * A partial load has what runs and what just ended; the queue is added behind it, page by page (core.h). */
#include <stdlib.h>
#include <string.h>

#include "scheduler/core_impl.h"

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
    a->hello = row->hello;
    a->is_draining = row->is_draining;
    a->seen_ms = row->seen_ms;
    a->is_up = row->is_up;
    core->agents_up += a->is_up;
    if (core->session < a->session)
        core->session = a->session;
    table_put(&core->agents, &a->id, a);
}

static void load_project(struct core *core, const struct row_project *row)
{
    struct project *p = project_get(core, row->name);

    p->weight = row->weight;
    p->is_paused = row->is_paused;
    p->supersede = row->supersede;
    p->log_max = row->log_max;
    p->log_keep_ms = row->log_keep_ms;
}

static void load_sink(struct core *core, const struct row_sink *row)
{
    struct sink *k = sink_get(core, row->name);

    k->state = row->state;
    k->since_ms = row->since_ms;
}

static void load_group(struct core *core, const struct row_group *row)
{
    group_get(core, row->name)->capacity = row->capacity;
}

/* Attempts decide in which queue a task waits: it is queued after they are there. */
static struct task *load_task(struct core *core, const struct row_task *row)
{
    struct task *t = task_new(core, &row->id, row->spec);

    t->state = row->state;
    t->cause = cause_static(row->cause);
    text_set(&t->commit, row->commit);
    text_set(&t->message, row->message);
    t->exit_code = row->exit_code;
    t->number = row->attempt;
    t->created_ms = row->created_ms;
    t->started_ms = row->started_ms;
    t->ended_ms = row->ended_ms;
    t->not_before_ms = row->not_before_ms;
    if (t->ended_ms)
        return t;
    t->spec = spec_pack(row->spec, NULL);
    task_open(core, t);
    return t;
}

/* An attempt of the first release may have no sink. */
static void load_log(struct core *core, struct attempt *at, const struct row_attempt *row)
{
    const struct row_segment *last = row->segment;

    log_begin(at, row->sink ? sink_get(core, row->sink) : sink_place(core, &row->task_id, row->number));
    if (last)
        log_segment_set(at, &(struct segment){ sink_get(core, last->sink), last->offset, last->chunk, last->head, false });
}

static int load_attempt(struct core *core, const struct row_attempt *row, struct err *e)
{
    struct task *t = table_get(&core->tasks, &row->task_id);
    struct agent *a = table_get(&core->agents, &row->agent_id);
    struct attempt *at;

    if (!t || !a)
        return err_set(e, ERR_INVALID, "attempt %lld has no %s", (long long)row->number, t ? "agent" : "task");
    at = attempt_new(core, t, row->number, a);
    at->session = row->session;
    at->state = row->state;
    at->late_state = row->late_state;
    at->cause = cause_static(row->cause);
    text_set(&at->message, row->message);
    text_set(&at->commit, row->commit);
    text_set(&at->driver, row->driver);
    text_set(&at->workspace, row->workspace);
    at->stop = row->stop;
    at->exit_code = row->exit_code;
    at->signal = row->signal;
    at->log_state = row->log_state;
    at->log_bytes = row->log_bytes;
    at->log_lines = row->log_lines;
    at->log_chunks = row->log_chunks;
    at->log_head = row->log_head;
    at->has_head = row->has_head;
    at->is_wanted = row->is_wanted;
    load_log(core, at, row);
    at->assigned_ms = row->assigned_ms;
    at->started_ms = row->started_ms;
    at->ended_ms = row->ended_ms;
    if (attempt_is_terminal(at->state)) {
        at->cause = at->cause ? at->cause : "agent";
        attempt_detach(core, at);
    }
    return 0;
}

static int ended_order(const void *x, const void *y)
{
    const struct task *a = *(struct task *const *)x, *b = *(struct task *const *)y;

    if (a->ended_ms != b->ended_ms)
        return a->ended_ms < b->ended_ms ? -1 : 1;
    return uuid_cmp(&a->id, &b->id);
}

/* Ended tasks into the list of those that will be forgotten. */
static void settle_ended(struct core *core)
{
    struct task **ended = mem_array(core->tasks.used + 1, sizeof *ended), *t;
    size_t n = 0;

    for (size_t at = 0; (t = table_next(&core->tasks, &at));)
        if (t->ended_ms)
            ended[n++] = t;
    qsort(ended, n, sizeof *ended, ended_order);
    for (size_t i = 0; i < n; i++) {
        TAILQ_INSERT_TAIL(&core->ended, ended[i], ended);
        ended[i]->is_waiting_out = true;
    }
    mem_free(&ended);
}

/* Nobody is connected yet, or INPUT_LOADED will wake them: there is nothing to place now. What the rows say of
 * projects need not be written again. */
static void forget_marks(struct core *core)
{
    struct project *p;
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
    while ((p = TAILQ_FIRST(&core->dirty_projects))) {
        TAILQ_REMOVE(&core->dirty_projects, p, dirty);
        p->is_dirty = false;
    }
}

/* Tasks that are waiting are linked to what they wait for: now, or when everything is there. */
static void settle_task(struct core *core, struct task *t)
{
    if (t->state == TASK_QUEUED) {
        queue_push(core, t);
    } else if (t->state == TASK_WAITING && core->is_partial) {
        TAILQ_INSERT_TAIL(&core->hanging, t, placing);
        t->is_hanging = true;
    } else if (t->state == TASK_WAITING) {
        after_link_loaded(core, t);
    }
}

static int load_attempts(struct core *core, const struct core_rows *rows, struct err *e)
{
    for (size_t i = 0; i < rows->n_attempts; i++) {
        const struct row_attempt *row = &rows->attempts[i];
        if (!attempt_find(core, &row->task_id, row->number) && load_attempt(core, row, e) < 0)
            return -1;
    }
    return 0;
}

/* Tasks that are known are skipped, with their attempts: what the core knows of them is newer. */
static int load_tasks(struct core *core, const struct core_rows *rows, struct err *e)
{
    struct task **fresh = mem_array(rows->n_tasks + 1, sizeof *fresh);
    size_t n = 0;
    int rc;

    for (size_t i = 0; i < rows->n_tasks; i++)
        if (!table_get(&core->tasks, &rows->tasks[i].id))
            fresh[n++] = load_task(core, &rows->tasks[i]);
    rc = load_attempts(core, rows, e);
    for (size_t i = 0; rc == 0 && i < n; i++)
        settle_task(core, fresh[i]);
    for (size_t i = 0; i < rows->n_keys; i++)
        if (!key_find(core, rows->keys[i].project, rows->keys[i].key))
            key_add(core, &rows->keys[i]);
    mem_free(&fresh);
    return rc;
}

int core_load(struct core *core, const struct core_rows *rows, struct err *e)
{
    core->epoch = rows->epoch;
    core->seq = rows->seq;
    core->now_ms = rows->now_ms;
    core->is_paused = rows->is_paused;
    core->is_partial = rows->is_partial;
    core->partial_ms = rows->now_ms;
    for (size_t i = 0; i < rows->n_sinks; i++)
        load_sink(core, &rows->sinks[i]);
    for (size_t i = 0; i < rows->n_agents; i++)
        load_agent(core, &rows->agents[i]);
    for (size_t i = 0; i < rows->n_projects; i++)
        load_project(core, &rows->projects[i]);
    for (size_t i = 0; i < rows->n_groups; i++)
        load_group(core, &rows->groups[i]);
    if (load_tasks(core, rows, e) < 0)
        return -1;
    settle_ended(core);
    forget_marks(core);
    return 0;
}

int core_load_more(struct core *core, const struct core_rows *rows, struct err *e)
{
    struct task *t;

    if (load_tasks(core, rows, e) < 0)
        return -1;
    for (size_t i = 0; i < rows->n_tasks; i++)
        if ((t = table_get(&core->tasks, &rows->tasks[i].id)))
            task_waits_out(core, t);   /* if it has ended: somebody waits for it */
    return 0;
}

/* What it says may concern tasks or a key that are not loaded, or it may be one of these tasks, sent again. */
static bool submit_needs_all(const struct core *core, const struct msg_task_submit *m)
{
    return (m->idempotency_key && *m->idempotency_key) || (m->join && kin_is_commit(m->ref)) || m->mr || m->after.n ||
           uuid_time_ms(&m->task_id) + CORE_RESENT_MS <= core->partial_ms;
}

bool core_needs_all(const struct core *core, const struct input *in)
{
    const struct msg_task_cancel *cancel = in->message;
    const struct msg_task_result *result = in->message;
    const struct input_sealed *sealed = in->message;
    const struct msg_log_moved *moved = in->message;

    if (!core->is_partial)
        return false;
    switch (in->kind) {
    case INPUT_SUBMIT:
        return submit_needs_all(core, in->message);
    case INPUT_CANCEL:
        return (cancel->idempotency_key && *cancel->idempotency_key) || !table_get(&core->tasks, &cancel->task_id);
    case INPUT_RESULT:   /* a late one, for a row that is perhaps being loaded; and so on */
        return !attempt_find(core, &result->task_id, result->attempt);
    case INPUT_SEALED:
        return !attempt_find(core, &sealed->task_id, sealed->attempt);
    case INPUT_MOVED:
        return !attempt_find(core, &moved->task_id, moved->attempt);
    case INPUT_AGENT_SET:
    case INPUT_PROJECT_SET:
    case INPUT_GROUP_SET:
    case INPUT_QUEUE_SET:
        return true;   /* rare, and they may carry keys */
    default:
        return false;
    }
}

/* --- what was forgotten ------------------------------------------------------------------------------------------ */

static size_t unknown_held(const struct core *core, const struct msg_agent_hello *m, struct uuid *ids, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < m->held.n && n < max; i++)
        if (!table_get(&core->tasks, &m->held.v[i].task_id))
            ids[n++] = m->held.v[i].task_id;
    return n;
}

size_t core_unknown(const struct core *core, const struct input *in, struct uuid *ids, size_t max)
{
    const struct msg_task_result *result = in->message;
    const struct input_sealed *sealed = in->message;
    const struct msg_log_moved *moved = in->message;
    const struct uuid *id = NULL;

    if (core->is_partial)   /* a page may still bring it */
        return 0;
    if (in->kind == INPUT_HELLO)
        return unknown_held(core, in->message, ids, max);
    if (in->kind == INPUT_RESULT)
        id = &result->task_id;
    else if (in->kind == INPUT_MOVED)
        id = &moved->task_id;
    else if (in->kind == INPUT_SEALED && sealed->state == LOG_COMPLETE)
        id = &sealed->task_id;
    if (!id || !max || table_get(&core->tasks, id))
        return 0;
    ids[0] = *id;
    return 1;
}

/* --- everything is there ---------------------------------------------------------------------------------------- */

/* Was any of the tasks it waits for ended in a way that it does not accept, while it was not yet loaded? */
static const struct task *failed_dependency(struct core *core, const struct task *t)
{
    const struct policy *policy = task_policy(t);
    const struct task *on;

    for (size_t i = 0; i < policy->n_after; i++) {
        on = table_get(&core->tasks, &policy->after[i]);
        if (on && on->ended_ms && !after_is_met(policy->condition, on->state))
            return on;
    }
    return NULL;
}

static void unhang(struct step *s, struct task *t)
{
    const struct task *failed = failed_dependency(s->core, t);

    task_leave_list(s->core, t);
    queue_deadline(s, t);
    if (failed) {
        task_end(s, t, &(struct task_ending){ STATE_CANCEL, "policy", "a task that it waited for ended otherwise than it asks", NULL });
        return;
    }
    after_link_loaded(s->core, t);
    if (t->not_before_ms)
        step_timer_in(s, TIMER_BACKOFF, t, t->number, t->not_before_ms - s->at_ms);
    else if (LIST_EMPTY(&t->after))
        task_ready(s, t);
}

void step_loaded(struct step *s, const void *message)
{
    const struct input_loaded *m = message;
    struct task *t;

    TAILQ_FOREACH(t, &s->core->placing, placing)   /* what was added since the last step */
        queue_deadline(s, t);
    queue_resumed(s->core);
    if (!m->is_all || !s->core->is_partial)
        return;
    s->core->is_partial = false;
    keys_sort(s->core);
    step_event(s, "leader.loaded", NULL, NULL, NULL);
    while ((t = TAILQ_FIRST(&s->core->hanging)))
        unhang(s, t);
}

/* --- what a new shell must watch ------------------------------------------------------------------------------- */

static void watch_log(const struct attempt *at, const struct core_watch *watch, void *arg)
{
    struct msg_log_seal seal = { 0 };

    if (!log_is_due(at) || !watch->unsealed)
        return;
    log_seal_fill(at, &seal);
    watch->unsealed(arg, log_sink(at)->name, &seal);
}

static void watch_timers(const struct core *core, const struct task *t, const struct core_watch *watch, void *arg)
{
    const struct policy *policy = task_policy(t);
    const struct attempt *at = task_open_attempt(t);
    bool is_queued = t->state == TASK_WAITING || t->state == TASK_QUEUED;
    struct core_timer timer = { .task_id = t->id, .attempt = t->number };

    if (t->ended_ms || !watch->timer)
        return;
    if (t->state == TASK_WAITING && t->not_before_ms) {
        timer.kind = TIMER_BACKOFF;
        timer.in_ms = t->not_before_ms - core->now_ms;
        watch->timer(arg, &timer);
    }
    if (at && at->state == ATTEMPT_RUNNING && policy->timeout_ms) {
        timer.kind = TIMER_WALL;
        timer.in_ms = at->started_ms + policy->timeout_ms + core->config->stop_ms - core->now_ms;
        watch->timer(arg, &timer);
    }
    if (at && at->state == ATTEMPT_STOPPING) {
        timer.kind = TIMER_STOP;
        timer.in_ms = core->config->stop_ms;
        watch->timer(arg, &timer);
    }
    if (is_queued && !t->started_ms && policy->queue_timeout_ms) {
        timer = (struct core_timer){ TIMER_QUEUE, t->id, 0, t->created_ms + policy->queue_timeout_ms - core->now_ms };
        watch->timer(arg, &timer);
    }
}

void core_each(struct core *core, const struct core_watch *watch, void *arg)
{
    struct attempt *at;
    struct agent *a;
    struct sink *k;
    struct task *t;

    for (size_t i = 0; watch->sink && (k = table_next(&core->sinks, &i));)
        watch->sink(arg, k->name, k->state, k->since_ms != 0);
    for (size_t i = 0; (a = table_next(&core->agents, &i));) {
        if (a->is_up && watch->agent)
            watch->agent(arg, &a->id, a->session);
        if (a->route.peer && watch->connection)
            watch->connection(arg, &a->id, a->session, a->route);
    }
    for (size_t i = 0; (t = table_next(&core->tasks, &i));) {
        LIST_FOREACH(at, &t->attempts, of_task) {
            if (!attempt_is_terminal(at->state) && !at->started_ms && watch->assignment)
                watch->assignment(arg, &t->id, at->number, at->session);
            watch_log(at, watch, arg);
        }
        watch_timers(core, t, watch, arg);
    }
}

void core_attach(struct core *core, const struct uuid *agent_id, int64_t session, struct route to)
{
    struct agent *a = table_get(&core->agents, agent_id);

    if (a && a->is_up && a->session == session && !a->route.peer)
        queue_agent_connect(core, a, to);
}
