/* sqlfloor_lean.c - the least that a durable task queue can write: array statements on three bare tables. */
#include <string.h>

#include "bench/sqlfloor.h"
#include "lib/mem.h"

enum { LEAN_TASK_INSERT, LEAN_ATTEMPT_INSERT, LEAN_ACCEPT_TASK, LEAN_ACCEPT_ATTEMPT, LEAN_END_TASK, LEAN_END_ATTEMPT,
       LEAN_EVENT_INSERT, LEAN_SETUP, LEAN_STMTS };

static const char prepare[] =
    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS orion_floor CASCADE; CREATE SCHEMA orion_floor;"
    "CREATE TABLE orion_floor.task (id uuid PRIMARY KEY, project text, repo text, target text, state smallint,"
    " exit_code integer, created_at timestamptz, started_at timestamptz, ended_at timestamptz) WITH (fillfactor = 70);"
    "CREATE TABLE orion_floor.attempt (task_id uuid, number integer, agent_id uuid, state smallint, exit_code integer,"
    " assigned_at timestamptz, started_at timestamptz, ended_at timestamptz, PRIMARY KEY (task_id, number))"
    " WITH (fillfactor = 70);"
    "CREATE TABLE orion_floor.event (seq bigint PRIMARY KEY, at timestamptz, kind smallint, task_id uuid)";

static const struct pg_stmt stmts[LEAN_STMTS] = {
    [LEAN_TASK_INSERT] = { "lean_task_insert",
        "INSERT INTO orion_floor.task (id, project, repo, target, state, created_at)"
        " SELECT id, 'default', repo, target, 1, now() FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(id, repo, target)" },
    [LEAN_ATTEMPT_INSERT] = { "lean_attempt_insert",
        "INSERT INTO orion_floor.attempt (task_id, number, agent_id, state, assigned_at)"
        " SELECT id, 1, agent, 1, now() FROM unnest($1::uuid[], $2::uuid[]) AS u(id, agent)" },
    [LEAN_ACCEPT_TASK] = { "lean_accept_task",
        "UPDATE orion_floor.task SET state = 2, started_at = now() WHERE id = ANY ($1::uuid[])" },
    [LEAN_ACCEPT_ATTEMPT] = { "lean_accept_attempt",
        "UPDATE orion_floor.attempt SET state = 2, started_at = now() WHERE task_id = ANY ($1::uuid[])" },
    [LEAN_END_TASK] = { "lean_end_task",
        "UPDATE orion_floor.task SET state = 3, exit_code = 0, ended_at = now() WHERE id = ANY ($1::uuid[])" },
    [LEAN_END_ATTEMPT] = { "lean_end_attempt",
        "UPDATE orion_floor.attempt SET state = 3, exit_code = 0, ended_at = now() WHERE task_id = ANY ($1::uuid[])" },
    [LEAN_EVENT_INSERT] = { "lean_event_insert",
        "INSERT INTO orion_floor.event (seq, at, kind, task_id)"
        " SELECT seq, now(), kind::smallint, id FROM unnest($1::bigint[], $2::int[], $3::uuid[]) AS u(seq, kind, id)" },
    [LEAN_SETUP] = { "lean_setup",
        "SELECT set_config('plan_cache_mode', 'force_generic_plan', false)" },
};

static void call(struct pg *pg, size_t stmt, struct pg_column *columns, int n)
{
    pg_call_columns(pg, stmt, columns, n, NULL, NULL);
    for (int i = 0; i < n; i++)
        pg_column_fini(&columns[i]);
}

static void update(struct pg *pg, size_t task_stmt, size_t attempt_stmt, const struct uuid *ids, size_t n)
{
    struct pg_column a = { 0 }, b = { 0 };

    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        pg_column_uuid(&a, &ids[i]);
        pg_column_uuid(&b, &ids[i]);
    }
    call(pg, task_stmt, &a, 1);
    call(pg, attempt_stmt, &b, 1);
}

static void insert(struct pg *pg, const struct uuid *ids, size_t n)
{
    const struct uuid agent = { { 1 } };
    struct pg_column task[3] = { 0 }, attempt[2] = { 0 };

    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        pg_column_uuid(&task[0], &ids[i]);
        pg_column_text(&task[1], "monorepo");
        pg_column_text(&task[2], "//some/package:target");
        pg_column_uuid(&attempt[0], &ids[i]);
        pg_column_uuid(&attempt[1], &agent);
    }
    call(pg, LEAN_TASK_INSERT, task, 3);
    call(pg, LEAN_ATTEMPT_INSERT, attempt, 2);
}

static void events(struct pg_column *columns, struct floor_place *place, int kind, const struct uuid *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pg_column_int(&columns[0], PG_INT8, ++place->seq);
        pg_column_int(&columns[1], PG_INT4, kind);
        pg_column_uuid(&columns[2], &ids[i]);
    }
}

static void lean_write(struct pg *pg, const struct floor_turn *t, struct floor_place *place)
{
    struct pg_column columns[3] = { 0 };

    insert(pg, t->fresh, t->n_fresh);
    update(pg, LEAN_ACCEPT_TASK, LEAN_ACCEPT_ATTEMPT, t->accepted, t->n_accepted);
    update(pg, LEAN_END_TASK, LEAN_END_ATTEMPT, t->ended, t->n_ended);
    events(columns, place, 1, t->fresh, t->n_fresh);
    events(columns, place, 2, t->accepted, t->n_accepted);
    events(columns, place, 3, t->ended, t->n_ended);
    call(pg, LEAN_EVENT_INSERT, columns, 3);
    pg_sync(pg, t->done, t->arg);
}

const struct floor_kind floor_lean = {
    .name = "lean", .prepare = prepare, .stmts = stmts, .n_stmts = LEAN_STMTS, .stmt_setup = LEAN_SETUP,
    .write = lean_write,
};

const struct floor_kind *floor_kind_by_name(const char *name)
{
    static const struct floor_kind *const kinds[] = { &floor_lean, &floor_orion };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}
