/* db.c - the gateway's connections to PostgreSQL: questions, their answers, and what tells that something changed.
 *
 * Two of them, because answers come in order: lists and counts of a long queue may take a second, and viewers and
 * submissions do not wait behind them.
 * Given ids and filters, hands rows over as the structs of the message table (db_tasks.c, db_farm.c, db_logs.c). Writes
 * nothing (the role may not). `orion_event` tells that something was committed; what, is read again. */
#include <string.h>

#include "gateway/db_impl.h"
#include "gateway/track.h"
#include "lib/log.h"

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
        log_error("query failed", log_str("statement", c->db->statements[c->statement].name),
                  log_str("error", r->error));
    call_end(c, r->ok ? r : NULL);
}

struct call *call_new(struct db *d, enum statement statement, take_fn *take, void *arg)
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
void call_send(struct call *c, const char *const *params, int n)
{
    struct pg *pg = c->statement >= SLOW_FIRST ? c->db->slow : c->db->quick;

    pg_call(pg, c->statement, params, n, on_result, c);
    pg_sync(pg, NULL, NULL);
}

void call_answer(struct call *c, const void *message)
{
    const struct db_answer a = { message ? DB_FOUND : DB_NONE, message, &c->arena };

    c->fn.rows(c->arg, &a);
}

void call_silent(struct call *c)
{
    const struct db_answer a = { .end = DB_SILENT };

    c->fn.rows(c->arg, &a);
}

void db_get(struct db *d, enum msg_type type, const char *key, db_fn *fn, void *arg)
{
    const struct db_kind *kind = type == MSG_V1_TASK ? &db_task_kind : db_farm_kind(type);
    struct call *c = call_new(d, kind->statement, kind->take, arg);

    c->fn.rows = fn;
    call_send(c, &key, kind->has_key ? 1 : 0);
}

/* --- what a row holds ------------------------------------------------------------------------------------------ */

const char *text_of(struct call *c, const struct pg_result *r, int row, int col)
{
    return arena_strdup(&c->arena, pg_text(r, row, col));
}

struct uuid uuid_of(const struct pg_result *r, int row, int col)
{
    const char *text = pg_text(r, row, col);
    struct uuid u = { 0 };

    if (text)
        uuid_parse(text, strlen(text), &u);
    return u;
}

struct msg_strs strs_of(struct call *c, const struct pg_result *r, int row, int col)
{
    const char *text = pg_text(r, row, col);
    struct msg_strs strs = { 0 };

    if (text)
        (void)pg_array_read(text, &c->arena, &strs.v, &strs.n); /* the server wrote it */
    return strs;
}

void number_of(const struct pg_result *r, int row, int col, int64_t *n_r, bool *has_r)
{
    *n_r = pg_int(r, row, col);
    *has_r = !pg_null(r, row, col);
}

/* --- the connection -------------------------------------------------------------------------------------------- */

static void on_up(void *arg)
{
    struct db *d = arg;

    log_info("database connected");
    pg_call(d->quick, EVENT_LISTEN, NULL, 0, NULL, NULL);
    pg_sync(d->quick, NULL, NULL);
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

/* What there is to say of the second connection, the first has said. */
static void on_slow_down(void *arg, const struct err *why)
{
    (void)arg;
    log_debug("database not connected", log_err(why));
}

struct db *db_open(struct gateway *g, const char *dsn)
{
    static const struct pg_hooks hooks = { on_up, on_down, on_notify };
    static const struct pg_hooks slow_hooks = { .on_down = on_slow_down };
    struct db *d = mem_zalloc(sizeof(*d));

    d->g = g;
    TAILQ_INIT(&d->calls);
    d->statements[EVENT_LISTEN] = (struct pg_stmt){ "event_listen", "LISTEN orion_event" };
    db_tasks_prepare(d->statements);
    db_farm_prepare(d->statements);
    db_logs_prepare(d->statements);
    d->quick = pg_open(g->loop, dsn, g->name, d->statements, STATEMENTS, &hooks, d);
    d->slow = pg_open(g->loop, dsn, g->name, d->statements, STATEMENTS, &slow_hooks, d);
    return d;
}

void db_close(struct db **dp)
{
    struct db *d = *dp;

    if (!d)
        return;
    pg_close(&d->quick);
    pg_close(&d->slow);
    while (!TAILQ_EMPTY(&d->calls))
        call_end(TAILQ_FIRST(&d->calls), NULL);
    mem_free(dp);
}

bool db_is_up(const struct db *d)
{
    return d->quick && pg_is_up(d->quick);
}
