/* sqlfloor.c - what PostgreSQL alone can do for a task's life: the rows of submission, acceptance and result, and
 * nothing else: no core, no bus, no HTTP.
 *
 *   sqlfloor [-n TASKS] [-b INPUTS[,INPUTS]...] lean|orion DSN
 *     lean    a schema of its own, as small as it can be: three tables, one index each (made anew, kept)
 *     orion   the scheduler's own statements (db_write.c) on Orion's schema, which must be there
 *
 * One connection, one transaction in flight. -b: inputs that share a commit (default 1,32,320), a third of them each
 * submissions, acceptances and results; 1: three commits per task. Prints one line per size: tasks/s, microseconds
 * of the server process and of this one per task; WAL bytes, row writes and commits per task; updates that were HOT.
 * The database must be nobody else's: leadership is taken. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/sqlfloor.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/mem.h"

enum { PER_PHASE_MAX = 1000 };

struct counters {
    double wall_s, server_s, client_s;
    int64_t wal_bytes, rows, updates, hot;
};

struct bench {
    const struct floor_kind *kind;
    struct loop *loop;
    struct pg *pg;
    struct pg_admin *admin;
    char *server_stat;                      /* /proc file of the server process */
    size_t inputs;                          /* per commit */
    int64_t todo, ended, commits;
    struct uuid assigned[PER_PHASE_MAX], running[PER_PHASE_MAX], fresh[PER_PHASE_MAX];
    size_t n_assigned, n_running;
    struct floor_place place;
};

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "sqlfloor: %s: %s\n", what, e->text);
    exit(1);
}

/* --- what is read before and after -------------------------------------------------------------------------------- */

static int64_t value(struct bench *b, const char *sql)
{
    struct err e = { 0 };
    char *text = pg_admin_value(b->admin, sql, &e);
    int64_t n;

    if (!text)
        die(sql, &e);
    n = strtoll(text, NULL, 10);
    mem_free(&text);
    return n;
}

/* User and system time of the server process: fields 14 and 15. */
static double server_seconds(const struct bench *b)
{
    char line[1024] = "", *p;
    unsigned long user = 0, kernel = 0;
    FILE *f = fopen(b->server_stat, "re");

    if (f && fgets(line, sizeof line, f) && (p = strrchr(line, ')')))
        sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
    if (f)
        fclose(f);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static void on_set_up(void *arg, const struct pg_result *r)
{
    struct bench *b = arg;

    (void)r;
    loop_stop(b->loop, 0);
}

/* A session publishes its counts when a transaction ends, once a second. */
static void counters_settle(struct bench *b)
{
    usleep(1100000);
    pg_call(b->pg, b->kind->stmt_setup, NULL, 0, NULL, NULL);
    pg_sync(b->pg, on_set_up, b);
    loop_run(b->loop);
    value(b, "SELECT 1 FROM pg_stat_clear_snapshot()");
}

static struct counters counters_read(struct bench *b)
{
    struct rusage own;
    struct counters c = { .wall_s = (double)clock_boot_ns() / 1e9, .server_s = server_seconds(b) };

    getrusage(RUSAGE_SELF, &own);
    c.client_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                 (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    c.wal_bytes = value(b, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn");
    counters_settle(b);
    c.rows = value(b, "SELECT sum(n_tup_ins + n_tup_upd)::bigint FROM pg_stat_user_tables");
    c.updates = value(b, "SELECT sum(n_tup_upd)::bigint FROM pg_stat_user_tables");
    c.hot = value(b, "SELECT sum(n_tup_hot_upd)::bigint FROM pg_stat_user_tables");
    return c;
}

static void print(const struct bench *b, const struct counters *from, const struct counters *to)
{
    double n = (double)b->ended, updates = (double)(to->updates - from->updates);

    printf("%s\t%zu\t%.0f\t%.1f\t%.1f\t%.0f\t%.2f\t%.3f\t%.1f%%\n", b->kind->name, b->inputs, n / (to->wall_s - from->wall_s),
           (to->server_s - from->server_s) * 1e6 / n, (to->client_s - from->client_s) * 1e6 / n,
           (double)(to->wal_bytes - from->wal_bytes) / n, (double)(to->rows - from->rows) / n, (double)b->commits / n,
           updates > 0 ? 100 * (double)(to->hot - from->hot) / updates : 0);
    fflush(stdout);
}

/* --- the run ------------------------------------------------------------------------------------------------------- */

static void turn(struct bench *b);

static void on_commit(void *arg, const struct pg_result *r)
{
    struct bench *b = arg;

    if (!r->ok) {
        fprintf(stderr, "sqlfloor: %s\n", r->lost ? "the connection was lost" : r->error);
        exit(1);
    }
    b->commits++;
    b->place.batch++;
    turn(b);
}

/* What was assigned by the last transaction is accepted by this one, what was accepted is ended. */
static void turn(struct bench *b)
{
    size_t per_phase = b->inputs == 1 ? 1 : (b->inputs + 2) / 3;
    bool is_new = b->inputs > 1 || (!b->n_assigned && !b->n_running);
    bool is_accept = b->inputs > 1 || b->n_assigned;
    struct floor_turn t = { .ended = b->running, .n_ended = b->n_running, .done = on_commit, .arg = b };

    if (b->todo <= 0 && !b->n_assigned && !b->n_running) {
        loop_stop(b->loop, 0);
        return;
    }
    if (is_new && b->todo > 0) {
        t.n_fresh = per_phase;
        b->todo -= (int64_t)per_phase;
        for (size_t i = 0; i < t.n_fresh; i++)
            uuid_v7(&b->fresh[i], clock_wall_ms());
    }
    t.fresh = b->fresh;
    t.accepted = b->assigned;
    t.n_accepted = is_accept ? b->n_assigned : 0;
    b->kind->write(b->pg, &t, &b->place);
    b->ended += (int64_t)t.n_ended;
    memcpy(b->running, b->assigned, t.n_accepted * sizeof *b->running);
    b->n_running = t.n_accepted;
    memcpy(b->assigned, b->fresh, t.n_fresh * sizeof *b->assigned);
    b->n_assigned = t.n_fresh;
}

static void on_up(void *arg)
{
    struct bench *b = arg;

    pg_call(b->pg, b->kind->stmt_setup, NULL, 0, NULL, NULL);
    pg_sync(b->pg, NULL, NULL);
    if (b->kind->set_up)
        b->kind->set_up(b->pg, &b->place);
    pg_sync(b->pg, on_set_up, b);
}

static void on_down(void *arg, const struct err *why)
{
    (void)arg;
    die("connection", why);
}

static void run(struct bench *b, size_t inputs, int64_t tasks)
{
    struct counters from, to;

    b->inputs = inputs;
    b->todo = tasks;
    b->ended = b->commits = 0;
    value(b, "SELECT 1 FROM (SELECT pg_stat_reset()) s");
    from = counters_read(b);
    from.wall_s = (double)clock_boot_ns() / 1e9;
    turn(b);
    loop_run(b->loop);
    to = counters_read(b);
    print(b, &from, &to);
}

static size_t read_sizes(char *text, size_t *sizes, size_t max)
{
    size_t n = 0;

    for (char *word = strtok(text, ","); word && n < max; word = strtok(NULL, ","))
        if ((sizes[n] = strtoul(word, NULL, 10)) >= 1 && sizes[n] <= 3 * PER_PHASE_MAX - 2)
            n++;
    return n;
}

static void usage(void)
{
    fputs("usage: sqlfloor [-n TASKS] [-b INPUTS[,INPUTS]...] lean|orion DSN\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct pg_hooks hooks = { on_up, on_down, NULL };
    struct bench b = { 0 };
    size_t sizes[16] = { 1, 32, 320 }, n_sizes = 3;
    int64_t tasks = 0;
    struct err e = { 0 };

    for (int c; (c = getopt(argc, argv, "n:b:")) != -1;) {
        if (c == 'n')
            tasks = strtoll(optarg, NULL, 10);
        else if (c != 'b' || (n_sizes = read_sizes(optarg, sizes, ARRAY_LEN(sizes))) == 0)
            usage();
    }
    if (argc - optind != 2 || !(b.kind = floor_kind_by_name(argv[optind])))
        usage();
    b.admin = pg_admin_open(argv[optind + 1], "sqlfloor's reader", &e);
    if (!b.admin || pg_admin_exec(b.admin, b.kind->prepare, &e) < 0)
        die(argv[optind + 1], &e);
    if (b.kind->place)
        b.place.epoch = value(&b, b.kind->place);
    if (b.kind->events)
        b.place.seq = value(&b, b.kind->events);
    b.loop = loop_new();
    b.pg = pg_open(b.loop, argv[optind + 1], "sqlfloor", b.kind->stmts, b.kind->n_stmts, &hooks, &b);
    loop_run(b.loop);   /* until it is connected */
    b.server_stat = mem_printf("/proc/%" PRId64 "/stat",
                               value(&b, "SELECT pid FROM pg_stat_activity WHERE application_name = 'sqlfloor'"));
    printf("which\tinputs\ttasks/s\tserver_us\tclient_us\twal_bytes\trows\tcommits\thot\n");
    for (size_t i = 0; i < n_sizes; i++)
        run(&b, sizes[i], tasks ? tasks : sizes[i] == 1 ? 5000 : 50000);
    pg_close(&b.pg);
    pg_admin_close(&b.admin);
    loop_free(&b.loop);
    mem_free(&b.server_stat);
    mem_free(&b.place.month);
    return 0;
}
