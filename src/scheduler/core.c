/* core.c - one input becomes effects: the table of inputs, the journal's rows, and the final rows of a batch.
 *
 * Given inputs in order; changes only the core and the effects. ARCHITECTURE "The life of a task" and "When something
 * dies" say what must follow from what; the handlers are in
 * submit.c, agents.c, attempts.c, results.c, logs.c, sinks.c, stops.c, changes.c, why.c and load.c. */
#include "scheduler/core.h"

#include <string.h>

#include "scheduler/core_impl.h"

struct core *core_new(const struct core_config *config)
{
    struct core *core = mem_zalloc(sizeof *core);

    core->config = config;
    LIST_INIT(&core->all_demands);
    TAILQ_INIT(&core->dirty_tasks);
    TAILQ_INIT(&core->ended);
    TAILQ_INIT(&core->resting);
    TAILQ_INIT(&core->placing);
    TAILQ_INIT(&core->settling);
    TAILQ_INIT(&core->hanging);
    TAILQ_INIT(&core->dirty_attempts);
    TAILQ_INIT(&core->dirty_agents);
    TAILQ_INIT(&core->dirty_projects);
    TAILQ_INIT(&core->dirty_groups);
    TAILQ_INIT(&core->dirty_sinks);
    TAILQ_INIT(&core->filling);
    TAILQ_INIT(&core->keys_by_age);
    sinks_init(core);
    return core;
}

static void agent_free(struct agent *a)
{
    mem_free(&a->name);
    mem_free(&a->version);
    mem_free(&a->texts);
    mem_free(&a->sorted);
    mem_free(&a);
}

void core_free(struct core **core)
{
    struct core *c = *core;
    struct idem_key *k;
    struct agent *a;
    struct task *t;

    if (!c)
        return;
    *core = NULL;
    while ((k = TAILQ_FIRST(&c->keys_by_age)))
        key_free(c, &k);
    for (size_t at = 0; (t = table_next(&c->tasks, &at)); at--) /* removal moves others into that slot */
        task_free(c, &t);
    queue_fini(c);
    for (size_t at = 0; (a = table_next(&c->agents, &at));)
        agent_free(a);
    shares_fini(c);
    sinks_fini(c);
    table_fini(&c->tasks);
    table_fini(&c->agents);
    table_fini(&c->keys);
    table_fini(&c->demands);
    table_fini(&c->lanes);
    table_fini(&c->twins);
    table_fini(&c->kin);
    mem_free(&c);
}

/* --- inputs -------------------------------------------------------------------------------------------------- */

static void step_lead(struct step *s, const void *message)
{
    const struct core_config *c = s->core->config;
    const struct input_lead *lead = message;
    struct row_event *ev;

    s->core->epoch = lead->epoch;
    ev = step_event(s, "leader.started", NULL, NULL, NULL);
    event_data(s, ev, "name", lead->name);
    event_data(s, ev, "version", lead->version);
    event_data(s, ev, "config", arena_printf(&s->fx->arena, "tries=%lld killed=%lld ageing=%lld retry=%lld..%lld stop=%lld",
               (long long)c->tries, (long long)c->killed_agents, (long long)c->ageing_ms, (long long)c->retry_ms,
               (long long)c->retry_max_ms, (long long)c->stop_ms));
}

static step_fn *const steps[INPUT_KINDS] = {
    [INPUT_LEAD] = step_lead,
    [INPUT_SUBMIT] = step_submit,
    [INPUT_HELLO] = step_hello,
    [INPUT_GONE] = step_gone,
    [INPUT_LEASE_OUT] = step_lease_out,
    [INPUT_ACCEPT_OUT] = step_accept_out,
    [INPUT_ACCEPT] = step_accept,
    [INPUT_DECLINE] = step_decline,
    [INPUT_PREPARED] = step_prepared,
    [INPUT_RESULT] = step_result,
    [INPUT_SEALED] = step_sealed,
    [INPUT_MOVED] = step_moved,
    [INPUT_SINK] = step_sink,
    [INPUT_GIVE_UP] = step_give_up,
    [INPUT_TIMER] = step_timer,
    [INPUT_CANCEL] = step_cancel,
    [INPUT_AGENT_SET] = step_agent_set,
    [INPUT_PROJECT_SET] = step_project_set,
    [INPUT_GROUP_SET] = step_group_set,
    [INPUT_QUEUE_SET] = step_queue_set,
    [INPUT_WHY] = step_why,
    [INPUT_LOADED] = step_loaded,
};

void core_step(struct core *core, const struct input *in, struct effects *fx)
{
    struct step s = { .core = core, .fx = fx, .from = in->from, .at_ms = in->at_ms };
    int64_t before = core->seq;

    if (s.at_ms < core->now_ms)
        s.at_ms = core->now_ms;
    steps[in->kind](&s, in->message);
    dispatch(&s);
    /* Only what wrote an event may change the state, the passing of time included. */
    if (core->seq != before) {
        if (!core->is_partial)   /* a page may still bring it */
            keys_expire(&s);
        tasks_forget(core);
    }
}

/* --- effects of a step ------------------------------------------------------------------------------------------ */

char *step_text(struct step *s, const char *text)
{
    return arena_strdup(&s->fx->arena, text);
}

void *step_message(struct step *s, enum msg_type type, size_t size, struct route to)
{
    struct core_message *m = effects_message(s->fx);
    void *body = arena_alloc(&s->fx->arena, size);

    m->type = type;
    m->to = to;
    m->message = body;
    return body;
}

void step_timer_in(struct step *s, enum timer_kind kind, const struct task *t, int64_t attempt, int64_t in_ms)
{
    struct core_timer *timer = effects_timer(s->fx);

    *timer = (struct core_timer){ kind, t->id, attempt, in_ms > 0 ? in_ms : 0 };
}

/* The row is valid until the next one is made. */
struct row_event *step_event(struct step *s, const char *kind, const struct task *t, const struct attempt *at,
                             const struct agent *a)
{
    struct row_event *ev = effects_event(s->fx);

    s->core->now_ms = s->at_ms;
    ev->seq = ++s->core->seq;
    ev->at_ms = s->at_ms;
    ev->epoch = s->core->epoch;
    ev->kind = kind;
    if (t) {
        ev->project = step_text(s, t->project->name);
        ev->task_id = t->id;
    }
    if (at) {
        ev->attempt = at->number;
        ev->agent_id = at->agent->id;
    }
    if (a)
        ev->agent_id = a->id;
    return ev;
}

void event_data(struct step *s, struct row_event *ev, const char *key, const char *value)
{
    if (value && ev->n_data < EVENT_DATA_MAX)
        ev->data[ev->n_data++] = (struct msg_pair){ key, step_text(s, value) };
}

/* --- rows of a batch ------------------------------------------------------------------------------------------- */

static void collect_task(struct core *core, struct task *t, struct effects *fx)
{
    struct row_task *row = effects_task(fx);

    *row = (struct row_task){
        .is_new = t->is_new,
        .id = t->id,
        .state = t->state,
        .commit = arena_strdup(&fx->arena, t->commit),
        .cause = t->cause,
        .message = arena_strdup(&fx->arena, t->message),
        .exit_code = t->exit_code,
        .attempt = t->number,
        .created_ms = t->created_ms,
        .started_ms = t->started_ms,
        .ended_ms = t->ended_ms,
        .not_before_ms = t->not_before_ms,
        .spec = t->is_new ? spec_pack(t->spec, &fx->arena) : NULL,
    };
    t->is_new = t->is_dirty = false;
    if (t->ended_ms)
        task_close(core, t);
}

static void collect_segment(const struct core *core, struct attempt *at, struct effects *fx)
{
    struct row_segment *row = effects_segment(fx);

    *row = (struct row_segment){ at->task->id, at->number, at->segment->offset, at->segment->chunk, at->segment->head,
                                 arena_strdup(&fx->arena, at->segment->sink->name), core->now_ms };
    at->segment->is_new = false;
}

static void collect_attempt(const struct core *core, struct attempt *at, struct effects *fx)
{
    struct row_attempt *row = effects_attempt(fx);

    *row = (struct row_attempt){
        .is_new = at->is_new,
        .task_id = at->task->id,
        .number = at->number,
        .agent_id = at->agent->id,
        .session = at->session,
        .state = at->state,
        .late_state = at->late_state,
        .cause = at->cause,
        .message = arena_strdup(&fx->arena, at->message),
        .commit = arena_strdup(&fx->arena, at->commit),
        .driver = arena_strdup(&fx->arena, at->driver),
        .workspace = arena_strdup(&fx->arena, at->workspace),
        .sink = arena_strdup(&fx->arena, at->sink->name),
        .stop = at->stop,
        .exit_code = at->exit_code,
        .signal = at->signal,
        .log_state = at->log_state,
        .log_bytes = at->log_bytes,
        .log_lines = at->log_lines,
        .log_chunks = at->log_chunks,
        .log_head = at->log_head,
        .has_head = at->has_head,
        .is_wanted = at->is_wanted,
        .assigned_ms = at->assigned_ms,
        .started_ms = at->started_ms,
        .ended_ms = at->ended_ms,
    };
    at->is_new = at->is_dirty = false;
    if (at->segment && at->segment->is_new)
        collect_segment(core, at, fx);
}

static void collect_agent(struct agent *a, struct effects *fx)
{
    struct row_agent *row = effects_agent(fx);

    *row = (struct row_agent){
        .is_new = a->is_new,
        .id = a->id,
        .instance = a->instance,
        .name = arena_strdup(&fx->arena, a->name),
        .version = arena_strdup(&fx->arena, a->version),
        .labels = spec_pack(a->texts, &fx->arena)->labels,
        .slots = a->slots,
        .session = a->session,
        .hello = a->hello,
        .is_up = a->is_up,
        .is_draining = a->is_draining,
        .seen_ms = a->seen_ms,
    };
    a->is_new = a->is_dirty = false;
}

static void collect_project(struct project *p, struct effects *fx)
{
    struct row_project *row = effects_project(fx);

    *row = (struct row_project){ arena_strdup(&fx->arena, p->name), p->weight, p->is_paused, p->supersede,
                                 p->log_max, p->log_keep_ms };
    p->is_dirty = false;
}

static void collect_group(struct core *core, struct group *g, struct effects *fx)
{
    struct row_group *row = effects_group(fx);

    *row = (struct row_group){ arena_strdup(&fx->arena, g->name), g->capacity };
    g->is_dirty = false;
    g->tasks++;
    group_release(core, g);   /* a group that went back to the default and has no task is gone now */
}

static void collect_sink(struct sink *k, struct effects *fx)
{
    struct row_sink *row = effects_sink(fx);

    *row = (struct row_sink){ arena_strdup(&fx->arena, k->name), k->state, k->since_ms };
    k->is_dirty = false;
}

static void collect_shares(struct core *core, struct effects *fx)
{
    struct project *p;
    struct group *g;
    struct sink *k;

    while ((p = TAILQ_FIRST(&core->dirty_projects))) {
        TAILQ_REMOVE(&core->dirty_projects, p, dirty);
        collect_project(p, fx);
    }
    while ((g = TAILQ_FIRST(&core->dirty_groups))) {
        TAILQ_REMOVE(&core->dirty_groups, g, dirty);
        collect_group(core, g, fx);
    }
    while ((k = TAILQ_FIRST(&core->dirty_sinks))) {
        TAILQ_REMOVE(&core->dirty_sinks, k, dirty);
        collect_sink(k, fx);
    }
    if (core->is_queue_dirty)
        effects_queue(fx)->is_paused = core->is_paused;
    core->is_queue_dirty = false;
}

void core_collect(struct core *core, struct effects *fx)
{
    struct attempt *at;
    struct agent *a;
    struct task *t;

    while ((t = TAILQ_FIRST(&core->dirty_tasks))) {
        TAILQ_REMOVE(&core->dirty_tasks, t, dirty);
        collect_task(core, t, fx);
    }
    while ((at = TAILQ_FIRST(&core->dirty_attempts))) {
        TAILQ_REMOVE(&core->dirty_attempts, at, dirty);
        collect_attempt(core, at, fx);
    }
    while ((a = TAILQ_FIRST(&core->dirty_agents))) {
        TAILQ_REMOVE(&core->dirty_agents, a, dirty);
        collect_agent(a, fx);
    }
    collect_shares(core, fx);
}

struct core_counts core_count(const struct core *core)
{
    return (struct core_counts){
        .tasks = core->tasks.used,
        .queued = core->queued,
        .agents_up = core->agents_up,
        .agents_connected = core->agents_connected,
        .seq = core->seq,
    };
}
