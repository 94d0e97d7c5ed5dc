/* db_verbs.c - `orion db init | migrate | check`. The SQL is db.c's. Rules: docs/ARCHITECTURE.md "Names". */
#include <stdio.h>
#include <stdlib.h>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/db.h"
#include "cli/out.h"
#include "lib/clock.h"
#include "lib/pg.h"

enum { WAIT_STEP_MS = 250 };

struct db_options {
    struct cli_common common;
    const char *database;
    struct opt_int wait;
};

/* --database, else the daemons' own variables. The caller frees it. */
static char *open_dsn(const struct db_options *o, struct err *e)
{
    static const char *const names[] = { "ORION_DATABASE_URL", "DATABASE_URL", "ORION_DB_PATH" };
    const char *value = o->database;

    for (size_t i = 0; i < ARRAY_LEN(names) && !(value && *value); i++)
        value = getenv(names[i]);
    if (!value || !*value) {
        err_field(e, "database", "no database is named: give --database or ORION_DATABASE_URL "
                                 "(such as postgresql:///orion?host=/run/postgresql)");
        return NULL;
    }
    return pg_dsn(value, e);
}

static int takes_nothing(const struct cli_call *call)
{
    return call->args.operands.n == 0 ? 0 : cli_usage(call, "takes no argument");
}

static int migrate_and_tell(const char *dsn, const struct db_options *o, bool is_new)
{
    struct db_migrated m = { 0 };
    struct err e = { 0 };

    if (db_migrate(dsn, &m, &e) < 0)
        return cli_fail(&e);
    if (o->common.json)
        printf("{\"created\":%s,\"from\":%d,\"to\":%d}\n", is_new ? "true" : "false", m.from, m.to);
    else if (m.from == m.to)
        printf("schema %d: nothing to do\n", m.to);
    else
        printf("%sschema %d -> %d\n", is_new ? "database made; " : "", m.from, m.to);
    return CLI_OK;
}

static int db_init(const struct cli_call *call)
{
    const struct db_options *o = call->options;
    struct err e = { 0 };
    bool made = false;
    int rc = takes_nothing(call);

    if (rc)
        return rc;
    char *dsn = open_dsn(o, &e);
    if (!dsn)
        return cli_fail(&e);
    rc = db_create(dsn, &made, &e) < 0 ? cli_fail(&e) : migrate_and_tell(dsn, o, made);
    mem_free(&dsn);
    return rc;
}

static int db_migrate_verb(const struct cli_call *call)
{
    const struct db_options *o = call->options;
    struct err e = { 0 };
    int rc = takes_nothing(call);

    if (rc)
        return rc;
    char *dsn = open_dsn(o, &e);
    if (!dsn)
        return cli_fail(&e);
    rc = migrate_and_tell(dsn, o, false);
    mem_free(&dsn);
    return rc;
}

/* What may still come by itself: a server that starts, a database or migration that somebody else makes. */
static int check_patiently(const char *dsn, int64_t wait_ms, int *version_r, struct err *e)
{
    int64_t until = (int64_t)clock_boot_ms() + wait_ms;

    for (;;) {
        struct err now = { 0 };
        if (db_check(dsn, version_r, &now) == 0)
            return 0;
        bool may_come = now.kind == ERR_UNAVAILABLE || now.kind == ERR_NOT_FOUND || *version_r < db_newest();
        if (!may_come || (int64_t)clock_boot_ms() + WAIT_STEP_MS > until) {
            *e = now;
            return -1;
        }
        api_pause(WAIT_STEP_MS);
    }
}

static void print_check(int rc, int version, const struct err *e)
{
    struct buf text = { 0 };

    out_json_text(&text, rc == 0 ? NULL : e->text);
    printf("{\"ok\":%s,\"version\":%d,\"newest\":%d,\"problem\":%s}\n", rc == 0 ? "true" : "false", version,
           db_newest(), text.data);
    buf_fini(&text);
}

static int db_check_verb(const struct cli_call *call)
{
    const struct db_options *o = call->options;
    struct err e = { 0 };
    int version = 0, rc = takes_nothing(call);

    if (rc)
        return rc;
    char *dsn = open_dsn(o, &e);
    if (!dsn)
        return cli_fail(&e);
    rc = check_patiently(dsn, o->wait.value, &version, &e);
    if (o->common.json)
        print_check(rc, version, &e);
    else if (rc == 0)
        printf("ok\n");
    rc = rc == 0 ? CLI_OK : o->common.json ? cli_exit_code(e.kind) : cli_fail(&e);
    mem_free(&dsn);
    return rc;
}

#define DATABASE_ROW                                                                                                  \
    { OPT_STR, 'd', "database", offsetof(struct db_options, database), "DSN",                                         \
      "libpq URI, key=value words or socket directory (ORION_DATABASE_URL)", 0, 0 }

static const struct opt rows[] = { DATABASE_ROW, CLI_COMMON_ROWS };
static const struct opt check_rows[] = {
    DATABASE_ROW,
    { OPT_MS, 0, "wait", offsetof(struct db_options, wait), "TIME", "try for so long before giving up (0)", 0, 0 },
    CLI_COMMON_ROWS,
};

static const struct verb init_verb = { .name = "db init",
                                       .synopsis = "[--database DSN]",
                                       .summary = "make the database, its roles and its schema",
                                       .details = "Needs a role that may create databases and roles. Safe to repeat.",
                                       .rows = rows,
                                       .options_size = sizeof(struct db_options),
                                       .run = db_init };
static const struct verb migrate_verb = { .name = "db migrate",
                                          .synopsis = "[--database DSN]",
                                          .summary = "bring the schema to this program's version",
                                          .rows = rows,
                                          .options_size = sizeof(struct db_options),
                                          .run = db_migrate_verb };
static const struct verb check_verb = { .name = "db check",
                                        .synopsis = "[--database DSN] [--wait TIME]",
                                        .summary = "say whether the database is fit for use",
                                        .details = "Prints ok, or what to do. Exit codes: 0 fit; 1 not fit;\n"
                                                   "3 no database or no schema; 5 nobody answers.",
                                        .rows = check_rows,
                                        .options_size = sizeof(struct db_options),
                                        .run = db_check_verb };
static const struct verb *const subs[] = { &init_verb, &migrate_verb, &check_verb, NULL };

const struct verb db_verb = { .name = "db",
                              .synopsis = "init | migrate | check [OPTION]...",
                              .summary = "make, migrate or check the database",
                              .subs = subs };
