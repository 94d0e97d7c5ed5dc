/* db.c - all that the gateway reads from PostgreSQL: history, agents, and the states of followed tasks.
 *
 * Given ids and filters, hands rows over as the structs of the message table. Writes nothing (the role may not).
 * `orion_event` tells that something was committed; what, is read again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "gateway/gateway.h"
#include "gateway/log_state.h"
#include "gateway/track.h"
#include "lib/log.h"
#include "lib/pg.h"

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define TASK_COLUMNS                                                                                                  \
    "t.id, t.state, t.cause, t.message, t.exit_code, t.project, t.repo, t.target, t.args, t.ref, t.commit, t.mr, "    \
    "t.driver, t.labels, ARRAY(SELECT unnest(ARRAY[e.key, e.value]) FROM jsonb_each_text(t.env) e ORDER BY e.key), "  \
    "t.separate_streams, " MS("t.created_at") ", " MS("t.started_at") ", " MS("t.ended_at") ", t.attempt"
#define ATTEMPT_COLUMNS                                                                                               \
    "a.number, a.state, a.late_state, a.cause, a.agent_id, coalesce(g.name, ''), a.commit, a.driver, a.workspace, "   \
    "a.exit_code, a.message, a.log_state, a.log_bytes, a.log_lines, a.log_head, " MS("a.assigned_at") ", "            \
    MS("a.started_at") ", " MS("a.ended_at")

enum { TASK_COLUMNS_N = 20 };

enum statement { EVENT_LISTEN, TASK_GET, TASK_LIST, TASK_LIST_MR, AGENT_LIST, TASK_LOGS, STATEMENTS };

static const struct pg_stmt statements[STATEMENTS] = {
    [EVENT_LISTEN] = { "event_listen", "LISTEN orion_event" },
    [TASK_GET] = { "task_get",
                   "SELECT " TASK_COLUMNS ", " ATTEMPT_COLUMNS " FROM orion.task t "
                   "LEFT JOIN orion.attempt a ON a.task_id = t.id LEFT JOIN orion.agent g ON g.id = a.agent_id "
                   "WHERE t.id = $1::uuid ORDER BY a.number" },
    [TASK_LIST] = { "task_list",
                    "SELECT " TASK_COLUMNS " FROM orion.task t WHERE ($1::text IS NULL OR t.state = $1) "
                    "AND ($2::text IS NULL OR t.project = $2) AND ($3::text IS NULL OR t.repo = $3) "
                    "AND ($4::uuid IS NULL OR t.id < $4) ORDER BY t.id DESC LIMIT $5::bigint" },
    [TASK_LIST_MR] = { "task_list_mr",
                       "SELECT " TASK_COLUMNS " FROM orion.task t WHERE t.mr = $6 "
                       "AND ($1::text IS NULL OR t.state = $1) AND ($2::text IS NULL OR t.project = $2) "
                       "AND ($3::text IS NULL OR t.repo = $3) AND ($4::uuid IS NULL OR t.id < $4) "
                       "ORDER BY t.id DESC LIMIT $5::bigint" },
    [AGENT_LIST] = { "agent_list",
                     "SELECT g.id, g.name, g.state, g.labels, g.slots, count(a.task_id), g.version, " MS("g.seen_at")
                     " FROM orion.agent g LEFT JOIN orion.attempt a ON a.agent_id = g.id AND a.ended_at IS NULL "
                     "GROUP BY g.id ORDER BY g.name, g.id LIMIT 4096" },
    [TASK_LOGS] = { "task_logs",
                    "SELECT t.id, t.state, t.cause, t.message, t.exit_code, a.number, a.state, coalesce(g.name, ''), "
                    "a.log_state, a.log_bytes, a.log_lines, a.log_head, "
                    "ARRAY(SELECT unnest(ARRAY[s.from_offset::text, s.sink]) FROM orion.log_segment s "
                    "WHERE s.task_id = a.task_id AND s.attempt = a.number ORDER BY s.from_offset) "
                    "FROM orion.task t LEFT JOIN orion.attempt a ON a.task_id = t.id "
                    "LEFT JOIN orion.agent g ON g.id = a.agent_id WHERE t.id = ANY ($1::uuid[]) "
                    "ORDER BY t.id, a.number" },
};

struct call;
typedef void take_fn(struct call *c, const struct pg_result *r);   /* r is NULL: no answer */

/* One question that is not answered yet. */
struct call {
    TAILQ_ENTRY(call) entry;
    struct db *db;
    enum statement statement;
    take_fn *take;
    union {
        db_tasks_fn *tasks;
        db_agents_fn *agents;
        db_logs_fn *logs;
    } fn;
    void *arg;
    struct arena arena;     /* of the answer */
};

struct db {
    struct gateway *g;
    struct pg *pg;
    TAILQ_HEAD(, call) calls;
};

/* --- asking ---------------------------------------------------------------------------------------------------- */

static void call_end(struct call *c, const struct pg_result *r)
{
    TAILQ_REMOVE(&c->db->calls, c, entry);
    c->take(c, r);
    arena_fini(&c->arena);
    mem_free(&c);
}

static void on_result(void *arg, const struct pg_result *r)
{
    struct call *c = arg;

    if (!r->ok && !r->lost)
        log_error("query failed", log_str("statement", statements[c->statement].name), log_str("error", r->error));
    call_end(c, r->ok ? r : NULL);
}

static struct call *call_new(struct db *d, enum statement statement, take_fn *take, void *arg)
{
    struct call *c = mem_zalloc(sizeof(*c));

    c->db = d;
    c->statement = statement;
    c->take = take;
    c->arg = arg;
    TAILQ_INSERT_TAIL(&d->calls, c, entry);
    return c;
}

/* Each question is a transaction of its own, so that one that fails does not take others along. */
static void call_send(struct call *c, const char *const *params, int n)
{
    struct pg *pg = c->db->pg;

    pg_call(pg, c->statement, params, n, on_result, c);
    pg_sync(pg, NULL, NULL);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static const char *text_of(struct call *c, const struct pg_result *r, int row, int col)
{
    return arena_strdup(&c->arena, pg_text(r, row, col));
}

static struct uuid uuid_of(const struct pg_result *r, int row, int col)
{
    const char *text = pg_text(r, row, col);
    struct uuid u = { 0 };

    if (text)
        uuid_parse(text, strlen(text), &u);
    return u;
}

static struct msg_strs strs_of(struct call *c, const struct pg_result *r, int row, int col)
{
    struct msg_strs strs;

    (void)pg_array_read(pg_text(r, row, col), &c->arena, &strs.v, &strs.n); /* the server wrote it */
    return strs;
}

static struct msg_pairs pairs_of(struct call *c, const struct pg_result *r, int row, int col)
{
    struct msg_strs flat = strs_of(c, r, row, col);
    struct msg_pair *v = arena_alloc(&c->arena, flat.n / 2 * sizeof(*v));

    for (size_t i = 0; i < flat.n / 2; i++)
        v[i] = (struct msg_pair){ flat.v[2 * i], flat.v[2 * i + 1] };
    return (struct msg_pairs){ v, flat.n / 2 };
}

static struct msg_bytes bytes_of(struct call *c, const struct pg_result *r, int row, int col)
{
    uint8_t *data = arena_alloc(&c->arena, 32);
    size_t len = pg_bytes(r, row, col, data, 32);

    return (struct msg_bytes){ data, len == 32 ? len : 0 };
}

static void task_of(struct call *c, const struct pg_result *r, int row, struct msg_v1_task *t)
{
    t->id = uuid_of(r, row, 0);
    t->state = text_of(c, r, row, 1);
    t->cause = text_of(c, r, row, 2);
    t->message = text_of(c, r, row, 3);
    t->exit_code = pg_int(r, row, 4);
    t->has.exit_code = !pg_null(r, row, 4);
    t->project = text_of(c, r, row, 5);
    t->repo = text_of(c, r, row, 6);
    t->target = text_of(c, r, row, 7);
    t->args = strs_of(c, r, row, 8);
    t->ref = text_of(c, r, row, 9);
    t->commit = text_of(c, r, row, 10);
    t->mr = text_of(c, r, row, 11);
    t->driver = text_of(c, r, row, 12);
    t->labels = strs_of(c, r, row, 13);
    t->env = pairs_of(c, r, row, 14);
    t->has.separate_streams = t->separate_streams = pg_bool(r, row, 15);
    t->created_at = pg_int(r, row, 16);
    t->started_at = pg_int(r, row, 17);
    t->has.started_at = !pg_null(r, row, 17);
    t->ended_at = pg_int(r, row, 18);
    t->has.ended_at = !pg_null(r, row, 18);
    t->attempt = pg_int(r, row, 19);
}

static void attempt_of(struct call *c, const struct pg_result *r, int row, struct msg_v1_attempt *a)
{
    int col = TASK_COLUMNS_N;

    a->number = pg_int(r, row, col);
    a->state = text_of(c, r, row, col + 1);
    a->late_state = text_of(c, r, row, col + 2);
    a->cause = text_of(c, r, row, col + 3);
    a->agent_id = uuid_of(r, row, col + 4);
    a->agent = text_of(c, r, row, col + 5);
    a->commit = text_of(c, r, row, col + 6);
    a->driver = text_of(c, r, row, col + 7);
    a->workspace = text_of(c, r, row, col + 8);
    a->exit_code = pg_int(r, row, col + 9);
    a->has.exit_code = !pg_null(r, row, col + 9);
    a->message = text_of(c, r, row, col + 10);
    a->log_state = text_of(c, r, row, col + 11);
    a->log_bytes = pg_int(r, row, col + 12);
    a->has.log_bytes = !pg_null(r, row, col + 12);
    a->log_lines = pg_int(r, row, col + 13);
    a->has.log_lines = !pg_null(r, row, col + 13);
    a->log_head = bytes_of(c, r, row, col + 14);
    a->assigned_at = pg_int(r, row, col + 15);
    a->started_at = pg_int(r, row, col + 16);
    a->has.started_at = !pg_null(r, row, col + 16);
    a->ended_at = pg_int(r, row, col + 17);
    a->has.ended_at = !pg_null(r, row, col + 17);
}

/* --- tasks ----------------------------------------------------------------------------------------------------- */

static void take_task(struct call *c, const struct pg_result *r)
{
    if (!r) {
        c->fn.tasks(c->arg, NULL);
        return;
    }
    struct msg_v1_task task = { 0 };
    struct msg_v1_attempt *attempts = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*attempts));
    size_t n = 0;
    if (r->rows > 0)
        task_of(c, r, 0, &task);
    for (int row = 0; row < r->rows; row++)
        if (!pg_null(r, row, TASK_COLUMNS_N))
            attempt_of(c, r, row, &attempts[n++]);
    task.attempts.v = attempts;
    task.attempts.n = n;
    const struct msg_v1_tasks tasks = { .tasks = { &task, r->rows > 0 } };
    c->fn.tasks(c->arg, &tasks);
}

void db_task(struct db *d, const struct uuid *id, db_tasks_fn *fn, void *arg)
{
    struct call *c = call_new(d, TASK_GET, take_task, arg);
    char text[UUID_TEXT_SIZE];

    c->fn.tasks = fn;
    uuid_format(id, text);
    call_send(c, (const char *const[]){ text }, 1);
}

static void take_tasks(struct call *c, const struct pg_result *r)
{
    if (!r) {
        c->fn.tasks(c->arg, NULL);
        return;
    }
    struct msg_v1_task *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));
    for (int row = 0; row < r->rows; row++)
        task_of(c, r, row, &v[row]);
    const struct msg_v1_tasks tasks = { .tasks = { v, (size_t)r->rows } };
    c->fn.tasks(c->arg, &tasks);
}

void db_tasks(struct db *d, const struct db_filter *f, db_tasks_fn *fn, void *arg)
{
    struct call *c = call_new(d, f->mr ? TASK_LIST_MR : TASK_LIST, take_tasks, arg);
    char before[UUID_TEXT_SIZE], limit[24];

    c->fn.tasks = fn;
    if (f->before)
        uuid_format(f->before, before);
    snprintf(limit, sizeof(limit), "%" PRId64, f->limit);
    call_send(c, (const char *const[]){ f->state, f->project, f->repo, f->before ? before : NULL, limit, f->mr },
              f->mr ? 6 : 5);
}

/* --- agents ---------------------------------------------------------------------------------------------------- */

static void take_agents(struct call *c, const struct pg_result *r)
{
    if (!r) {
        c->fn.agents(c->arg, NULL);
        return;
    }
    struct msg_v1_agent *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));
    for (int row = 0; row < r->rows; row++) {
        v[row].id = uuid_of(r, row, 0);
        v[row].name = text_of(c, r, row, 1);
        v[row].state = text_of(c, r, row, 2);
        v[row].labels = strs_of(c, r, row, 3);
        v[row].slots = pg_int(r, row, 4);
        v[row].busy = pg_int(r, row, 5);
        v[row].version = text_of(c, r, row, 6);
        v[row].seen_at = pg_int(r, row, 7);
    }
    const struct msg_v1_agents agents = { .agents = { v, (size_t)r->rows } };
    c->fn.agents(c->arg, &agents);
}

void db_agents(struct db *d, db_agents_fn *fn, void *arg)
{
    struct call *c = call_new(d, AGENT_LIST, take_agents, arg);

    c->fn.agents = fn;
    call_send(c, NULL, 0);
}

/* --- followed tasks -------------------------------------------------------------------------------------------- */

static const struct log_segment *segments_of(struct call *c, const struct pg_result *r, int row, size_t *n_r)
{
    struct msg_strs flat = strs_of(c, r, row, 12);
    struct log_segment *v = arena_alloc(&c->arena, flat.n / 2 * sizeof(*v));

    *n_r = flat.n / 2;
    for (size_t i = 0; i < *n_r; i++)
        if (sscanf(flat.v[2 * i], "%" SCNu64, &v[i].from) == 1)
            v[i].sink = flat.v[2 * i + 1];
    return v;
}

static void log_attempt_of(struct call *c, const struct pg_result *r, int row, struct log_attempt *a)
{
    int state = attempt_state_by_name(pg_text(r, row, 6));

    a->number = pg_int(r, row, 5);
    a->state = state < 0 ? ATTEMPT_LOST : (enum attempt_state)state;
    a->agent = text_of(c, r, row, 7);
    a->log_state = text_of(c, r, row, 8);
    a->has_bytes = !pg_null(r, row, 9);
    a->bytes = (uint64_t)pg_int(r, row, 9);
    a->has_lines = !pg_null(r, row, 10);
    a->lines = (uint64_t)pg_int(r, row, 10);
    if (pg_bytes(r, row, 11, a->head, sizeof(a->head)) == sizeof(a->head))
        a->head_len = sizeof(a->head);
    a->segments = segments_of(c, r, row, &a->n_segments);
}

/* Rows come by task and attempt; a task without attempts is one row with nulls. */
static void take_logs(struct call *c, const struct pg_result *r)
{
    if (!r) {
        c->fn.logs(c->arg, NULL, 0);
        return;
    }
    struct log_state *logs = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*logs));
    struct log_attempt *attempts = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*attempts));
    size_t n = 0;
    for (int row = 0; row < r->rows; row++) {
        struct uuid id = uuid_of(r, row, 0);
        if (n == 0 || uuid_cmp(&logs[n - 1].id, &id) != 0) {
            int state = task_state_by_name(pg_text(r, row, 1));
            logs[n++] = (struct log_state){ .id = id, .state = state < 0 ? TASK_LOST : (enum task_state)state,
                                            .cause = text_of(c, r, row, 2), .message = text_of(c, r, row, 3),
                                            .has_exit_code = !pg_null(r, row, 4), .exit_code = pg_int(r, row, 4),
                                            .attempts = &attempts[row] };
        }
        if (!pg_null(r, row, 5)) {
            log_attempt_of(c, r, row, &attempts[row]);
            logs[n - 1].n_attempts++;
        }
    }
    c->fn.logs(c->arg, logs, n);
}

void db_logs(struct db *d, const struct uuid *ids, size_t n, db_logs_fn *fn, void *arg)
{
    struct call *c = call_new(d, TASK_LOGS, take_logs, arg);
    struct pg_array array = { 0 };
    char text[UUID_TEXT_SIZE];

    c->fn.logs = fn;
    pg_array_reset(&array);
    for (size_t i = 0; i < n; i++) {
        uuid_format(&ids[i], text);
        pg_array_str(&array, text);
    }
    call_send(c, (const char *const[]){ pg_array_text(&array) }, 1);
    pg_array_fini(&array);
}

/* --- the connection -------------------------------------------------------------------------------------------- */

static void on_up(void *arg)
{
    struct db *d = arg;

    log_info("database connected");
    pg_call(d->pg, EVENT_LISTEN, NULL, 0, NULL, NULL);
    pg_sync(d->pg, NULL, NULL);
    tracks_refresh(d->g->tracks);
}

static void on_down(void *arg, const struct err *why)
{
    (void)arg;
    log_warn("database not connected", log_err(why));
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct db *d = arg;

    (void)channel;
    (void)payload;
    tracks_refresh(d->g->tracks);
}

struct db *db_open(struct gateway *g, const char *dsn)
{
    static const struct pg_hooks hooks = { on_up, on_down, on_notify };
    struct db *d = mem_zalloc(sizeof(*d));

    d->g = g;
    TAILQ_INIT(&d->calls);
    d->pg = pg_open(g->loop, dsn, g->name, statements, STATEMENTS, &hooks, d);
    return d;
}

void db_close(struct db **dp)
{
    struct db *d = *dp;

    if (!d)
        return;
    pg_close(&d->pg);
    while (!TAILQ_EMPTY(&d->calls))
        call_end(TAILQ_FIRST(&d->calls), NULL);
    mem_free(dp);
}

bool db_is_up(const struct db *d)
{
    return d->pg && pg_is_up(d->pg);
}
