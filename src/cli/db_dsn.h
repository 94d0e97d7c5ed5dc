/* db_dsn.h - the database's name inside a libpq URI or key=value string. Pure. */
#ifndef ORION_CLI_DB_DSN_H
#define ORION_CLI_DB_DSN_H

/* The caller frees both. The name is NULL when the DSN has none. */
char *db_dsn_name(const char *dsn);
char *db_dsn_with_name(const char *dsn, const char *name);

#endif
