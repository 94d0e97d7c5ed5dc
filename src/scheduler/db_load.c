/* db_load.c - a core from the rows: asks for everything in one transaction, collects, loads.
 *
 * The leader row was moved to our epoch before, so nobody else writes meanwhile. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "scheduler/db.h"

struct load {
    struct pg *pg;
    const struct core_config *config;
    db_loaded_fn *fn;
    void *arg;
    struct arena arena;
    struct core_rows rows;
};

static struct uuid read_id(const struct pg_result *r, int row, int col)
{
    struct uuid id = { 0 };
    const char *text = pg_text(r, row, col);

    if (text)
        uuid_parse(text, strlen(text), &id);
    return id;
}

static const char *read_text(struct load *l, const struct pg_result *r, int row, int col)
{
    return arena_strdup(&l->arena, pg_text(r, row, col));
}

static struct msg_strs read_strs(struct load *l, const struct pg_result *r, int row, int col)
{
    struct msg_strs strs;

    (void)pg_array_read(pg_text(r, row, col), &l->arena, &strs.v, &strs.n);   /* the server wrote it */
    return strs;
}

static void load_agents(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct row_agent *rows;

    if (!r->ok)
        return;
    l->rows.agents = rows = arena_alloc(&l->arena, ((size_t)r->rows + 1) * sizeof *rows);
    l->rows.n_agents = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        rows[i] = (struct row_agent){
            .id = read_id(r, i, 0),
            .instance = read_id(r, i, 1),
            .name = read_text(l, r, i, 2),
            .version = read_text(l, r, i, 3),
            .labels = read_strs(l, r, i, 4),
            .slots = pg_int(r, i, 5),
            .session = pg_int(r, i, 6),
            .is_up = pg_bool(r, i, 7),
            .seen_ms = pg_int(r, i, 8),
        };
}

static void load_keys(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct row_key *rows;

    if (!r->ok)
        return;
    l->rows.keys = rows = arena_alloc(&l->arena, ((size_t)r->rows + 1) * sizeof *rows);
    l->rows.n_keys = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++) {
        const char *state = pg_text(r, i, 5);
        rows[i] = (struct row_key){
            .project = read_text(l, r, i, 0),
            .key = read_text(l, r, i, 1),
            .task_id = read_id(r, i, 3),
            .created_ms = pg_int(r, i, 4),
            .end_state = state ? task_state_by_name(state) : -1,
        };
        pg_bytes(r, i, 2, rows[i].body.b, sizeof rows[i].body.b);
    }
}

static struct msg_pairs read_pairs(struct load *l, const struct pg_result *r, int row, int col)
{
    struct msg_strs keys = read_strs(l, r, row, col);
    struct msg_strs values = read_strs(l, r, row, col + 1);
    struct msg_pair *pairs = arena_alloc(&l->arena, (keys.n + 1) * sizeof *pairs);

    for (size_t i = 0; i < keys.n && i < values.n; i++)
        pairs[i] = (struct msg_pair){ keys.v[i], values.v[i] };
    return (struct msg_pairs){ pairs, keys.n };
}

static const struct spec *read_spec(struct load *l, const struct pg_result *r, int i)
{
    const struct spec spec = {
        .project = read_text(l, r, i, 1),
        .repo = read_text(l, r, i, 2),
        .target = read_text(l, r, i, 3),
        .args = read_strs(l, r, i, 4),
        .ref = read_text(l, r, i, 5),
        .mr = read_text(l, r, i, 6),
        .driver = read_text(l, r, i, 7),
        .labels = read_strs(l, r, i, 8),
        .env = read_pairs(l, r, i, 9),
        .separate_streams = pg_bool(r, i, 11),
    };

    return arena_dup(&l->arena, &spec, sizeof spec);
}

static void load_tasks(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct row_task *rows;

    if (!r->ok)
        return;
    l->rows.tasks = rows = arena_alloc(&l->arena, ((size_t)r->rows + 1) * sizeof *rows);
    l->rows.n_tasks = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        rows[i] = (struct row_task){
            .id = read_id(r, i, 0),
            .spec = read_spec(l, r, i),
            .state = (enum task_state)task_state_by_name(pg_text(r, i, 12)),
            .commit = read_text(l, r, i, 13),
            .cause = read_text(l, r, i, 14),
            .message = read_text(l, r, i, 15),
            .exit_code = pg_int(r, i, 16),
            .attempt = pg_int(r, i, 17),
            .created_ms = pg_int(r, i, 18),
            .started_ms = pg_int(r, i, 19),
            .ended_ms = pg_int(r, i, 20),
        };
}

static enum log_state log_state_of(const char *name)
{
    return strcmp(name, "open") == 0 ? LOG_OPEN : strcmp(name, "complete") == 0 ? LOG_COMPLETE : LOG_GAP;
}

static void read_attempt(struct load *l, const struct pg_result *r, int i, struct row_attempt *row)
{
    const char *late = pg_text(r, i, 5);

    *row = (struct row_attempt){
        .task_id = read_id(r, i, 0),
        .number = pg_int(r, i, 1),
        .agent_id = read_id(r, i, 2),
        .session = pg_int(r, i, 3),
        .state = (enum attempt_state)attempt_state_by_name(pg_text(r, i, 4)),
        .late_state = late ? attempt_state_by_name(late) : -1,
        .cause = read_text(l, r, i, 6),
        .message = read_text(l, r, i, 7),
        .exit_code = pg_int(r, i, 8),
        .signal = pg_int(r, i, 9),
        .commit = read_text(l, r, i, 10),
        .driver = read_text(l, r, i, 11),
        .workspace = read_text(l, r, i, 12),
        .log_state = log_state_of(pg_text(r, i, 13)),
        .log_bytes = pg_int(r, i, 14),
        .log_lines = pg_int(r, i, 15),
        .log_chunks = pg_int(r, i, 16),
        .has_head = pg_bytes(r, i, 17, row->log_head.b, 0) == sizeof row->log_head.b,
        .assigned_ms = pg_int(r, i, 18),
        .started_ms = pg_int(r, i, 19),
        .ended_ms = pg_int(r, i, 20),
    };
    if (row->has_head)
        pg_bytes(r, i, 17, row->log_head.b, sizeof row->log_head.b);
}

static void load_attempts(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct row_attempt *rows;

    if (!r->ok)
        return;
    l->rows.attempts = rows = arena_alloc(&l->arena, ((size_t)r->rows + 1) * sizeof *rows);
    l->rows.n_attempts = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        read_attempt(l, r, i, &rows[i]);
}

static void load_segments(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    struct row_segment *rows;

    if (!r->ok)
        return;
    l->rows.segments = rows = arena_alloc(&l->arena, ((size_t)r->rows + 1) * sizeof *rows);
    l->rows.n_segments = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        rows[i] = (struct row_segment){ read_id(r, i, 0), pg_int(r, i, 1), read_text(l, r, i, 2) };
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
        err_set(&e, ERR_UNAVAILABLE, "%s", r->lost ? "the connection was lost" : r->error);
    }
    l->fn(l->arg, core, &e);
    arena_fini(&l->arena);
    mem_free(&l);
}

/* What to load depends on the last event. */
static void load_rest(void *arg, const struct pg_result *r)
{
    struct load *l = arg;
    char since[CLOCK_TEXT_SIZE], from[32];
    const char *params[2] = { from, since };

    if (r->ok && r->rows) {
        l->rows.seq = pg_int(r, 0, 0);
        l->rows.now_ms = pg_int(r, 0, 1);
    }
    snprintf(from, sizeof from, "%lld", (long long)(l->rows.seq - DB_EVENTS_LOOK));
    clock_format(l->rows.now_ms > CORE_RECENT_MS ? l->rows.now_ms - CORE_RECENT_MS : 0, since);
    pg_call(l->pg, DB_AGENT_LOAD, NULL, 0, load_agents, l);
    pg_call(l->pg, DB_IDEMPOTENCY_LOAD, NULL, 0, load_keys, l);
    pg_call(l->pg, DB_TASK_LOAD, params, 2, load_tasks, l);
    pg_call(l->pg, DB_ATTEMPT_LOAD, params, 2, load_attempts, l);
    pg_call(l->pg, DB_LOG_SEGMENT_LOAD, params, 2, load_segments, l);
    pg_sync(l->pg, load_done, l);
}

void db_load(struct pg *pg, const struct core_config *config, int64_t epoch, db_loaded_fn *fn, void *arg)
{
    struct load *l = mem_zalloc(sizeof *l);

    *l = (struct load){ .pg = pg, .config = config, .fn = fn, .arg = arg, .rows = { .epoch = epoch } };
    pg_call(pg, DB_EVENT_LAST, NULL, 0, load_rest, l);
    pg_sync(pg, NULL, NULL);
}
