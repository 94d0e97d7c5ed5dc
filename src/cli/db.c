/* db.c - the SQL of `orion db` and of the lab: which version a database has, the steps it lacks, its settings.
 *
 * Writes orion.schema_version and whatever the files of sql/ say. Rules: docs/ARCHITECTURE.md "Data". */
#include "cli/db.h"

#include <stdlib.h>
#include <string.h>

#include "cli/db_dsn.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/pg.h"

#define APPLICATION "orion db"
/* Any number will do, as long as every Orion takes the same. */
#define LOCK_MIGRATION "SELECT pg_advisory_lock(5780013704193478)"

/* 0: nothing of ours; 1 and 3: migrated; 2: tables that no migration recorded */
#define READ_KIND                                                                                                     \
    "SELECT (to_regclass('orion.schema_version') IS NOT NULL)::integer + 2 * (to_regclass('orion.task') IS NOT NULL)" \
    "::integer"
#define READ_VERSION "SELECT coalesce(max(version), 0) FROM orion.schema_version"

int db_newest(void)
{
    return db_steps_count > 0 ? db_steps[db_steps_count - 1].version : 0;
}

static struct pg_admin *connect_to(const char *dsn, struct err *e)
{
    struct err why = { 0 };
    struct pg_admin *a = pg_admin_open(dsn, APPLICATION, &why);

    if (a)
        return a;
    /* libpq tells a missing database only by its words (the state code is lost with the connection). */
    if (strstr(why.text, "database \"") && strstr(why.text, "\" does not exist"))
        err_set(e, ERR_NOT_FOUND, "%s; make it with: orion db init", why.text);
    else
        err_set(e, why.kind, "%s", why.text);
    return NULL;
}

static int read_number(struct pg_admin *a, const char *sql, int *number_r, struct err *e)
{
    char *text = pg_admin_value(a, sql, e);

    if (!text)
        return -1;
    *number_r = atoi(text);
    mem_free(&text);
    return 0;
}

static int read_version(struct pg_admin *a, int *version_r, struct err *e)
{
    int kind = 0;

    *version_r = 0;
    if (read_number(a, READ_KIND, &kind, e) < 0)
        return -1;
    if (kind == 2)
        return err_set(e, ERR_SYSTEM, "the database has tables of Orion but no orion.schema_version: `orion db "
                                      "migrate` did not make them");
    return kind == 0 ? 0 : read_number(a, READ_VERSION, version_r, e);
}

int db_version(const char *dsn, int *version_r, struct err *e)
{
    struct pg_admin *a = connect_to(dsn, e);

    if (!a)
        return -1;
    int rc = read_version(a, version_r, e);
    pg_admin_close(&a);
    return rc;
}

static int make_database(const char *dsn, const char *name, struct err *e)
{
    char *server = db_dsn_with_name(dsn, "postgres");
    struct pg_admin *a = pg_admin_open(server, APPLICATION, e);
    struct buf sql = { 0 };
    int rc = -1;

    if (a) {
        buf_puts(&sql, "CREATE DATABASE \"");
        for (; *name; name++)
            buf_printf(&sql, "%s%c", *name == '"' ? "\"" : "", *name);
        buf_puts(&sql, "\" ENCODING 'UTF8' TEMPLATE template0");
        rc = pg_admin_exec(a, sql.data, e);
    }
    pg_admin_close(&a);
    mem_free(&server);
    buf_fini(&sql);
    return rc;
}

int db_create(const char *dsn, bool *made_r, struct err *e)
{
    struct err why = { 0 };
    struct pg_admin *a = connect_to(dsn, &why);

    *made_r = false;
    if (a) {
        pg_admin_close(&a);
        return 0;
    }
    if (why.kind != ERR_NOT_FOUND)
        return err_set(e, why.kind, "%s", why.text);
    why = (struct err){ 0 };
    char *name = db_dsn_name(dsn);
    if (!name)
        return err_set(e, ERR_INVALID, "the database has no name in the DSN; add dbname=orion");
    int rc = make_database(dsn, name, &why);
    *made_r = rc == 0;
    mem_free(&name);
    if (rc < 0 && (a = connect_to(dsn, &(struct err){ 0 }))) {
        pg_admin_close(&a); /* somebody else made it in the same moment */
        rc = 0;
    }
    return rc < 0 ? err_set(e, why.kind, "%s", why.text) : 0;
}

/* Runs after the first file, which makes the schema; harmless later. */
#define RECORD_TABLE                                                                                                  \
    "CREATE TABLE IF NOT EXISTS orion.schema_version (version integer PRIMARY KEY, name text NOT NULL,"              \
    " applied_at timestamptz NOT NULL DEFAULT now());"                                                               \
    "GRANT SELECT ON orion.schema_version TO orion_gateway, orion_scheduler;"

static int apply(struct pg_admin *a, const struct db_step *s, struct err *e)
{
    struct buf sql = { 0 };

    buf_printf(&sql, "BEGIN;\n%s\n;" RECORD_TABLE "INSERT INTO orion.schema_version (version, name) VALUES (%d, '%s');"
                     "COMMIT;",
               s->sql, s->version, s->name);
    int rc = pg_admin_exec(a, sql.data, e);
    buf_fini(&sql);
    return rc < 0 ? err_prefix(e, "sql/%s.sql", s->name) : 0;
}

static int refuse_newer(int version, struct err *e)
{
    return err_set(e, ERR_SYSTEM, "the database has schema %d, this program knows only up to %d: use the newer Orion "
                                    "that made it", version, db_newest());
}

int db_migrate(const char *dsn, struct db_migrated *m_r, struct err *e)
{
    struct pg_admin *a = connect_to(dsn, e);
    int rc = -1;

    if (!a)
        return -1;
    if (pg_admin_exec(a, LOCK_MIGRATION, e) < 0 || read_version(a, &m_r->from, e) < 0)
        goto out;
    m_r->to = m_r->from;
    if (m_r->from > db_newest()) {
        rc = refuse_newer(m_r->from, e);
        goto out;
    }
    for (size_t i = 0; i < db_steps_count; i++) {
        if (db_steps[i].version <= m_r->from)
            continue;
        if (apply(a, &db_steps[i], e) < 0)
            goto out;
        m_r->to = db_steps[i].version;
    }
    rc = 0;
out:
    pg_admin_close(&a); /* releases the lock, and an unfinished transaction */
    return rc;
}

/* What must hold before a promise can be given: an answer is sent after the commit that makes it true. */
static const struct {
    const char *sql;      /* a boolean: is it as it should be? */
    const char *otherwise;
} demands[] = {
    { "SELECT NOT pg_is_in_recovery()", "the server is a standby: it takes no writes; name its primary" },
    { "SELECT current_setting('fsync')::boolean",
      "fsync is off: a crash would lose what was promised; set fsync = on in postgresql.conf" },
    { "SELECT current_setting('full_page_writes')::boolean",
      "full_page_writes is off: a crash could tear pages; set full_page_writes = on in postgresql.conf" },
    { "SELECT current_setting('synchronous_commit') <> 'off'",
      "synchronous_commit is off: a commit would be answered before it is on disk; set synchronous_commit = on" },
    { "SELECT current_setting('server_version_num')::integer >= 150000", "the server is older than PostgreSQL 15" },
    { "SELECT pg_encoding_to_char(encoding) = 'UTF8' FROM pg_database WHERE datname = current_database()",
      "the database's encoding is not UTF8; make it anew with ENCODING 'UTF8'" },
};

static int check_settings(struct pg_admin *a, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
        char *yes = pg_admin_value(a, demands[i].sql, e);
        if (!yes)
            return -1;
        bool is_met = strcmp(yes, "t") == 0;
        mem_free(&yes);
        if (!is_met)
            return err_set(e, ERR_SYSTEM, "%s", demands[i].otherwise);
    }
    return 0;
}

int db_check(const char *dsn, int *version_r, struct err *e)
{
    struct pg_admin *a = connect_to(dsn, e);
    int rc = -1;

    if (!a)
        return -1;
    if (read_version(a, version_r, e) < 0)
        goto out;
    if (*version_r == 0)
        err_set(e, ERR_NOT_FOUND, "the database has no schema yet; make it with: orion db init");
    else if (*version_r < db_newest())
        err_set(e, ERR_SYSTEM, "the schema is %d, this program needs %d; bring it there with: orion db migrate",
                *version_r, db_newest());
    else if (*version_r > db_newest())
        refuse_newer(*version_r, e);
    else
        rc = check_settings(a, e);
out:
    pg_admin_close(&a);
    return rc;
}
