/* db.h - the schema's versions: creating the database, migrating it, and whether it is fit for use. */
#ifndef ORION_CLI_DB_H
#define ORION_CLI_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

/* The files of sql/, in order; embedded by src/cli/embed-sql.sh. */
struct db_step {
    int version;
    const char *name;  /* "0001_init" */
    const char *sql;
};
extern const struct db_step db_steps[];
extern const size_t db_steps_count;

int db_newest(void);   /* the version this program brings a database to */

/* 0: no schema yet. ERR_UNAVAILABLE: nobody answers; ERR_NOT_FOUND: the server has no such database. */
int db_version(const char *dsn, int *version_r, struct err *e);

/* Makes the database that the DSN names, through the server's database `postgres`. Not an error when it is there;
 * roles come with the first migration. */
int db_create(const char *dsn, bool *made_r, struct err *e);

/* Applies what is missing, one transaction for each file, under a lock that other migrations wait for. Refuses a
 * database that is newer than this program. */
struct db_migrated {
    int from, to;
};
int db_migrate(const char *dsn, struct db_migrated *m_r, struct err *e);

/* 0: fit. -1: the sentence says what to do; `version_r` is set when it could be read. */
int db_check(const char *dsn, int *version_r, struct err *e);

#endif
