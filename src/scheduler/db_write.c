/* db_write.c - the rows of a batch as array parameters, one statement per kind of row, in one transaction. */
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "scheduler/db.h"

enum { COLUMNS_MAX = 24 };

/* The parameters of one statement; a row is filled from left to right. */
struct columns {
    struct pg_array v[COLUMNS_MAX];
    int at, n;
};

static void row_begin(struct columns *c)
{
    c->at = 0;
}

static struct pg_array *column(struct columns *c)
{
    struct pg_array *a = &c->v[c->at++];

    if (c->n < c->at)
        c->n = c->at;
    return a;
}

static void put_text(struct columns *c, const char *text)
{
    pg_array_str(column(c), text);
}

static void put_int(struct columns *c, int64_t n)
{
    pg_array_int(column(c), n);
}

static void put_count(struct columns *c, int64_t n)   /* -1: NULL */
{
    if (n < 0)
        pg_array_null(column(c));
    else
        pg_array_int(column(c), n);
}

static void put_time(struct columns *c, int64_t ms)   /* 0: NULL */
{
    char text[CLOCK_TEXT_SIZE];

    if (!ms) {
        pg_array_null(column(c));
        return;
    }
    clock_format(ms, text);
    put_text(c, text);
}

static void put_id(struct columns *c, const struct uuid *id)   /* nil: NULL */
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    put_text(c, uuid_is_nil(id) ? NULL : text);
}

static void put_strs(struct columns *c, struct msg_strs list)
{
    struct pg_array inner = { 0 };

    for (size_t i = 0; i < list.n; i++)
        pg_array_str(&inner, list.v[i]);
    put_text(c, pg_array_text(&inner));
    pg_array_fini(&inner);
}

static void put_pairs(struct columns *c, const struct msg_pair *pairs, size_t n)   /* two columns */
{
    struct pg_array keys = { 0 }, values = { 0 };

    for (size_t i = 0; i < n; i++) {
        pg_array_str(&keys, pairs[i].key);
        pg_array_str(&values, pairs[i].value);
    }
    put_text(c, pg_array_text(&keys));
    put_text(c, pg_array_text(&values));
    pg_array_fini(&keys);
    pg_array_fini(&values);
}

/* Sends the statement and forgets the columns. What goes wrong is told by the commit. */
static void call(struct pg *pg, enum db_stmt stmt, struct columns *c, size_t rows)
{
    const char *params[COLUMNS_MAX];

    if (rows) {
        for (int i = 0; i < c->n; i++)
            params[i] = pg_array_text(&c->v[i]);
        pg_call(pg, stmt, params, c->n, NULL, NULL);
    }
    for (int i = 0; i < c->n; i++)
        pg_array_fini(&c->v[i]);
}

static const char *log_state_name(enum log_state s)
{
    return s == LOG_OPEN ? "open" : s == LOG_COMPLETE ? "complete" : "gap";
}

/* --- one function per table ---------------------------------------------------------------------------------- */

static void write_agents(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->agents.n; i++) {
        const struct row_agent *row = &fx->agents.v[i];
        row_begin(&c);
        put_id(&c, &row->id);
        put_text(&c, row->name ? row->name : "");
        put_id(&c, &row->instance);
        put_strs(&c, row->labels);
        put_int(&c, row->slots);
        put_text(&c, row->version ? row->version : "");
        put_int(&c, row->session);
        put_text(&c, row->is_up ? "up" : "lost");
        put_time(&c, row->seen_ms);
    }
    call(pg, DB_AGENT_PUT, &c, fx->agents.n);
}

static void write_new_tasks(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };
    size_t rows = 0;

    for (size_t i = 0; i < fx->tasks.n; i++) {
        const struct row_task *row = &fx->tasks.v[i];
        if (!row->is_new)
            continue;
        rows++;
        row_begin(&c);
        put_id(&c, &row->id);
        put_text(&c, row->spec->project);
        put_text(&c, row->spec->repo);
        put_text(&c, row->spec->target);
        put_strs(&c, row->spec->args);
        put_text(&c, row->spec->ref);
        put_text(&c, row->spec->mr);
        put_text(&c, row->spec->driver);
        put_strs(&c, row->spec->labels);
        put_pairs(&c, row->spec->env.v, row->spec->env.n);
        put_text(&c, row->spec->separate_streams ? "t" : "f");
        put_text(&c, task_state_name(row->state));
        put_text(&c, row->commit);
        put_text(&c, row->cause);
        put_text(&c, row->message);
        put_count(&c, row->exit_code);
        put_int(&c, row->attempt);
        put_time(&c, row->created_ms);
        put_time(&c, row->started_ms);
        put_time(&c, row->ended_ms);
    }
    call(pg, DB_TASK_INSERT, &c, rows);
}

static void write_changed_tasks(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };
    size_t rows = 0;

    for (size_t i = 0; i < fx->tasks.n; i++) {
        const struct row_task *row = &fx->tasks.v[i];
        if (row->is_new)
            continue;
        rows++;
        row_begin(&c);
        put_id(&c, &row->id);
        put_text(&c, task_state_name(row->state));
        put_text(&c, row->commit);
        put_text(&c, row->cause);
        put_text(&c, row->message);
        put_count(&c, row->exit_code);
        put_int(&c, row->attempt);
        put_time(&c, row->started_ms);
        put_time(&c, row->ended_ms);
    }
    call(pg, DB_TASK_UPDATE, &c, rows);
}

/* The columns from session to ended_at, which inserts and updates share. */
static void put_attempt(struct columns *c, const struct row_attempt *row)
{
    put_int(c, row->session);
    put_text(c, attempt_state_name(row->state));
    put_text(c, row->late_state < 0 ? NULL : attempt_state_name((enum attempt_state)row->late_state));
    put_text(c, row->cause);
    put_text(c, row->message);
    put_count(c, row->exit_code);
    put_count(c, row->signal);
    put_text(c, row->commit);
    put_text(c, row->driver);
    put_text(c, row->workspace);
    put_text(c, log_state_name(row->log_state));
    put_count(c, row->log_bytes);
    put_count(c, row->log_lines);
    put_count(c, row->log_chunks);
    if (row->has_head)
        pg_array_bytes(column(c), row->log_head.b, sizeof row->log_head.b);
    else
        pg_array_null(column(c));
    put_time(c, row->started_ms);
    put_time(c, row->ended_ms);
}

static void write_attempts(struct pg *pg, const struct effects *fx, bool is_new)
{
    struct columns c = { 0 };
    size_t rows = 0;

    for (size_t i = 0; i < fx->attempts.n; i++) {
        const struct row_attempt *row = &fx->attempts.v[i];
        if (row->is_new != is_new)
            continue;
        rows++;
        row_begin(&c);
        put_id(&c, &row->task_id);
        put_int(&c, row->number);
        if (is_new) {
            put_id(&c, &row->agent_id);
            put_time(&c, row->assigned_ms);
        }
        put_attempt(&c, row);
    }
    call(pg, is_new ? DB_ATTEMPT_INSERT : DB_ATTEMPT_UPDATE, &c, rows);
}

static void write_segments(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->segments.n; i++) {
        row_begin(&c);
        put_id(&c, &fx->segments.v[i].task_id);
        put_int(&c, fx->segments.v[i].attempt);
        put_text(&c, fx->segments.v[i].sink);
    }
    call(pg, DB_LOG_SEGMENT_INSERT, &c, fx->segments.n);
}

static void write_keys(struct pg *pg, const struct effects *fx)
{
    struct columns old = { 0 }, c = { 0 };

    for (size_t i = 0; i < fx->old_keys.n; i++) {
        row_begin(&old);
        put_text(&old, fx->old_keys.v[i].project);
        put_text(&old, fx->old_keys.v[i].key);
    }
    call(pg, DB_KEY_DELETE, &old, fx->old_keys.n);
    for (size_t i = 0; i < fx->keys.n; i++) {
        const struct row_key *row = &fx->keys.v[i];
        row_begin(&c);
        put_text(&c, row->project);
        put_text(&c, row->key);
        pg_array_bytes(column(&c), row->body.b, sizeof row->body.b);
        put_id(&c, &row->task_id);
        put_time(&c, row->created_ms);
    }
    call(pg, DB_IDEMPOTENCY_INSERT, &c, fx->keys.n);
}

static void write_lates(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->lates.n; i++) {
        row_begin(&c);
        put_id(&c, &fx->lates.v[i].task_id);
        put_int(&c, fx->lates.v[i].attempt);
        put_text(&c, attempt_state_name(fx->lates.v[i].state));
    }
    call(pg, DB_ATTEMPT_LATE, &c, fx->lates.n);
}

static void write_events(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->events.n; i++) {
        const struct row_event *row = &fx->events.v[i];
        row_begin(&c);
        put_int(&c, row->seq);
        put_time(&c, row->at_ms);
        put_int(&c, row->epoch);
        put_text(&c, row->kind);
        put_text(&c, row->project);
        put_id(&c, &row->task_id);
        put_count(&c, row->attempt ? row->attempt : -1);
        put_id(&c, &row->agent_id);
        if (row->n_data) {
            put_pairs(&c, row->data, row->n_data);
        } else {
            put_text(&c, NULL);
            put_text(&c, NULL);
        }
    }
    call(pg, DB_EVENT_INSERT, &c, fx->events.n);
}

static void write_notify(struct pg *pg, const struct effects *fx)
{
    char *seq;

    if (!fx->events.n)
        return;
    seq = mem_printf("%lld", (long long)fx->events.v[fx->events.n - 1].seq);
    pg_call(pg, DB_EVENT_NOTIFY, (const char *const[]){ seq }, 1, NULL, NULL);
    mem_free(&seq);
}

void db_write(struct pg *pg, const struct effects *fx, const struct db_batch *b)
{
    char *epoch = mem_printf("%lld", (long long)b->epoch), *batch = mem_printf("%lld", (long long)b->batch);

    pg_call(pg, DB_FENCE, (const char *const[]){ epoch, batch }, 2, b->fenced, b->arg);
    mem_free(&epoch);
    mem_free(&batch);
    write_agents(pg, fx);
    write_new_tasks(pg, fx);
    write_changed_tasks(pg, fx);
    write_attempts(pg, fx, true);
    write_attempts(pg, fx, false);
    write_lates(pg, fx);
    write_segments(pg, fx);
    write_keys(pg, fx);
    write_events(pg, fx);
    write_notify(pg, fx);
    pg_sync(pg, b->done, b->arg);
}
