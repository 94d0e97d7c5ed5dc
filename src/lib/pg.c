/* pg.c - the asynchronous connection: connect, prepare, pipeline, lose, connect again.
 *
 *   IDLE -> CONNECTING -> PREPARING -> UP -> (lost) -> IDLE ...
 *
 * Given calls, keeps them in a queue that runs parallel to libpq's own, so that each result finds its callback.
 * In pipeline mode a query's results end with NULL and a sync yields PGRES_PIPELINE_SYNC; after an error
 * everything up to the next sync is PGRES_PIPELINE_ABORTED (PostgreSQL manual, 34.5).
 *
 * libpq may close its socket inside almost any call, and callbacks may do anything: the connection is therefore
 * only marked as failed (p->lost) where that is found out, and dropped by a timer from the loop. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/pg.h"
#include "lib/pg_impl.h"

enum {
    CONNECT_DEADLINE_MS = 15000, /* longer than tcp_user_timeout, so that libpq gets to the next host by itself */
    NAME_SIZE = 64, /* of a statement */
    WORDS_MAX = 64, /* connection parameters that libpq knows */
    REFUSED_MS = 10, /* calls made while down are answered this late: an owner that retries at once must not spin */
};

enum pg_phase { PG_IDLE, PG_CONNECTING, PG_PREPARING, PG_UP };

struct pg {
    struct loop *loop;
    char *dsn, *application;
    const struct pg_stmt *stmts;
    size_t n_stmts;
    unsigned *versions, last_version;   /* of every statement, on this connection; 0: the table's */
    struct pg_hooks hooks;
    void *arg;

    enum pg_phase phase;
    PGconn *conn;
    struct watch *watch;
    struct timer *timer;      /* IDLE: the next attempt; CONNECTING, PREPARING: the deadline */
    struct timer *soon;       /* losing the connection and answering refused calls, outside of any callback */
    unsigned backoff_ms;
    unsigned turn;            /* how many of the DSN's hosts are asked last */
    struct err lost;          /* set: the connection is over and will be dropped */

    struct call_queue calls;  /* sent; same order as in libpq */
    struct call_queue refused;
    size_t pending;           /* of the user's calls */
    PGresult *result;         /* of the first call, until its end is seen */
    struct failure failure;

    unsigned depth;           /* > 0: a callback is running or p is in use further up */
    bool is_closed;           /* free p when depth is 0 */
};

/* --- results ---------------------------------------------------------------------------------------- */

const char *pg_text(const struct pg_result *r, int row, int col)
{
    return pg_null(r, row, col) ? NULL : PQgetvalue(r->handle, row, col);
}

int64_t pg_int(const struct pg_result *r, int row, int col)
{
    const char *text = pg_text(r, row, col);

    return text ? strtoll(text, NULL, 10) : 0;
}

bool pg_bool(const struct pg_result *r, int row, int col)
{
    const char *text = pg_text(r, row, col);

    return text && *text == 't';
}

bool pg_null(const struct pg_result *r, int row, int col)
{
    return row >= r->rows || PQgetisnull(r->handle, row, col);
}

size_t pg_bytes(const struct pg_result *r, int row, int col, uint8_t *out, size_t max)
{
    const char *text = pg_text(r, row, col);
    size_t len = 0;
    unsigned char *bytes;

    if (!text)
        return 0;
    bytes = PQunescapeBytea((const unsigned char *)text, &len);
    if (!bytes)
        abort(); /* no memory */
    if (max)
        memcpy(out, bytes, len < max ? len : max);
    PQfreemem(bytes);
    return len;
}

/* --- life time -------------------------------------------------------------------------------------- */

static void conn_drop(struct pg *p)
{
    watch_free(&p->watch);
    PQclear(p->result);
    p->result = NULL;
    PQfinish(p->conn);
    p->conn = NULL;
    p->phase = PG_IDLE;
    p->failure.is_set = false;
    err_clear(&p->lost);
    memset(p->versions, 0, p->n_stmts * sizeof(*p->versions));
}

/* The other end of p->depth++. */
static void leave(struct pg *p)
{
    if (--p->depth > 0 || !p->is_closed)
        return;
    pg_queue_free(&p->calls);
    pg_queue_free(&p->refused);
    buf_fini(&p->failure.text);
    timer_free(&p->timer);
    timer_free(&p->soon);
    mem_free(&p->dsn);
    mem_free(&p->application);
    mem_free(&p->versions);
    mem_free(&p);
}

static bool is_usable(const struct pg *p)
{
    return !p->is_closed && p->lost.kind == ERR_NONE && p->phase >= PG_PREPARING;
}

/* The connection is of no more use. The first reason counts. */
static void conn_fail(struct pg *p, enum err_kind kind, const char *what, const char *message)
{
    char *line = pg_one_line(message);

    err_set(&p->lost, kind, "%s%s%s", what, *what ? ": " : "", line);
    mem_free(&line);
    watch_free(&p->watch);
    timer_in(p->soon, 0);
}

/* --- calls ------------------------------------------------------------------------------------------ */

/* Takes the first call off and tells its owner. */
static void call_answer(struct pg *p, struct call_queue *q, const struct pg_result *r)
{
    struct call call = pg_queue_pop(q);

    if (pg_call_is_ours(&call))
        return;
    p->pending--;
    if (call.fn)
        call.fn(call.arg, r);
}

/* Only what is queued now: what the callbacks ask for is not lost in the same round. */
static void calls_lose(struct pg *p, struct call_queue *q)
{
    for (struct call_queue losing = pg_queue_take(q); losing.head;)
        call_answer(p, &losing, &(struct pg_result){ .lost = true });
}

static void conn_flush(struct pg *p)
{
    int rc = PQflush(p->conn);

    if (rc < 0 || PQsocket(p->conn) < 0)
        conn_fail(p, ERR_UNAVAILABLE, "", PQerrorMessage(p->conn));
    else
        watch_events(p->watch, EPOLLIN | (rc > 0 ? EPOLLOUT : 0u));
}

/* `sent` is what libpq said to the request of `call`. */
static void call_add(struct pg *p, struct call call, int sent)
{
    pg_queue_push(&p->calls, call);
    if (!sent || PQsocket(p->conn) < 0)
        conn_fail(p, ERR_UNAVAILABLE, "", PQerrorMessage(p->conn));
}

static void call_refuse(struct pg *p, struct call call)
{
    pg_queue_push(&p->refused, call);
    if (!timer_is_on(p->soon))
        timer_in(p->soon, REFUSED_MS);
}

/* What the server knows it by. */
static const char *name_of(const struct pg *p, size_t stmt, unsigned version, char name[NAME_SIZE])
{
    if (!version)
        return p->stmts[stmt].name;
    snprintf(name, NAME_SIZE, "%s.%u", p->stmts[stmt].name, version);
    return name;
}

void pg_redefine(struct pg *p, size_t stmt, const char *sql, pg_fn *fn, void *arg)
{
    const struct call call = { .kind = CALL_REDEFINE, .stmt = stmt, .version = ++p->last_version, .fn = fn, .arg = arg };
    char name[NAME_SIZE];

    p->pending++;
    if (pg_is_up(p))
        call_add(p, call, PQsendPrepare(p->conn, name_of(p, stmt, call.version, name), sql, 0, NULL));
    else
        call_refuse(p, call);
}

void pg_call(struct pg *p, size_t stmt, const char *const *params, int n, pg_fn *fn, void *arg)
{
    const struct call call = { .kind = CALL_QUERY, .stmt = stmt, .fn = fn, .arg = arg };
    char name[NAME_SIZE];

    p->pending++;
    if (pg_is_up(p))
        call_add(p, call,
                 PQsendQueryPrepared(p->conn, name_of(p, stmt, p->versions[stmt], name), n, params, NULL, NULL, 0));
    else
        call_refuse(p, call);
}

void pg_call_columns(struct pg *p, size_t stmt, struct pg_column *columns, int n, pg_fn *fn, void *arg)
{
    const struct call call = { .kind = CALL_QUERY, .stmt = stmt, .fn = fn, .arg = arg };
    const char *values[PG_COLUMNS_MAX];
    int lengths[PG_COLUMNS_MAX], formats[PG_COLUMNS_MAX];
    char name[NAME_SIZE];
    size_t len;

    for (int i = 0; i < n; i++) {
        values[i] = pg_column_close(&columns[i], &len);
        lengths[i] = (int)len;
        formats[i] = 1;
    }
    p->pending++;
    if (pg_is_up(p))
        call_add(p, call, PQsendQueryPrepared(p->conn, name_of(p, stmt, p->versions[stmt], name), n, values, lengths,
                                              formats, 0));
    else
        call_refuse(p, call);
}

void pg_sync(struct pg *p, pg_fn *fn, void *arg)
{
    const struct call call = { .kind = CALL_SYNC, .fn = fn, .arg = arg };

    p->pending++;
    if (pg_is_up(p))
        call_add(p, call, PQpipelineSync(p->conn));
    else
        call_refuse(p, call);
    if (is_usable(p))
        conn_flush(p);
}

/* --- taking results --------------------------------------------------------------------------------- */

/* One sentence of the server's, or what libpq made up. */
static const char *error_text(const PGresult *res)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    return text ? text : PQresultErrorMessage(res);
}

/* The session ends with this error, so that what was asked for is neither done nor refused: it is unknown. */
static bool is_fatal(const struct pg *p, const PGresult *res)
{
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (!severity) /* made by libpq */
        return PQstatus(p->conn) == CONNECTION_BAD;
    return strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
}

/* Before anything is left in a session that is not ours. */
static void pid_end(struct pg *p, const struct pg_result *r)
{
    if (r->ok && pg_int(r, 0, 0) != PQbackendPID(p->conn))
        conn_fail(p, ERR_SYSTEM, "", "it connects through a connection pooler, which may change the session between "
                  "two transactions; name PostgreSQL itself");
    else
        call_answer(p, &p->calls, NULL);
}

static void prepare_end(struct pg *p)
{
    if (p->failure.is_set) {
        char *what = mem_printf("statement %s", p->stmts[p->calls.head->stmt].name);

        conn_fail(p, ERR_SYSTEM, what, p->failure.text.data);
        mem_free(&what);
        return;
    }
    call_answer(p, &p->calls, NULL);
}

static void redefine_end(struct pg *p, const struct pg_result *r)
{
    if (r->ok)
        p->versions[p->calls.head->stmt] = p->calls.head->version;
    call_answer(p, &p->calls, r);
}

/* The first call, a query, has all its results. */
static void query_end(struct pg *p)
{
    PGresult *res = p->result;
    ExecStatusType status = PQresultStatus(res);
    struct pg_result r = { .handle = res };

    p->result = NULL;
    if (status == PGRES_PIPELINE_ABORTED) {
        r.error = "aborted by an earlier error in the transaction";
    } else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        r.ok = true;
        r.rows = PQntuples(res);
    } else {
        pg_failure_tell(&p->failure, &r);
    }
    if (p->calls.head->kind == CALL_PREPARE)
        prepare_end(p);
    else if (p->calls.head->kind == CALL_PID)
        pid_end(p, &r);
    else if (p->calls.head->kind == CALL_REDEFINE)
        redefine_end(p, &r);
    else
        call_answer(p, &p->calls, &r);
    PQclear(res);
}

static void prepare_start(struct pg *p);

static void sync_end(struct pg *p)
{
    struct pg_result r = { .ok = !p->failure.is_set };
    bool is_known = p->calls.head->kind == CALL_KNOWN, is_prepared = p->calls.head->kind == CALL_PREPARED;

    if (p->failure.is_set)
        pg_failure_tell(&p->failure, &r);
    p->failure.is_set = false; /* its text lives on until the next failure */
    call_answer(p, &p->calls, &r);
    if (is_known)
        prepare_start(p);
    if (!is_prepared)
        return;
    p->phase = PG_UP;
    p->backoff_ms = BACKOFF_FIRST_MS;
    timer_off(p->timer);
    if (p->hooks.on_up)
        p->hooks.on_up(p->arg);
}

/* Consumes res. */
static void result_take(struct pg *p, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    bool is_error = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;

    PQclear(p->result);
    p->result = res;
    if (is_error && is_fatal(p, res)) {
        conn_fail(p, ERR_UNAVAILABLE, "", error_text(res));
    } else if (is_error) {
        pg_failure_note(&p->failure, PQresultErrorField(res, PG_DIAG_SQLSTATE), error_text(res),
                     PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL)); /* before a sync: the commit failed */
    } else if (pg_call_is_sync(p->calls.head) != (status == PGRES_PIPELINE_SYNC) || status == PGRES_COPY_IN ||
               status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        conn_fail(p, ERR_SYSTEM, "unexpected answer from the database", PQresStatus(status));
    } else if (status == PGRES_PIPELINE_SYNC) {
        PQclear(p->result);
        p->result = NULL;
        sync_end(p);
    }
}

static void notifies_take(struct pg *p)
{
    PGnotify *n;

    while (is_usable(p) && (n = PQnotifies(p->conn))) {
        if (p->hooks.on_notify)
            p->hooks.on_notify(p->arg, n->relname, n->extra);
        PQfreemem(n);
    }
}

/* Everything libpq can give without waiting: what stays in its buffer would raise no event again. PQisBusy also
 * parses what comes by itself, so it is asked when nothing is outstanding, too. */
static void results_take(struct pg *p)
{
    unsigned ends = 0;

    p->depth++;
    while (is_usable(p) && ends < 2 && !PQisBusy(p->conn) && p->calls.head) {
        PGresult *res = PQgetResult(p->conn);

        ends = res || p->result ? 0 : ends + 1;
        if (res) {
            result_take(p, res);
        } else if (p->result && !pg_call_is_sync(p->calls.head)) {
            query_end(p);
        } else {
            PQclear(p->result); /* the error of a commit */
            p->result = NULL;
        }
    }
    notifies_take(p);
    leave(p);
}

/* --- connecting ------------------------------------------------------------------------------------- */

/* NOTICE and WARNING, and the last words of a server that ends an idle session. */
static void on_notice(void *arg, const PGresult *res)
{
    struct pg *p = arg;

    if (is_fatal(p, res))
        conn_fail(p, ERR_UNAVAILABLE, "", error_text(res));
    else
        log_debug("database notice", log_str("notice", error_text(res)));
}

/* Whose session is it? */
static void session_start(struct pg *p)
{
    p->phase = PG_PREPARING;
    if (PQsetnonblocking(p->conn, 1) < 0 || !PQenterPipelineMode(p->conn)) {
        conn_fail(p, ERR_UNAVAILABLE, "", PQerrorMessage(p->conn));
        return;
    }
    call_add(p, (struct call){ .kind = CALL_PID },
             PQsendQueryParams(p->conn, "SELECT pg_backend_pid()", 0, NULL, NULL, NULL, NULL, 0));
    call_add(p, (struct call){ .kind = CALL_KNOWN }, PQpipelineSync(p->conn));
    if (is_usable(p))
        conn_flush(p);
}

static void prepare_start(struct pg *p)
{
    for (size_t i = 0; i < p->n_stmts; i++)
        call_add(p, (struct call){ .kind = CALL_PREPARE, .stmt = i },
                 PQsendPrepare(p->conn, p->stmts[i].name, p->stmts[i].sql, 0, NULL));
    call_add(p, (struct call){ .kind = CALL_PREPARED }, PQpipelineSync(p->conn));
    if (is_usable(p))
        conn_flush(p);
}

static void on_socket(void *arg, uint32_t events);

/* libpq may have gone to another host, so to another socket: the watch is made anew each time. */
static void connect_step(struct pg *p, PostgresPollingStatusType status)
{
    if (status == PGRES_POLLING_FAILED) {
        conn_fail(p, ERR_UNAVAILABLE, "", PQerrorMessage(p->conn));
        return;
    }
    p->watch = loop_watch(p->loop, PQsocket(p->conn), status == PGRES_POLLING_WRITING ? EPOLLOUT : EPOLLIN, on_socket,
                          p);
    timer_in(p->timer, CONNECT_DEADLINE_MS);
    if (status == PGRES_POLLING_OK)
        session_start(p);
}

static void on_socket(void *arg, uint32_t events)
{
    struct pg *p = arg;

    if (p->phase == PG_CONNECTING) {
        watch_free(&p->watch);
        connect_step(p, PQconnectPoll(p->conn));
        return;
    }
    p->depth++;
    if ((events & ~(uint32_t)EPOLLOUT) && !PQconsumeInput(p->conn)) {
        watch_free(&p->watch); /* libpq closed the socket; what came before still counts */
        results_take(p);
        if (is_usable(p))
            conn_fail(p, ERR_UNAVAILABLE, "", PQerrorMessage(p->conn));
    } else {
        conn_flush(p);
        results_take(p);
    }
    leave(p);
}

/* The DSN's words, its list of hosts turned, so that another one is asked first: libpq knows no deadline and never
 * leaves a host that takes connections and then says nothing. Returns the new number of words. */
static int turned_words(const struct pg *p, PQconninfoOption *words, struct arena *a, const char **keys,
                        const char **values)
{
    int n = 0;

    for (; words && words->keyword; words++) {
        bool is_list = strcmp(words->keyword, "host") == 0 || strcmp(words->keyword, "hostaddr") == 0 ||
                       strcmp(words->keyword, "port") == 0;

        if (!words->val || n == WORDS_MAX)
            continue;
        keys[n] = words->keyword;
        values[n++] = is_list ? pg_list_turn(words->val, p->turn, a) : words->val;
    }
    return n;
}

/* What stands before the user's words gives way to them, what stands behind does not. */
static void connect_start(struct pg *p)
{
    const char *keys[WORDS_MAX + 8] = { "keepalives_idle", "keepalives_interval", "keepalives_count",
                                        "tcp_user_timeout", "fallback_application_name", "dbname" };
    const char *values[WORDS_MAX + 8] = { "5", "2", "3", "10000", p->application, p->dsn };
    PQconninfoOption *words = p->turn ? PQconninfoParse(p->dsn, NULL) : NULL;
    struct arena arena = { 0 };
    int n = words ? 5 + turned_words(p, words, &arena, keys + 5, values + 5) : 6;

    keys[n] = "client_encoding";
    values[n] = "UTF8";
    p->phase = PG_CONNECTING;
    p->conn = PQconnectStartParams(keys, values, 1);
    PQconninfoFree(words);
    arena_fini(&arena);
    if (!p->conn)
        abort(); /* no memory */
    PQsetNoticeReceiver(p->conn, on_notice, p);
    connect_step(p, PQstatus(p->conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING);
}

static void conn_lose(struct pg *p)
{
    const struct err why = p->lost;

    conn_drop(p);
    timer_in(p->timer, pg_backoff_next(&p->backoff_ms));
    calls_lose(p, &p->calls);
    if (!p->is_closed && p->hooks.on_down)
        p->hooks.on_down(p->arg, &why);
}

static void on_soon(void *arg)
{
    struct pg *p = arg;

    p->depth++;
    if (p->lost.kind != ERR_NONE)
        conn_lose(p);
    if (!p->is_closed)
        calls_lose(p, &p->refused);
    leave(p);
}

static void on_timer(void *arg)
{
    struct pg *p = arg;

    if (p->phase == PG_IDLE) {
        connect_start(p);
        return;
    }
    p->turn++;
    conn_fail(p, ERR_UNAVAILABLE, "", "the database does not answer");
}

/* --- the owner's side ------------------------------------------------------------------------------- */

struct pg *pg_open(struct loop *l, const char *dsn, const char *application, const struct pg_stmt *stmts,
                   size_t n_stmts, const struct pg_hooks *hooks, void *arg)
{
    struct pg *p = mem_zalloc(sizeof(*p));

    *p = (struct pg){ .loop = l, .stmts = stmts, .n_stmts = n_stmts, .hooks = *hooks, .arg = arg };
    p->dsn = mem_strdup(dsn);
    p->application = mem_strdup(application);
    p->backoff_ms = BACKOFF_FIRST_MS;
    p->versions = mem_array(n_stmts, sizeof(*p->versions));
    p->timer = loop_timer(l, on_timer, p);
    p->soon = loop_timer(l, on_soon, p);
    timer_in(p->timer, 0);
    return p;
}

void pg_close(struct pg **pointer)
{
    struct pg *p = *pointer;

    *pointer = NULL;
    if (!p)
        return;
    p->is_closed = true;
    p->depth++;
    conn_drop(p);
    calls_lose(p, &p->calls);
    calls_lose(p, &p->refused);
    leave(p);
}

bool pg_is_up(const struct pg *p)
{
    return is_usable(p) && p->phase == PG_UP;
}

size_t pg_pending(const struct pg *p)
{
    return p->pending;
}

void pg_disconnect(struct pg *p)
{
    if (p->phase != PG_IDLE)
        conn_fail(p, ERR_UNAVAILABLE, "", "disconnected by this process");
}
