/* pg_admin.c - what people do with the database: naming it (pg_dsn) and blocking statements for `orion db`.
 *
 * Given a user's store setting, makes a libpq connection string or refuses with the sentence that names the
 * fix (ARCHITECTURE 12). The blocking connection is for the CLI only: a daemon uses lib/pg.c. */
#include <libpq-fe.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/pg.h"
#include "lib/pg_impl.h"

#define DSN_FIELD "ORION_DATABASE_URL"
#define DSN_FIX   "give a libpq URI such as postgresql:///orion?host=/run/postgresql"

struct pg_admin {
    PGconn *conn;
};

/* --- the store's name ------------------------------------------------------------------------------ */

static bool has_prefix(const char *s, const char *prefix)
{
    return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
    size_t len = strlen(s), n = strlen(suffix);

    return len >= n && strcasecmp(s + len - n, suffix) == 0;
}

static const struct {
    const char *prefix, *what;
} foreign_stores[] = {
    { "sqlite:", "an SQLite store" },   { "sqlite3:", "an SQLite store" },       { "file:", "an SQLite store" },
    { "mongodb:", "a MongoDB store" },  { "mongodb+srv:", "a MongoDB store" },   { "mysql:", "a MySQL store" },
    { "mariadb:", "a MariaDB store" },
};

/* What the value names instead of PostgreSQL, or NULL. */
static const char *foreign_store(const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(foreign_stores); i++)
        if (has_prefix(value, foreign_stores[i].prefix))
            return foreign_stores[i].what;
    if (strchr(value, '='))
        return NULL;
    return has_suffix(value, ".db") || has_suffix(value, ".sqlite") || has_suffix(value, ".sqlite3") ? "an SQLite store"
                                                                                                    : NULL;
}

/* A socket directory becomes host=; quotes and backslashes are escaped as key=value strings want it. */
static char *directory_dsn(const char *dir)
{
    struct buf dsn = { 0 };

    buf_puts(&dsn, "host='");
    for (; *dir; dir++) {
        if (*dir == '\'' || *dir == '\\')
            buf_putc(&dsn, '\\');
        buf_putc(&dsn, *dir);
    }
    buf_puts(&dsn, "' dbname=orion");
    return buf_take(&dsn);
}

char *pg_dsn(const char *value, struct err *e)
{
    bool is_uri;
    const char *foreign;
    char *message = NULL;
    PQconninfoOption *parsed;

    if (!value || !*value) {
        err_field(e, DSN_FIELD, "no database is named; " DSN_FIX);
        return NULL;
    }
    is_uri = has_prefix(value, "postgresql://") || has_prefix(value, "postgres://");
    foreign = is_uri ? NULL : foreign_store(value);
    if (foreign) { /* a URI may carry a password: only its scheme is shown */
        int shown = (int)(strchr(value, '@') ? strcspn(value, ":") + 1 : strlen(value));

        err_field(e, DSN_FIELD, "\"%.*s\" is %s; Orion keeps its data in PostgreSQL: " DSN_FIX, shown, value, foreign);
        return NULL;
    }
    if (*value == '/')
        return directory_dsn(value);
    if (!is_uri && !strchr(value, '=')) {
        err_field(e, DSN_FIELD,
                  "\"%.60s\" is neither a libpq URI, nor key=value words, nor a socket directory; " DSN_FIX,
                  strchr(value, '@') ? "..." : value);
        return NULL;
    }
    parsed = PQconninfoParse(value, &message);
    if (!parsed) {
        char *line = pg_one_line(message);

        err_field(e, DSN_FIELD, "%s; " DSN_FIX, line);
        mem_free(&line);
        PQfreemem(message);
        return NULL;
    }
    PQconninfoFree(parsed);
    return mem_strdup(value);
}

/* --- the blocking connection ----------------------------------------------------------------------- */

static void on_notice(void *arg, const char *message)
{
    char *line = pg_one_line(message);

    (void)arg;
    log_debug("database notice", log_str("notice", line));
    mem_free(&line);
}

static int fail(enum err_kind kind, const char *message, struct err *e)
{
    char *line = pg_one_line(message);

    err_set(e, kind, "%s", line);
    mem_free(&line);
    return -1;
}

struct pg_admin *pg_admin_open(const char *dsn, const char *application, struct err *e)
{
    const char *const keys[] = { "connect_timeout", "fallback_application_name", "dbname", "client_encoding", NULL };
    const char *const values[] = { "10", application, dsn, "UTF8", NULL };
    struct pg_admin *a = mem_zalloc(sizeof(*a));

    a->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(a->conn) != CONNECTION_OK) {
        fail(ERR_UNAVAILABLE, PQerrorMessage(a->conn), e);
        pg_admin_close(&a);
        return NULL;
    }
    PQsetNoticeProcessor(a->conn, on_notice, NULL);
    return a;
}

int pg_admin_exec(struct pg_admin *a, const char *sql, struct err *e)
{
    PGresult *res = PQexec(a->conn, sql);
    ExecStatusType status = PQresultStatus(res);
    int rc = 0;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        rc = fail(PQstatus(a->conn) == CONNECTION_OK ? ERR_SYSTEM : ERR_UNAVAILABLE, PQerrorMessage(a->conn), e);
    PQclear(res);
    return rc;
}

char *pg_admin_value(struct pg_admin *a, const char *sql, struct err *e)
{
    PGresult *res = PQexec(a->conn, sql);
    ExecStatusType status = PQresultStatus(res);
    char *value = NULL;

    if (status == PGRES_TUPLES_OK && PQntuples(res) > 0 && PQnfields(res) > 0)
        value = mem_strdup(PQgetvalue(res, 0, 0));
    else if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        value = mem_strdup("");
    else
        fail(PQstatus(a->conn) == CONNECTION_OK ? ERR_SYSTEM : ERR_UNAVAILABLE, PQerrorMessage(a->conn), e);
    PQclear(res);
    return value;
}

void pg_admin_close(struct pg_admin **a)
{
    if (!*a)
        return;
    PQfinish((*a)->conn);
    mem_free(a);
}
