/* test_pg.c - the asynchronous PostgreSQL connection against a real, private server: socket only, in a temporary
 * directory, ended by its pid. Skipped (77) where Debian's server programs are missing. */
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "lib/pg.h"
#include "lib/pg_impl.h"

enum { DEADLINE_S = 60, ARGV_SIZE = 24 };

enum stmt {
    ADD_ONE, PUT, COUNT, WIPE, TEXTS, BYTES, LISTEN, NOTIFY, SLEEP, PID, LATER, ECHO_LENGTH, NULLS, COLUMNS,
};

static const struct pg_stmt stmts[] = {
    [ADD_ONE] = { "add_one", "SELECT $1::bigint + 1, true, 'x'" },
    [PUT] = { "put", "INSERT INTO item VALUES ($1::int, $2)" },
    [COUNT] = { "count", "SELECT count(*) FROM item" },
    [WIPE] = { "wipe", "DELETE FROM item" },
    [TEXTS] = { "texts", "SELECT t FROM unnest($1::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n" },
    [BYTES] = { "bytes", "SELECT b, n FROM unnest($1::bytea[], $2::bigint[]) AS u(b, n)" },
    [LISTEN] = { "listen", "LISTEN news" },
    [NOTIFY] = { "notify", "SELECT pg_notify('news', $1)" },
    [SLEEP] = { "sleep", "SELECT pg_sleep(100)" },
    [PID] = { "pid", "SELECT pg_backend_pid()" },
    [LATER] = { "later", "INSERT INTO child VALUES ($1::int)" },
    [ECHO_LENGTH] = { "echo_length", "SELECT length($1::text)" },
    [COLUMNS] = { "columns", "SELECT b, f, e, t, at AT TIME ZONE 'UTC', y, id FROM unnest($1::bool[], $2::int[], $3::bigint[],"
                             " $4::text[], $5::timestamptz[], $6::bytea[], $7::uuid[]) AS u(b, f, e, t, at, y, id)" },
    [NULLS] = { "nulls", "SELECT NULL::bigint, $1::text" },
};

static const char schema[] = "CREATE TABLE item (id int PRIMARY KEY, text text NOT NULL);"
                             "CREATE TABLE child (item int REFERENCES item DEFERRABLE INITIALLY DEFERRED)";

/* --- the private server ------------------------------------------------------------------------------ */

struct server {
    char dir[64], bin[128], dsn[128];
    pid_t pid;
};

static pid_t spawn(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid = -1;

    sigemptyset(&none); /* the loop blocks SIGCHLD */
    assert_int_equal(posix_spawnattr_init(&attr), 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &none);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, &attr, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return pid;
}

static void run(const char *const *argv)
{
    int wstatus = -1;
    pid_t pid = spawn(argv);

    assert_int_equal(waitpid(pid, &wstatus, 0), pid);
    assert_int_equal(wstatus, 0);
}

/* As the user `postgres` when we are root: the server refuses to run as root. It dies with the test. */
static const char *const *as_user(const char *argv[ARGV_SIZE], const char *const *command)
{
    static const char *const root[] = { "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
                                        "--pdeathsig=INT", "--", NULL };
    static const char *const other[] = { "setpriv", "--pdeathsig=INT", "--", NULL };
    size_t n = 0;

    for (const char *const *word = geteuid() == 0 ? root : other; *word; word++)
        argv[n++] = *word;
    for (; *command; command++)
        argv[n++] = *command;
    argv[n] = NULL;
    return argv;
}

static void server_start(struct server *s)
{
    char program[160];
    const char *argv[ARGV_SIZE];

    snprintf(program, sizeof(program), "%s/postgres", s->bin);
    s->pid = spawn(as_user(
        argv, (const char *[]){ program, "-D", s->dir, "-k", s->dir, "-c", "listen_addresses=", "-F", NULL }));
}

static void server_stop(struct server *s)
{
    assert_int_equal(kill(s->pid, SIGINT), 0);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

static void server_init(struct server *s)
{
    char program[160];
    const char *argv[ARGV_SIZE];

    snprintf(s->dir, sizeof(s->dir), "/tmp/orion-test-pg.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    if (geteuid() == 0) {
        struct passwd *pw = getpwnam("postgres");

        assert_non_null(pw);
        assert_int_equal(chown(s->dir, pw->pw_uid, pw->pw_gid), 0);
    }
    snprintf(program, sizeof(program), "%s/initdb", s->bin);
    run(as_user(argv, (const char *[]){ program, "-D", s->dir, "-A", "trust", "-U", "orion", "-E", "UTF8",
                                        "--locale=C.UTF-8", "-N", NULL }));
    snprintf(s->dsn, sizeof(s->dsn), "host=%s user=orion dbname=postgres", s->dir);
}

static bool server_find(struct server *s)
{
    glob_t found;
    bool ok = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0;

    if (ok) {
        char *last = found.gl_pathv[found.gl_pathc - 1];

        snprintf(s->bin, sizeof(s->bin), "%.*s", (int)(strrchr(last, '/') - last), last);
        globfree(&found);
    }
    return ok;
}

/* --- one connection under test ----------------------------------------------------------------------- */

struct answer {
    bool ok, lost;
    char error[200], sqlstate[6];
    int rows;
    int64_t number;
};

struct rig {
    struct server server;
    struct loop *loop;
    struct pg *pg;
    struct pg_admin *admin;
    int ups, downs, waiting;
    struct err why;
    struct answer answers[8];   /* in the order of the callbacks */
    size_t n_answers, answers_at_down;
    char channel[16], payload[32];
    char texts[8][64];
};

static void arrived(struct rig *r)
{
    if (--r->waiting == 0)
        loop_stop(r->loop, 0);
}

/* Runs the loop until that many things were called. */
static void wait_for(struct rig *r, int things)
{
    r->waiting = things;
    loop_run(r->loop);
}

static void on_up(void *arg)
{
    struct rig *r = arg;

    r->ups++;
    arrived(r);
}

static void on_down(void *arg, const struct err *why)
{
    struct rig *r = arg;

    r->downs++;
    r->why = *why;
    r->answers_at_down = r->n_answers;
    arrived(r);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct rig *r = arg;

    snprintf(r->channel, sizeof(r->channel), "%s", channel);
    snprintf(r->payload, sizeof(r->payload), "%s", payload);
    arrived(r);
}

static const struct pg_hooks hooks = { .on_up = on_up, .on_down = on_down, .on_notify = on_notify };

static void on_answer(void *arg, const struct pg_result *res)
{
    struct rig *r = arg;
    struct answer *a = &r->answers[r->n_answers++ % ARRAY_LEN(r->answers)];

    *a = (struct answer){ .ok = res->ok, .lost = res->lost, .rows = res->rows };
    if (res->error)
        snprintf(a->error, sizeof(a->error), "%s", res->error);
    memcpy(a->sqlstate, res->sqlstate, sizeof(a->sqlstate));
    a->number = res->rows ? pg_int(res, 0, 0) : 0;
    arrived(r);
}

static void call(struct rig *r, enum stmt stmt, const char *first, const char *second)
{
    const char *params[] = { first, second };

    pg_call(r->pg, stmt, params, second ? 2 : first ? 1 : 0, on_answer, r);
}

/* The calls made since the last time and a sync, all answered. */
static const struct answer *commit(struct rig *r, int calls)
{
    r->n_answers = 0;
    pg_sync(r->pg, on_answer, r);
    wait_for(r, calls + 1);
    return &r->answers[calls];
}

static int setup(void **state)
{
    static struct rig rig;
    struct rig *r = &rig;

    server_find(&r->server);
    server_init(&r->server);
    server_start(&r->server);
    r->loop = loop_new();
    /* the server is not there yet: an attempt or two fail, then the table is missing, then all is well */
    r->pg = pg_open(r->loop, r->server.dsn, "test_pg", (const struct pg_stmt[]){ { "one", "SELECT 1" } }, 1, &hooks, r);
    while (!r->ups)
        wait_for(r, 1);
    pg_close(&r->pg);
    r->admin = pg_admin_open(r->server.dsn, "test_pg admin", NULL);
    assert_non_null(r->admin);
    assert_int_equal(pg_admin_exec(r->admin, schema, NULL), 0);
    r->pg = pg_open(r->loop, r->server.dsn, "test_pg", stmts, ARRAY_LEN(stmts), &hooks, r);
    wait_for(r, 1);
    assert_true(pg_is_up(r->pg));
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    pg_close(&r->pg);
    pg_admin_close(&r->admin);
    loop_free(&r->loop);
    server_stop(&r->server);
    run((const char *[]){ "rm", "-rf", r->server.dir, NULL });
    return 0;
}

/* --- the tests --------------------------------------------------------------------------------------- */

static void test_values_come_back(void **state)
{
    struct rig *r = *state;

    call(r, ADD_ONE, "41", NULL);
    assert_int_equal(pg_pending(r->pg), 1);
    assert_true(commit(r, 1)->ok);
    assert_true(r->answers[0].ok);
    assert_int_equal(r->answers[0].rows, 1);
    assert_int_equal(r->answers[0].number, 42);
    assert_int_equal(pg_pending(r->pg), 0);
}

static void on_nulls(void *arg, const struct pg_result *res)
{
    assert_true(res->ok);
    assert_true(pg_null(res, 0, 0));
    assert_int_equal(pg_int(res, 0, 0), 0);
    assert_false(pg_bool(res, 0, 0));
    assert_null(pg_text(res, 0, 1));
    assert_null(pg_text(res, 1, 0));
    on_answer(arg, res);
}

static void test_null_goes_both_ways(void **state)
{
    struct rig *r = *state;

    pg_call(r->pg, NULLS, (const char *[]){ NULL }, 1, on_nulls, r);
    assert_true(commit(r, 1)->ok);
}

static void test_an_error_undoes_the_transaction_and_no_other(void **state)
{
    struct rig *r = *state;
    const struct answer *end;

    call(r, WIPE, NULL, NULL);
    call(r, PUT, "1", "one");
    assert_true(commit(r, 2)->ok);

    call(r, PUT, "2", "two");
    call(r, PUT, "1", "again");
    call(r, PUT, "3", "three");
    end = commit(r, 3);
    assert_true(r->answers[0].ok);
    assert_false(r->answers[1].ok);
    assert_string_equal(r->answers[1].sqlstate, "23505");
    assert_non_null(strstr(r->answers[1].error, "item_pkey"));
    assert_false(r->answers[2].ok);
    assert_string_equal(r->answers[2].error, "aborted by an earlier error in the transaction");
    assert_false(end->ok);
    assert_false(end->lost);
    assert_string_equal(end->sqlstate, "23505");
    assert_string_equal(end->error, r->answers[1].error);

    call(r, COUNT, NULL, NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].number, 1);
}

/* Two transactions are on their way at once; the first fails. */
static void test_the_next_transaction_in_the_pipeline_is_untouched(void **state)
{
    struct rig *r = *state;

    r->n_answers = 0;
    call(r, PUT, "1", "again");
    pg_sync(r->pg, on_answer, r);
    call(r, PUT, "7", "seven");
    pg_sync(r->pg, on_answer, r);
    wait_for(r, 4);
    assert_false(r->answers[0].ok);
    assert_false(r->answers[1].ok);
    assert_true(r->answers[2].ok);
    assert_true(r->answers[3].ok);
}

static void test_an_error_of_the_commit_itself_is_told_by_the_sync(void **state)
{
    struct rig *r = *state;
    const struct answer *end;

    call(r, LATER, "999", NULL);
    end = commit(r, 1);
    assert_true(r->answers[0].ok);
    assert_false(end->ok);
    assert_string_equal(end->sqlstate, "23503");
    call(r, ADD_ONE, "1", NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].number, 2);
}

static void on_texts(void *arg, const struct pg_result *res)
{
    struct rig *r = arg;

    for (int i = 0; i < res->rows; i++)
        snprintf(r->texts[i], sizeof(r->texts[i]), "%s", pg_null(res, i, 0) ? "(null)" : pg_text(res, i, 0));
    on_answer(arg, res);
}

static void test_arrays_of_text_round_trip(void **state)
{
    static const char *const texts[] = { "plain", "", "NULL", "a\"b\\c", "{x,y} ", "bl ank\nline\ttab",
                                         "Grüße \xE2\x82\xAC", NULL };
    struct rig *r = *state;
    struct pg_array a = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        pg_array_str(&a, texts[i]);
    pg_call(r->pg, TEXTS, (const char *[]){ pg_array_text(&a) }, 1, on_texts, r);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].rows, ARRAY_LEN(texts));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(r->texts[i], texts[i] ? texts[i] : "(null)");

    pg_array_reset(&a);
    pg_call(r->pg, TEXTS, (const char *[]){ pg_array_text(&a) }, 1, on_texts, r);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].rows, 0);
    pg_array_fini(&a);
}

static void on_bytes(void *arg, const struct pg_result *res)
{
    uint8_t got[4] = { 0 };

    assert_int_equal(res->rows, 3);
    assert_int_equal(pg_bytes(res, 0, 0, got, sizeof(got)), 5);
    assert_memory_equal(got, "\0\xff\"\\", 4);
    assert_int_equal(pg_int(res, 0, 1), INT64_MIN);
    assert_int_equal(pg_bytes(res, 1, 0, got, sizeof(got)), 0);
    assert_false(pg_null(res, 1, 0));
    assert_true(pg_null(res, 1, 1));
    assert_true(pg_null(res, 2, 0));
    assert_int_equal(pg_bytes(res, 2, 0, got, sizeof(got)), 0);
    on_answer(arg, res);
}

static void test_arrays_of_bytes_and_numbers_round_trip(void **state)
{
    struct rig *r = *state;
    struct pg_array bytes = { 0 }, numbers = { 0 };

    pg_array_bytes(&bytes, "\0\xff\"\\z", 5);
    pg_array_bytes(&bytes, NULL, 0);
    pg_array_null(&bytes);
    pg_array_int(&numbers, INT64_MIN);
    pg_array_null(&numbers);
    pg_array_int(&numbers, 7);
    pg_call(r->pg, BYTES, (const char *[]){ pg_array_text(&bytes), pg_array_text(&numbers) }, 2, on_bytes, r);
    assert_true(commit(r, 1)->ok);
    pg_array_fini(&bytes);
    pg_array_fini(&numbers);
}

static void on_columns(void *arg, const struct pg_result *res)
{
    static const char *const first[] = { "t", "-7", "-9223372036854775808", "a\"b{,}", "1999-12-31 23:59:59.999", "\\x00ff",
                                         "01020304-0000-0000-0000-000000000000" };

    assert_int_equal(res->rows, 3);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(pg_text(res, 0, i), first[i]);
        assert_true(pg_null(res, 1, i));
        assert_false(pg_null(res, 2, i));
    }
    assert_string_equal(pg_text(res, 2, 0), "f");
    assert_string_equal(pg_text(res, 2, 3), "");
    assert_string_equal(pg_text(res, 2, 4), "2026-11-21 03:14:15.123");
    assert_string_equal(pg_text(res, 2, 5), "\\x");
    on_answer(arg, res);
}

static void columns_fill(struct pg_column c[7])
{
    const struct uuid id = { { 1, 2, 3, 4 } };
    static const enum pg_type types[] = { PG_BOOL, PG_INT4, PG_INT8, PG_TEXT, PG_TIMESTAMPTZ, PG_BYTEA, PG_UUID };

    for (int row = 0; row < 3; row += 2) {
        pg_column_bool(&c[0], row == 0);
        pg_column_int(&c[1], PG_INT4, row ? 8 : -7);
        pg_column_int(&c[2], PG_INT8, row ? 8 : INT64_MIN);
        pg_column_text(&c[3], row ? "" : "a\"b{,}");
        pg_column_time(&c[4], row ? 1795230855123 : 946684799999);
        pg_column_bytes(&c[5], "\0\xff", row ? 0 : 2);
        pg_column_uuid(&c[6], &id);
        for (int i = 0; row == 0 && i < 7; i++)
            pg_column_null(&c[i], types[i]);
    }
}

static void test_columns_arrive_as_they_are(void **state)
{
    struct rig *r = *state;
    struct pg_column c[7] = { 0 };

    for (int again = 0; again < 2; again++) {
        columns_fill(c);
        pg_call_columns(r->pg, COLUMNS, c, 7, on_columns, r);
        assert_true(commit(r, 1)->ok);
        for (int i = 0; i < 7; i++)
            pg_column_reset(&c[i]);
    }
    for (int i = 0; i < 7; i++)
        pg_column_fini(&c[i]);
}

static void test_a_statement_gets_other_words(void **state)
{
    struct rig *r = *state;

    pg_redefine(r->pg, ADD_ONE, "SELECT $1::bigint + 100", on_answer, r);
    call(r, ADD_ONE, "5", NULL);   /* asked for before the server had taken them */
    assert_true(commit(r, 2)->ok);
    assert_true(r->answers[0].ok);
    assert_int_equal(r->answers[1].number, 6);
    call(r, ADD_ONE, "5", NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].number, 105);

    pg_redefine(r->pg, ADD_ONE, "SELECT nonsense($1)", on_answer, r);
    assert_false(commit(r, 1)->ok);
    call(r, ADD_ONE, "5", NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].number, 105);

    pg_disconnect(r->pg);
    wait_for(r, 2);                /* down and up */
    r->n_answers = 0;
    call(r, ADD_ONE, "5", NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(r->answers[0].number, 6);
}

static void test_listen_is_a_statement_and_notifications_arrive(void **state)
{
    struct rig *r = *state;

    call(r, LISTEN, NULL, NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(pg_admin_exec(r->admin, "NOTIFY news, 'from outside'", NULL), 0);
    wait_for(r, 1);
    assert_string_equal(r->channel, "news");
    assert_string_equal(r->payload, "from outside");

    r->n_answers = 0;
    call(r, NOTIFY, "own", NULL);
    pg_sync(r->pg, on_answer, r);
    wait_for(r, 3);
    assert_string_equal(r->payload, "own");
}

static void on_many(void *arg, const struct pg_result *res)
{
    struct rig *r = arg;

    assert_true(res->ok);
    assert_int_equal(pg_int(res, 0, 0), 2000);
    arrived(r);
}

/* More than the socket takes at once, in both directions: needs EPOLLOUT and a full drain. */
static void test_many_large_calls_flow(void **state)
{
    enum { CALLS = 10000 };
    struct rig *r = *state;
    char text[2001];

    memset(text, 'x', 2000);
    text[2000] = '\0';
    for (int i = 0; i < CALLS; i++)
        pg_call(r->pg, ECHO_LENGTH, (const char *[]){ text }, 1, on_many, r);
    r->n_answers = 0;
    pg_sync(r->pg, on_answer, r);
    assert_int_equal(pg_pending(r->pg), CALLS + 1);
    wait_for(r, CALLS + 1);
    assert_true(r->answers[0].ok);
}

static void on_next(void *arg, const struct pg_result *res)
{
    struct rig *r = arg;

    assert_true(res->ok);
    if (pg_int(res, 0, 0) < 10) {
        char number[24];

        snprintf(number, sizeof(number), "%d", (int)pg_int(res, 0, 0));
        pg_call(r->pg, ADD_ONE, (const char *[]){ number }, 1, on_next, r);
        pg_sync(r->pg, NULL, NULL);
    } else {
        arrived(r);
    }
}

static void test_callbacks_may_call(void **state)
{
    struct rig *r = *state;

    pg_call(r->pg, ADD_ONE, (const char *[]){ "0" }, 1, on_next, r);
    pg_sync(r->pg, NULL, NULL);
    wait_for(r, 1);
    call(r, COUNT, NULL, NULL);
    assert_true(commit(r, 1)->ok);
    assert_int_equal(pg_pending(r->pg), 0);
}

static void admin_kill(struct rig *r, int64_t backend)
{
    char *sql = mem_printf("SELECT pg_terminate_backend(%d)", (int)backend), *value;

    value = pg_admin_value(r->admin, sql, NULL);
    assert_string_equal(value, "t");
    mem_free(&value);
    mem_free(&sql);
}

static int64_t backend_pid(struct rig *r)
{
    call(r, PID, NULL, NULL);
    assert_true(commit(r, 1)->ok);
    return r->answers[0].number;
}

static void test_a_killed_backend_loses_what_is_outstanding_and_comes_back(void **state)
{
    struct rig *r = *state;
    int64_t backend = backend_pid(r);
    int ups = r->ups, downs = r->downs;

    r->n_answers = 0;
    call(r, ADD_ONE, "1", NULL);
    pg_sync(r->pg, on_answer, r);
    call(r, SLEEP, NULL, NULL);
    call(r, COUNT, NULL, NULL);
    pg_sync(r->pg, on_answer, r);
    wait_for(r, 2); /* the first transaction is in */
    admin_kill(r, backend);
    wait_for(r, 4);
    assert_true(r->answers[0].ok && r->answers[1].ok);
    for (size_t i = 2; i < 5; i++) {
        assert_true(r->answers[i].lost);
        assert_false(r->answers[i].ok);
    }
    assert_int_equal(r->downs, downs + 1);
    assert_int_equal(r->answers_at_down, 5);
    assert_non_null(strstr(r->why.text, "terminating connection"));
    assert_false(pg_is_up(r->pg));
    wait_for(r, 1);
    assert_int_equal(r->ups, ups + 1);
    call(r, ADD_ONE, "1", NULL);
    assert_true(commit(r, 1)->ok);
}

static void test_a_killed_idle_backend_is_noticed(void **state)
{
    struct rig *r = *state;
    int downs = r->downs;

    admin_kill(r, backend_pid(r));
    wait_for(r, 2);
    assert_int_equal(r->downs, downs + 1);
    assert_int_equal(r->why.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(r->why.text, "terminating connection"));
    assert_true(pg_is_up(r->pg));
}

static void test_disconnect_starts_over_and_calls_while_down_are_lost(void **state)
{
    struct rig *r = *state;
    int64_t backend = backend_pid(r);

    r->n_answers = 0;
    call(r, SLEEP, NULL, NULL);
    pg_sync(r->pg, on_answer, r);
    pg_disconnect(r->pg);
    assert_false(pg_is_up(r->pg));
    assert_int_equal(r->n_answers, 0);
    call(r, ADD_ONE, "1", NULL);
    assert_int_equal(pg_pending(r->pg), 3);
    wait_for(r, 5); /* three answers, down, up */
    assert_int_equal(r->n_answers, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(r->answers[i].lost);
    assert_non_null(strstr(r->why.text, "disconnected"));
    assert_int_not_equal(backend_pid(r), backend);
}

/* --- connections of their own ------------------------------------------------------------------------ */

static void on_close_from_here(void *arg, const struct pg_result *res)
{
    struct rig *r = arg;

    on_answer(arg, res);
    pg_close(&r->pg);
}

static void test_a_callback_may_close(void **state)
{
    struct rig *r = *state;
    struct pg *first = r->pg;

    r->pg = pg_open(r->loop, r->server.dsn, "test_pg", stmts, ARRAY_LEN(stmts), &hooks, r);
    wait_for(r, 1);
    r->n_answers = 0;
    pg_call(r->pg, COUNT, NULL, 0, on_close_from_here, r);
    pg_sync(r->pg, on_answer, r);
    call(r, SLEEP, NULL, NULL);
    pg_sync(r->pg, on_answer, r);
    wait_for(r, 4);
    assert_true(r->answers[0].ok);
    for (size_t i = 1; i < 4; i++)
        assert_true(r->answers[i].lost);
    assert_null(r->pg);
    r->pg = first;
}

static void test_a_statement_that_does_not_fit_the_schema_is_named(void **state)
{
    static const struct pg_stmt wrong[] = { { "fine", "SELECT 1" }, { "item_colour", "SELECT colour FROM item" },
                                            { "fine_too", "SELECT 2" } };
    struct rig *r = *state;
    int ups = r->ups;
    struct pg *p = pg_open(r->loop, r->server.dsn, "test_pg", wrong, ARRAY_LEN(wrong), &hooks, r);

    wait_for(r, 2); /* it tries again */
    assert_int_equal(r->ups, ups);
    assert_int_equal(r->why.kind, ERR_SYSTEM);
    assert_non_null(strstr(r->why.text, "statement item_colour: column \"colour\" does not exist"));
    pg_close(&p);
}

static void test_nobody_there_is_told_at_each_attempt(void **state)
{
    struct rig *r = *state;
    struct pg *p = pg_open(r->loop, "host=/nonexistent dbname=x", "test_pg", stmts, ARRAY_LEN(stmts), &hooks, r);

    wait_for(r, 3);
    assert_int_equal(r->why.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(r->why.text, "/nonexistent"));
    assert_null(strchr(r->why.text, '\n'));
    pg_close(&p);
}

static void test_a_second_host_is_tried(void **state)
{
    struct rig *r = *state;
    char *dsn = mem_printf("postgresql:///postgres?host=/nonexistent,%s&user=orion", r->server.dir);
    int downs = r->downs;
    struct pg *p = pg_open(r->loop, dsn, "test_pg", NULL, 0, &hooks, r);

    wait_for(r, 1);
    assert_true(pg_is_up(p));
    assert_int_equal(r->downs, downs);
    pg_close(&p);
    mem_free(&dsn);
}

/* It takes connections and says nothing: a server that was stopped, a machine whose disk is gone. */
static int silent_host(const char *dir)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.sun_path, sizeof(name.sun_path), "%s/.s.PGSQL.5433", dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void test_a_silent_first_host_does_not_keep_us_from_the_second(void **state)
{
    struct rig *r = *state;
    int fd = silent_host(r->server.dir), downs = r->downs;
    char *dsn = mem_printf("postgresql:///postgres?host=%s,%s&port=5433,5432&user=orion"
                           "&target_session_attrs=read-write", r->server.dir, r->server.dir);
    struct pg *p = pg_open(r->loop, dsn, "test_pg", stmts, ARRAY_LEN(stmts), &hooks, r);

    wait_for(r, 2);
    assert_true(pg_is_up(p));
    assert_int_equal(r->downs, downs + 1);
    pg_close(&p);
    mem_free(&dsn);
    close(fd);
}

static void test_a_list_turns(void **state)
{
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(pg_list_turn("a", 0, &a), "a");
    assert_string_equal(pg_list_turn("a", 5, &a), "a");
    assert_string_equal(pg_list_turn("", 1, &a), "");
    assert_string_equal(pg_list_turn("a,b,c", 0, &a), "a,b,c");
    assert_string_equal(pg_list_turn("a,b,c", 1, &a), "b,c,a");
    assert_string_equal(pg_list_turn("a,b,c", 5, &a), "c,a,b");
    assert_string_equal(pg_list_turn(",b", 1, &a), "b,");
    arena_fini(&a);
}

static void test_admin_tells_what_went_wrong(void **state)
{
    struct rig *r = *state;
    struct err e = { 0 };
    char *value;

    assert_int_equal(pg_admin_exec(r->admin, "SELECT 1; SELECT nothing FROM nowhere; SELECT 2", &e), -1);
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "nowhere"));
    err_clear(&e);
    assert_null(pg_admin_value(r->admin, "SELECT 1/0", &e));
    assert_non_null(strstr(e.text, "division by zero"));
    value = pg_admin_value(r->admin, "SELECT 1 WHERE false", NULL);
    assert_string_equal(value, "");
    mem_free(&value);
    value = pg_admin_value(r->admin, "SELECT current_setting('application_name')", NULL);
    assert_string_equal(value, "test_pg admin");
    mem_free(&value);
    err_clear(&e);
    assert_null(pg_admin_open("host=/nonexistent", "test_pg", &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
}

/* Last: the whole server goes and comes back. */
static void test_a_restarted_server_is_found_again(void **state)
{
    struct rig *r = *state;
    int ups = r->ups;

    pg_admin_close(&r->admin);
    server_stop(&r->server);
    wait_for(r, 2);
    assert_false(pg_is_up(r->pg));
    server_start(&r->server);
    while (r->ups == ups)
        wait_for(r, 1);
    call(r, ADD_ONE, "1", NULL);
    assert_true(commit(r, 1)->ok);
}

static void test_dsn(void **state)
{
    static const struct { const char *value, *dsn, *refusal; } rows[] = {
        { "postgresql:///orion?host=/run/postgresql", "postgresql:///orion?host=/run/postgresql", NULL },
        { "postgres://u:p@h1,h2:6000/farm.db", "postgres://u:p@h1,h2:6000/farm.db", NULL },
        { "host=/run/x dbname=y", "host=/run/x dbname=y", NULL },
        { "/run/postgresql", "host='/run/postgresql' dbname=orion", NULL },
        { "/odd 'dir\\", "host='/odd \\'dir\\\\' dbname=orion", NULL },
        { "state.sqlite", NULL, "\"state.sqlite\" is an SQLite store; Orion keeps its data in PostgreSQL: give a libpq "
                                "URI such as postgresql:///orion?host=/run/postgresql" },
        { "sqlite:///var/lib/orion.db?mode=rw", NULL, "is an SQLite store" },
        { "/var/lib/orion/state.DB", NULL, "is an SQLite store" },
        { "mongodb://user:secret@db/orion", NULL, "\"mongodb:\" is a MongoDB store" },
        { "orion", NULL, "\"orion\" is neither a libpq URI" },
        { "http://user:secret@db/", NULL, "\"...\" is neither" },
        { "hots=/run", NULL, "hots" },
        { "postgresql://[::1/x", NULL, "give a libpq URI" },
        { "", NULL, "no database is named" },
        { NULL, NULL, "no database is named" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };
        char *dsn = pg_dsn(rows[i].value, &e);

        if (rows[i].dsn) {
            assert_string_equal(dsn, rows[i].dsn);
        } else {
            assert_null(dsn);
            assert_int_equal(e.kind, ERR_INVALID);
            assert_non_null(strstr(e.text, rows[i].refusal));
            assert_null(strstr(e.text, "secret"));
        }
        mem_free(&dsn);
    }
}

static void test_array_text(void **state)
{
    struct pg_array a = { 0 };

    (void)state;
    assert_string_equal(pg_array_text(&a), "{}");
    pg_array_reset(&a);
    pg_array_str(&a, "a\"b\\");
    pg_array_str(&a, NULL);
    pg_array_int(&a, -5);
    pg_array_bytes(&a, "\x01\xab", 2);
    assert_string_equal(pg_array_text(&a), "{\"a\\\"b\\\\\",NULL,-5,\"\\\\x01ab\"}");
    pg_array_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dsn),
        cmocka_unit_test(test_array_text),
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_null_goes_both_ways),
        cmocka_unit_test(test_an_error_undoes_the_transaction_and_no_other),
        cmocka_unit_test(test_the_next_transaction_in_the_pipeline_is_untouched),
        cmocka_unit_test(test_an_error_of_the_commit_itself_is_told_by_the_sync),
        cmocka_unit_test(test_arrays_of_text_round_trip),
        cmocka_unit_test(test_arrays_of_bytes_and_numbers_round_trip),
        cmocka_unit_test(test_columns_arrive_as_they_are),
        cmocka_unit_test(test_a_statement_gets_other_words),
        cmocka_unit_test(test_listen_is_a_statement_and_notifications_arrive),
        cmocka_unit_test(test_many_large_calls_flow),
        cmocka_unit_test(test_callbacks_may_call),
        cmocka_unit_test(test_a_killed_backend_loses_what_is_outstanding_and_comes_back),
        cmocka_unit_test(test_a_killed_idle_backend_is_noticed),
        cmocka_unit_test(test_disconnect_starts_over_and_calls_while_down_are_lost),
        cmocka_unit_test(test_a_callback_may_close),
        cmocka_unit_test(test_a_statement_that_does_not_fit_the_schema_is_named),
        cmocka_unit_test(test_nobody_there_is_told_at_each_attempt),
        cmocka_unit_test(test_a_second_host_is_tried),
        cmocka_unit_test(test_a_silent_first_host_does_not_keep_us_from_the_second),
        cmocka_unit_test(test_a_list_turns),
        cmocka_unit_test(test_admin_tells_what_went_wrong),
        cmocka_unit_test(test_a_restarted_server_is_found_again),
    };

    alarm(DEADLINE_S);
    return cmocka_run_group_tests(tests, setup, teardown);
}
