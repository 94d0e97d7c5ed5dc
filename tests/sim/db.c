/* db.c - the simulated database: rows as committed, keys that must be unique, the leader row as the fence. */
#include <stdlib.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

static const char *keep(struct world *w, const char *text)
{
    return arena_strdup(&w->db.arena, text);
}

static void put_task(struct world *w, const struct row_task *in)
{
    struct row_task *row = table_get(&w->db.tasks, &in->id);
    const struct spec *spec;
    char id[16];

    if (in->is_new == !!row) {
        world_fail(w, "task %s is %s", id_short(&in->id, id), row ? "inserted twice" : "updated but not there");
        return;
    }
    if (row && row->ended_ms)
        world_fail(w, "task %s had ended and is changed", id_short(&in->id, id));
    spec = in->is_new ? spec_pack(in->spec, &w->db.arena) : row->spec;
    row = arena_dup(&w->db.arena, in, sizeof *in);
    row->spec = spec;
    row->commit = keep(w, in->commit);
    row->message = keep(w, in->message);
    table_put(&w->db.tasks, &in->id, row);
}

static void put_attempt(struct world *w, const struct row_attempt *in)
{
    struct uuid key = attempt_key(&in->task_id, in->number);
    struct row_attempt *row = table_get(&w->db.attempts, &key);
    char id[16];

    if (in->is_new == !!row) {
        world_fail(w, "attempt %s.%lld is %s", id_short(&in->task_id, id), (long long)in->number,
                   row ? "inserted twice" : "updated but not there");
        return;
    }
    if (row && row->ended_ms && row->state != in->state)
        world_fail(w, "attempt %s.%lld had ended and is changed", id_short(&in->task_id, id), (long long)in->number);
    row = arena_dup(&w->db.arena, in, sizeof *in);
    row->message = keep(w, in->message);
    row->commit = keep(w, in->commit);
    row->driver = keep(w, in->driver);
    row->workspace = keep(w, in->workspace);
    table_put(&w->db.attempts, &key, row);
}

static void put_agent(struct world *w, const struct row_agent *in)
{
    struct row_agent *row = arena_dup(&w->db.arena, in, sizeof *in);

    row->name = keep(w, in->name);
    row->version = keep(w, in->version);
    row->labels = spec_pack(&(struct spec){ .labels = in->labels }, &w->db.arena)->labels;
    table_put(&w->db.agents, &in->id, row);
}

static void put_segment(struct world *w, const struct row_segment *in)
{
    struct row_segment *row = arena_dup(&w->db.arena, in, sizeof *in);
    struct uuid key = attempt_key(&in->task_id, in->attempt);

    row->sink = keep(w, in->sink);
    if (table_get(&w->db.segments, &key))
        world_fail(w, "a log segment is inserted twice");
    table_put(&w->db.segments, &key, row);
}

static void put_key(struct world *w, const struct row_key *in)
{
    struct row_key *row = arena_dup(&w->db.arena, in, sizeof *in);
    struct uuid key = table_key_text(in->project, in->key);

    row->project = keep(w, in->project);
    row->key = keep(w, in->key);
    if (table_get(&w->db.keys, &key))
        world_fail(w, "idempotency key %s is inserted twice", in->key);
    table_put(&w->db.keys, &key, row);
}

static void put_late(struct world *w, const struct row_late *in)
{
    struct uuid key = attempt_key(&in->task_id, in->attempt);
    struct row_attempt *row = table_get(&w->db.attempts, &key);

    if (row && row->state == ATTEMPT_LOST && row->late_state < 0)
        row->late_state = (int)in->state;
}

static void put_event(struct world *w, const struct row_event *ev)
{
    if (ev->seq != w->db.seq + 1)
        world_fail(w, "event %lld follows %lld", (long long)ev->seq, (long long)w->db.seq);
    if (ev->at_ms < w->db.now_ms)
        world_fail(w, "event %lld goes back in time", (long long)ev->seq);
    w->db.seq = ev->seq;
    w->db.now_ms = ev->at_ms;
}

int db_commit(struct world *w, int64_t epoch, int64_t batch, const struct effects *fx)
{
    if (w->db.epoch != epoch || w->db.batch != batch)
        return -1;
    w->db.batch++;
    for (size_t i = 0; i < fx->old_keys.n; i++) {
        struct uuid key = table_key_text(fx->old_keys.v[i].project, fx->old_keys.v[i].key);
        if (!table_remove(&w->db.keys, &key))
            world_fail(w, "an idempotency key that is not there is deleted");
    }
    for (size_t i = 0; i < fx->agents.n; i++)
        put_agent(w, &fx->agents.v[i]);
    for (size_t i = 0; i < fx->tasks.n; i++)
        put_task(w, &fx->tasks.v[i]);
    for (size_t i = 0; i < fx->attempts.n; i++)
        if (w->bug != BUG_LOST_ROWS || world_random(w, 50) > 0)
            put_attempt(w, &fx->attempts.v[i]);
    for (size_t i = 0; i < fx->segments.n; i++)
        put_segment(w, &fx->segments.v[i]);
    for (size_t i = 0; i < fx->keys.n; i++)
        put_key(w, &fx->keys.v[i]);
    for (size_t i = 0; i < fx->lates.n; i++)
        put_late(w, &fx->lates.v[i]);
    for (size_t i = 0; i < fx->events.n; i++)
        put_event(w, &fx->events.v[i]);
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------- */

/* As the real SQL does: open, or ended a short while ago, or with an open log. */
static bool is_loaded(struct world *w, const struct row_task *t)
{
    if (!t->ended_ms || t->ended_ms + CORE_RECENT_MS > w->db.now_ms)
        return true;
    for (int64_t n = 1; n <= t->attempt; n++) {
        struct uuid key = attempt_key(&t->id, n);
        const struct row_attempt *at = table_get(&w->db.attempts, &key);
        if (at && at->log_state == LOG_OPEN)
            return true;
    }
    return false;
}

bool db_is_old(struct world *w, const struct uuid *task)
{
    const struct row_task *t = table_get(&w->db.tasks, task);

    return t && !is_loaded(w, t);
}

static int by_age(const void *x, const void *y)
{
    const struct row_key *a = x, *b = y;

    return a->created_ms < b->created_ms ? -1 : a->created_ms > b->created_ms;
}

struct rows {
    struct arena arena;
    struct row_task *tasks;
    struct row_attempt *attempts;
    struct row_agent *agents;
    struct row_segment *segments;
    struct row_key *keys;
    struct core_rows all;
};

static void collect_task(struct world *w, struct rows *r, const struct row_task *t)
{
    if (!is_loaded(w, t))
        return;
    r->tasks[r->all.n_tasks++] = *t;
    for (int64_t n = 1; n <= t->attempt; n++) {
        struct uuid key = attempt_key(&t->id, n);
        const struct row_attempt *at = table_get(&w->db.attempts, &key);
        const struct row_segment *segment = table_get(&w->db.segments, &key);
        if (at)
            r->attempts[r->all.n_attempts++] = *at;
        if (segment)
            r->segments[r->all.n_segments++] = *segment;
    }
}

static void collect(struct world *w, struct rows *r)
{
    const struct row_agent *agent;
    const struct row_task *task;
    const struct row_key *key;

    r->tasks = arena_alloc(&r->arena, (w->db.tasks.used + 1) * sizeof *r->tasks);
    r->attempts = arena_alloc(&r->arena, (w->db.attempts.used + 1) * sizeof *r->attempts);
    r->segments = arena_alloc(&r->arena, (w->db.segments.used + 1) * sizeof *r->segments);
    r->agents = arena_alloc(&r->arena, (w->db.agents.used + 1) * sizeof *r->agents);
    r->keys = arena_alloc(&r->arena, (w->db.keys.used + 1) * sizeof *r->keys);
    for (size_t at = 0; (task = table_next(&w->db.tasks, &at));)
        collect_task(w, r, task);
    for (size_t at = 0; (agent = table_next(&w->db.agents, &at));)
        r->agents[r->all.n_agents++] = *agent;
    for (size_t at = 0; (key = table_next(&w->db.keys, &at));) {
        task = table_get(&w->db.tasks, &key->task_id);
        r->keys[r->all.n_keys] = *key;
        r->keys[r->all.n_keys++].end_state = task ? (int)task->state : -1;
    }
    qsort(r->keys, r->all.n_keys, sizeof *r->keys, by_age);
}

struct core *db_load(struct world *w)
{
    struct core *core = core_new(&w->shell.config);
    struct rows r = { 0 };
    struct err e = { 0 };

    collect(w, &r);
    r.all.epoch = w->db.epoch;
    r.all.seq = w->db.seq;
    r.all.now_ms = w->db.now_ms;
    r.all.tasks = r.tasks;
    r.all.attempts = r.attempts;
    r.all.agents = r.agents;
    r.all.segments = r.segments;
    r.all.keys = r.keys;
    if (core_load(core, &r.all, &e) < 0)
        world_fail(w, "the rows cannot be loaded: %s", e.text);
    arena_fini(&r.arena);
    return core;
}

void db_fini(struct sim_db *db)
{
    table_fini(&db->tasks);
    table_fini(&db->attempts);
    table_fini(&db->agents);
    table_fini(&db->segments);
    table_fini(&db->keys);
    arena_fini(&db->arena);
}
