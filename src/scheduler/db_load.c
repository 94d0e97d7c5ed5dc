/* db_load.c - a core from the rows: first what a leader must know before it serves, then the rest in pages.
 *
 * The leader row was moved to our epoch before, and our batches go over the same connection: nothing else changes
 * anything between one statement and the next. ARCHITECTURE "When something dies". */
#include <stdio.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "scheduler/db.h"

struct load {
    struct pg *pg;
    const struct core_config *config;
    db_loaded_fn *fn;
    db_page_fn *page_fn;
    void *arg;
    struct arena arena;
    struct core_rows rows;
};

static struct load *load_new(struct pg *pg, void *arg)
{
    struct load *l = mem_zalloc(sizeof *l);

    l->pg = pg;
    l->arg = arg;
    return l;
}

static void load_free(struct load *l)
{
    arena_fini(&l->arena);
    mem_free(&l);
}

static void say_why(const struct pg_result *r, struct err *e)
{
    err_set(e, r->lost ? ERR_UNAVAILABLE : ERR_SYSTEM, "%s", r->lost ? "the connection was lost" : r->error);
}

/* What went wrong is told by the sync. */
#define ON_ROWS(name, read)                                                                                            \
    static void name(void *arg, const struct pg_result *r)                                                             \
    {                                                                                                                  \
        struct load *l = arg;                                                                                          \
                                                                                                                       \
        if (r->ok)                                                                                                     \
            read(r, &l->arena, &l->rows);                                                                              \
    }
ON_ROWS(on_agents, db_read_agents)
ON_ROWS(on_projects, db_read_projects)
ON_ROWS(on_groups, db_read_groups)
ON_ROWS(on_sinks, db_read_sinks)
ON_ROWS(on_tasks, db_read_tasks)
ON_ROWS(on_attempts, db_read_attempts)
ON_ROWS(on_keys, db_read_keys)

/* --- what must be known first ------------------------------------------------------------------------------------- */

static void on_queue(void *arg, const struct pg_result *r)
{
    struct load *l = arg;

    l->rows.is_paused = r->ok && r->rows && pg_bool(r, 0, 0);
}

static void load_done(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct core *core = NULL;
    struct err e = { 0 };

    if (r->ok) {
        core = core_new(l->config);
        if (core_load(core, &l->rows, &e) < 0)
            core_free(&core);
    } else {
        say_why(r, &e);
    }
    l->fn(l->arg, core, &e);
    load_free(l);
}

/* What to load depends on the last event. */
static void on_event_last(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    char from[32], ended[CLOCK_TEXT_SIZE], made[CLOCK_TEXT_SIZE];
    const char *params[] = { from, ended, made };

    if (r->ok && r->rows) {
        l->rows.seq = pg_int(r, 0, 0);
        l->rows.now_ms = pg_int(r, 0, 1);
    }
    snprintf(from, sizeof from, "%lld", (long long)(l->rows.seq - DB_EVENTS_LOOK));
    clock_format(l->rows.now_ms > CORE_RECENT_MS ? l->rows.now_ms - CORE_RECENT_MS : 0, ended);
    clock_format(l->rows.now_ms > CORE_RESENT_MS ? l->rows.now_ms - CORE_RESENT_MS : 0, made);
    pg_call(l->pg, DB_QUEUE_LOAD, NULL, 0, on_queue, l);
    pg_call(l->pg, DB_PROJECT_LOAD, NULL, 0, on_projects, l);
    pg_call(l->pg, DB_GROUP_LOAD, NULL, 0, on_groups, l);
    pg_call(l->pg, DB_SINK_LOAD, NULL, 0, on_sinks, l);
    pg_call(l->pg, DB_AGENT_LOAD, NULL, 0, on_agents, l);
    pg_call(l->pg, DB_TASK_LOAD, params, ARRAY_LEN(params), on_tasks, l);
    pg_call(l->pg, DB_ATTEMPT_LOAD, params, ARRAY_LEN(params), on_attempts, l);
    pg_sync(l->pg, load_done, l);
}

void db_load(struct pg *pg, const struct core_config *config, int64_t epoch, db_loaded_fn *fn, void *arg)
{
    struct load *l = load_new(pg, arg);

    l->config = config;
    l->fn = fn;
    l->rows.epoch = epoch;
    l->rows.is_partial = true;
    pg_call(pg, DB_EVENT_LAST, NULL, 0, on_event_last, l);
    pg_sync(pg, NULL, NULL);
}

/* --- pages ----------------------------------------------------------------------------------------------------- */

static void page_done(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct err e = { 0 };

    if (!r->ok)
        say_why(r, &e);
    l->page_fn(l->arg, r->ok ? &l->rows : NULL, &e);
    load_free(l);
}

/* Few queued tasks have been tried before. */
static void on_task_page(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct pg_array ids = { 0 };
    char id[UUID_TEXT_SIZE];
    bool is_tried = false;

    for (size_t i = 0; r->ok && i < l->rows.n_tasks; i++)
        if (l->rows.tasks[i].attempt > 0) {
            uuid_format(&l->rows.tasks[i].id, id);
            pg_array_str(&ids, id);
            is_tried = true;
        }
    if (is_tried) {
        pg_call(l->pg, DB_ATTEMPT_PAGE, (const char *const[]){ pg_array_text(&ids) }, 1, on_attempts, l);
        pg_sync(l->pg, page_done, l);
    } else {
        page_done(l, r);
    }
    pg_array_fini(&ids);
}

static void load_task_page(struct pg *pg, enum db_stmt stmt, const struct uuid *after, db_page_fn *fn, void *arg)
{
    struct load *l = load_new(pg, arg);
    char id[UUID_TEXT_SIZE];

    l->page_fn = fn;
    uuid_format(after, id);
    pg_call(pg, stmt, (const char *const[]){ id }, 1, on_tasks, l);
    pg_sync(pg, on_task_page, l);
}

void db_load_tasks(struct pg *pg, const struct uuid *after, db_page_fn *fn, void *arg)
{
    load_task_page(pg, DB_TASK_PAGE, after, fn, arg);
}

void db_load_awaited(struct pg *pg, const struct uuid *after, db_page_fn *fn, void *arg)
{
    load_task_page(pg, DB_AWAITED_PAGE, after, fn, arg);
}

void db_load_ids(struct pg *pg, const struct uuid *ids, size_t n, db_page_fn *fn, void *arg)
{
    struct load *l = load_new(pg, arg);
    struct pg_array array = { 0 };
    char id[UUID_TEXT_SIZE];

    l->page_fn = fn;
    pg_array_reset(&array);
    for (size_t i = 0; i < n; i++) {
        uuid_format(&ids[i], id);
        pg_array_str(&array, id);
    }
    pg_call(pg, DB_TASK_RECALL, (const char *const[]){ pg_array_text(&array) }, 1, on_tasks, l);
    pg_sync(pg, on_task_page, l);
    pg_array_fini(&array);
}

void db_load_keys(struct pg *pg, const char *project, const char *key, db_page_fn *fn, void *arg)
{
    struct load *l = load_new(pg, arg);

    l->page_fn = fn;
    pg_call(pg, DB_IDEMPOTENCY_PAGE, (const char *const[]){ project, key }, 2, on_keys, l);
    pg_sync(pg, page_done, l);
}
