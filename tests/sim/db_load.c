/* db_load.c - rows for a core: all of them, or what a new leader needs first and then the rest page by page, as
 * src/scheduler/db_load.c and loading.c ask for them. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

/* What a core is made from while it is written. */
struct rows {
    struct core_rows all;
    struct arena *arena;
    struct row_task *tasks;
    struct row_attempt *attempts;
};

/* Its submission may still be sent again. */
static bool is_fresh(const struct world *w, const struct row_task *t)
{
    return uuid_time_ms(&t->id) + CORE_RESENT_MS > w->db.now_ms;
}

static bool has_attempt(const struct world *w, const struct row_task *t, bool is_open)
{
    for (int64_t n = 1; n <= t->attempt; n++) {
        const struct row_attempt *at = db_attempt(w, &t->id, n);
        if (at && (is_open ? !at->ended_ms : at->log_state == LOG_OPEN || at->is_wanted))
            return true;
    }
    return false;
}

static bool is_recent(const struct row_task *t, int64_t now_ms)
{
    return t->ended_ms && t->ended_ms + CORE_RECENT_MS > now_ms;
}

bool db_is_loaded(const struct world *w, const struct row_task *t, int64_t now_ms)
{
    return !t->ended_ms || is_recent(t, now_ms) || has_attempt(w, t, false);
}

static void add_attempt(const struct world *w, struct rows *r, const struct row_attempt *at)
{
    struct uuid key = attempt_key(&at->task_id, at->number);
    const struct sim_segments *segments = table_get(&w->db.segments, &key);
    struct row_attempt *row = &r->attempts[r->all.n_attempts++];

    *row = *at;
    row->segment = segments ? segments->v[segments->n - 1] : NULL;
}

static void add_task(struct world *w, struct rows *r, const struct row_task *t)
{
    bool forgets = w->bug == BUG_FORGOTTEN_ASSIGNMENTS && t->state == TASK_ASSIGNED && r->all.is_partial;
    struct row_task *row = &r->tasks[r->all.n_tasks++];

    *row = *t;
    if (forgets) {
        row->state = TASK_QUEUED;
        row->attempt--;
    }
    for (int64_t n = 1; n <= row->attempt; n++) {
        const struct row_attempt *at = db_attempt(w, &t->id, n);
        if (at)
            add_attempt(w, r, at);
    }
}

/* What somebody waits for may have ended while nobody had loaded that one: then it comes along. */
static void add_awaited(struct world *w, struct rows *r, const struct row_task *t)
{
    const struct policy *p = t->spec->policy;

    for (size_t i = 0; t->state == TASK_WAITING && p && i < p->n_after; i++) {
        const struct row_task *on = db_task(w, &p->after[i]);
        bool is_there = !on || !on->ended_ms;
        for (size_t k = 0; !is_there && k < r->all.n_tasks; k++)
            is_there = uuid_cmp(&r->tasks[k].id, &on->id) == 0;
        if (!is_there)
            add_task(w, r, on);
    }
}

static int by_age(const void *x, const void *y)
{
    const struct row_key *a = x, *b = y;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return strcmp(a->key, b->key);
}

static void add_keys(struct world *w, struct rows *r)
{
    struct row_key *keys = arena_alloc(r->arena, (w->db.keys.used + 1) * sizeof *keys);
    const struct row_key *key;

    for (size_t at = 0; (key = table_next(&w->db.keys, &at));) {
        const struct row_task *t = db_task(w, &key->task_id);
        keys[r->all.n_keys] = *key;
        keys[r->all.n_keys++].end_state = t ? (int)t->state : -1;
    }
    qsort(keys, r->all.n_keys, sizeof *keys, by_age);
    r->all.keys = keys;
}

static void add_settings(struct world *w, struct rows *r)
{
    struct row_agent *agents = arena_alloc(r->arena, (w->db.agents.used + 1) * sizeof *agents);
    struct row_project *projects = arena_alloc(r->arena, (w->db.projects.used + 1) * sizeof *projects);
    struct row_group *groups = arena_alloc(r->arena, (w->db.groups.used + 1) * sizeof *groups);
    struct row_sink *sinks = arena_alloc(r->arena, (w->db.sinks.used + 1) * sizeof *sinks);
    const struct row_project *project;
    const struct row_agent *agent;
    const struct row_group *group;
    const struct row_sink *sink;

    for (size_t at = 0; (sink = table_next(&w->db.sinks, &at));)
        sinks[r->all.n_sinks++] = *sink;
    r->all.sinks = sinks;
    for (size_t at = 0; (agent = table_next(&w->db.agents, &at));)
        agents[r->all.n_agents++] = *agent;
    for (size_t at = 0; (project = table_next(&w->db.projects, &at));)
        projects[r->all.n_projects++] = *project;
    for (size_t at = 0; (group = table_next(&w->db.groups, &at));)
        groups[r->all.n_groups++] = *group;
    r->all.agents = agents;
    r->all.projects = projects;
    r->all.groups = groups;
    r->all.is_paused = w->db.is_paused;
}

static int by_id(const void *x, const void *y)
{
    const struct row_task *a = *(const struct row_task *const *)x, *b = *(const struct row_task *const *)y;

    return uuid_cmp(&a->id, &b->id);
}

/* A page of the queue; behind the last, what its tasks wait for and the keys. */
static void add_page(struct world *w, struct rows *r, struct uuid *from)
{
    const struct row_task **open = arena_alloc(r->arena, (w->db.tasks.used + 1) * sizeof *open), *t;
    size_t n = 0, want = 1 + world_random(w, 6);

    for (size_t at = 0; (t = table_next(&w->db.tasks, &at));)
        if (!t->ended_ms && uuid_cmp(&t->id, from) > 0)
            open[n++] = t;
    qsort(open, n, sizeof *open, by_id);
    for (size_t i = 0; i < n && i < want; i++) {
        if (w->bug != BUG_FORGOTTEN_PAGE || world_random(w, 10))
            add_task(w, r, open[i]);
        *from = open[i]->id;
    }
    if (n)
        return;
    for (size_t at = 0; (t = table_next(&w->db.tasks, &at));)
        add_awaited(w, r, t);
    add_keys(w, r);
    memset(from->b, 0xFF, sizeof from->b);
}

static bool is_wanted(const struct world *w, const struct row_task *t, enum page page)
{
    if (page == PAGE_ALL)
        return db_is_loaded(w, t, w->db.now_ms);
    return has_attempt(w, t, true) || has_attempt(w, t, false) || is_recent(t, w->db.now_ms) ||
           (!t->ended_ms && is_fresh(w, t));
}

static struct rows *rows_new(struct world *w, struct arena *arena)
{
    struct rows *r = arena_alloc(arena, sizeof *r);

    r->arena = arena;
    r->tasks = arena_alloc(arena, (w->db.tasks.used + 1) * sizeof *r->tasks);
    r->attempts = arena_alloc(arena, (w->db.attempts.used + 1) * sizeof *r->attempts);
    r->all.tasks = r->tasks;
    r->all.attempts = r->attempts;
    r->all.epoch = w->db.epoch;
    r->all.seq = w->db.seq;
    r->all.now_ms = w->db.now_ms;
    return r;
}

const struct core_rows *db_rows_of(struct world *w, struct arena *arena, const struct uuid *ids, size_t n)
{
    struct rows *r = rows_new(w, arena);
    const struct row_task *t;

    for (size_t i = 0; i < n; i++) {
        bool is_there = false;
        for (size_t k = 0; k < r->all.n_tasks; k++)
            is_there |= uuid_cmp(&r->tasks[k].id, &ids[i]) == 0;
        if (!is_there && (t = db_task(w, &ids[i])))
            add_task(w, r, t);
    }
    return &r->all;
}

const struct core_rows *db_rows(struct world *w, struct arena *arena, enum page page, struct uuid *from)
{
    static const struct uuid end = { { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                       0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF } };
    struct rows *r;
    const struct row_task *t;

    if (page == PAGE_MORE && uuid_cmp(from, &end) == 0)
        return NULL;
    r = rows_new(w, arena);
    r->all.is_partial = page == PAGE_FIRST;
    if (page == PAGE_MORE) {
        add_page(w, r, from);
        return &r->all;
    }
    add_settings(w, r);
    for (size_t at = 0; (t = table_next(&w->db.tasks, &at));)
        if (is_wanted(w, t, page))
            add_task(w, r, t);
    if (page == PAGE_ALL)
        add_keys(w, r);
    if (from)
        *from = (struct uuid){ 0 };
    return &r->all;
}
