/* test_db_month.c - whose rows are updated in their partition itself: never by a statement that names another month. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/db.h"

/* --- a server that answers when the test says so ----------------------------------------------------------------- */

enum { QUESTIONS_MAX = 16 };
struct question {
    pg_fn *fn;
    void *arg;
};
static struct {
    struct question asked[QUESTIONS_MAX];
    size_t n_asked;
    char sql[QUESTIONS_MAX][2048];
    size_t n_sql;
    const char *row[3];
} server;

static void ask(pg_fn *fn, void *arg)
{
    assert_true(server.n_asked < QUESTIONS_MAX);
    server.asked[server.n_asked++] = (struct question){ fn, arg };
}

void pg_call(struct pg *p, size_t stmt, const char *const *params, int n, pg_fn *fn, void *arg)
{
    (void)p, (void)params;
    assert_int_equal(stmt, DB_PARTITION_AT);
    assert_int_equal(n, 0);
    ask(fn, arg);
}

void pg_sync(struct pg *p, pg_fn *fn, void *arg)
{
    (void)p;
    if (fn)
        ask(fn, arg);
}

void pg_redefine(struct pg *p, size_t stmt, const char *sql, pg_fn *fn, void *arg)
{
    (void)p, (void)stmt, (void)fn, (void)arg;
    snprintf(server.sql[server.n_sql++], sizeof server.sql[0], "%s", sql);
}

const char *pg_text(const struct pg_result *r, int row, int col)
{
    (void)r, (void)row;
    return server.row[col];
}

static void answer(bool ok, const char *suffix, const char *first, const char *behind)
{
    const struct pg_result r = { .ok = ok, .lost = !ok, .rows = 1 };
    struct question q = server.asked[0];

    server.row[0] = suffix;
    server.row[1] = first;
    server.row[2] = behind;
    memmove(server.asked, server.asked + 1, --server.n_asked * sizeof server.asked[0]);
    q.fn(q.arg, &r);
}

static int forget(void **state)
{
    (void)state;
    memset(&server, 0, sizeof server);
    return 0;
}

/* --- the months -------------------------------------------------------------------------------------------------- */

#define NOVEMBER "01a19467-e800-0000-0000-000000000000"
#define DECEMBER "01a22ee6-b000-0000-0000-000000000000"
#define JANUARY "01a2ce8b-d400-0000-0000-000000000000"

static bool has(const struct db_month *m, const char *id)
{
    struct uuid u;

    assert_int_equal(uuid_parse(id, strlen(id), &u), 0);
    return db_month_has(m, &u);
}

static int64_t begins(const char *id)
{
    struct uuid u;

    uuid_parse(id, strlen(id), &u);
    return uuid_time_ms(&u);
}

static void found(struct db_month *m)
{
    db_month_find(m, NULL);
    answer(true, "_2026_11", NOVEMBER, DECEMBER);
    answer(true, NULL, NULL, NULL);
}

static void rows_of_the_month_are_here_once_the_server_has_the_statements(void **state)
{
    struct db_month m = { 0 };

    (void)state;
    assert_false(has(NULL, NOVEMBER));
    db_month_find(&m, NULL);
    assert_false(has(&m, NOVEMBER));
    answer(true, "_2026_11", NOVEMBER, DECEMBER);
    assert_false(has(&m, NOVEMBER));
    answer(true, NULL, NULL, NULL);
    assert_true(has(&m, NOVEMBER));
    assert_true(has(&m, "01a22ee6-afff-7fff-bfff-ffffffffffff"));
    assert_false(has(&m, DECEMBER));
    assert_false(has(&m, "01a19467-e7ff-7fff-bfff-ffffffffffff"));
    assert_int_equal(server.n_sql, DB_MONTH_STMTS);
    for (size_t i = 0; i < server.n_sql; i++)
        assert_non_null(strstr(server.sql[i], "_2026_11 t SET "));
    assert_non_null(strstr(server.sql[0], "UPDATE orion.task_2026_11 t"));
    assert_non_null(strstr(server.sql[1], "UPDATE orion.attempt_2026_11 t"));
}

static void between_two_months_nothing_is_here(void **state)
{
    struct db_month m = { 0 };

    (void)state;
    found(&m);
    db_month_look(&m, begins(DECEMBER) - 1);
    assert_int_equal(server.n_asked, 0);
    db_month_look(&m, begins(DECEMBER));
    db_month_look(&m, begins(DECEMBER) + 1);
    assert_int_equal(server.n_asked, 1);
    assert_true(has(&m, NOVEMBER));        /* the statements still are November's */
    answer(true, "_2026_12", DECEMBER, JANUARY);
    assert_false(has(&m, NOVEMBER));       /* from here on each may be of either month */
    assert_false(has(&m, DECEMBER));
    answer(true, NULL, NULL, NULL);
    assert_false(has(&m, NOVEMBER));
    assert_true(has(&m, DECEMBER));
}

static void no_such_partition_no_month(void **state)
{
    struct db_month m = { 0 };

    (void)state;
    found(&m);
    db_month_look(&m, begins(DECEMBER));
    answer(true, NULL, NULL, NULL);
    assert_int_equal(server.n_asked, 0);
    assert_false(has(&m, NOVEMBER));
    db_month_look(&m, begins(DECEMBER));
    assert_int_equal(server.n_asked, 0);   /* until the next connection */
}

static void statements_that_the_server_refuses_are_not_used(void **state)
{
    struct db_month m = { 0 };

    (void)state;
    db_month_find(&m, NULL);
    answer(true, "_2026_11", NOVEMBER, DECEMBER);
    answer(false, NULL, NULL, NULL);
    assert_false(has(&m, NOVEMBER));
}

static void a_lost_connection_takes_the_month_with_it(void **state)
{
    struct db_month m = { 0 };

    (void)state;
    found(&m);
    db_month_lost(&m);
    assert_false(has(&m, NOVEMBER));
    found(&m);
    assert_true(has(&m, NOVEMBER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_of_the_month_are_here_once_the_server_has_the_statements, forget),
        cmocka_unit_test_setup(between_two_months_nothing_is_here, forget),
        cmocka_unit_test_setup(no_such_partition_no_month, forget),
        cmocka_unit_test_setup(statements_that_the_server_refuses_are_not_used, forget),
        cmocka_unit_test_setup(a_lost_connection_takes_the_month_with_it, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
