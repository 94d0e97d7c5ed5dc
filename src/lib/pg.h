/* pg.h - one PostgreSQL connection on the event loop: asynchronous libpq in pipeline mode, prepared
 * statements only, reconnecting with back-off.
 *
 * Calls queue up and their callbacks run in order. What stands between two pg_sync calls is one transaction:
 * the callback of pg_sync says whether it is committed. When the connection is lost every outstanding
 * callback gets a result with `lost` set: whether a transaction got in is then unknown and the owner finds out
 * by reading. Nothing is sent again by this file.
 *
 * Every callback is called exactly once, from the loop and never inside the call that asked for it (pg_close
 * excepted). Callbacks and hooks may call anything here, pg_close included. An error ends its transaction: the
 * failing call carries it, the calls behind it say that they were aborted, and the sync repeats it.
 * LISTEN is an ordinary statement of the table, without parameters. A connection through a pooler (PgBouncer) is
 * refused: statements, LISTEN and locks belong to a session. Names are resolved blockingly by libpq:
 * give addresses or socket directories where that matters. */
#ifndef ORION_LIB_PG_H
#define ORION_LIB_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/uuid.h"

struct pg;

struct pg_stmt {
    const char *name;
    const char *sql;
};

struct pg_result {
    bool ok;              /* of a pg_sync: the transaction is committed */
    bool lost;            /* the connection went away: the outcome is unknown */
    const char *error;    /* server's message when !ok && !lost; never NULL then */
    char sqlstate[6];     /* "" when there is none */
    int rows;
    const void *handle;   /* for the accessors below */
};
typedef void pg_fn(void *arg, const struct pg_result *r);

const char *pg_text(const struct pg_result *r, int row, int col);  /* NULL for SQL NULL; valid during the callback */
int64_t pg_int(const struct pg_result *r, int row, int col);       /* 0 for SQL NULL */
bool pg_bool(const struct pg_result *r, int row, int col);
bool pg_null(const struct pg_result *r, int row, int col);
size_t pg_bytes(const struct pg_result *r, int row, int col, uint8_t *out, size_t max); /* bytea; its whole length */

struct pg_hooks {
    void (*on_up)(void *arg);                              /* connected, statements prepared: calls may be made */
    /* after all outstanding callbacks, and after each attempt to connect that failed; reconnecting follows */
    void (*on_down)(void *arg, const struct err *why);
    void (*on_notify)(void *arg, const char *channel, const char *payload); /* NULL: none wanted */
};

/* `dsn`: libpq URI or key=value string. The statements are prepared at every connect; one that fails takes the
 * connection down with its name in the reason (a schema that is too old, usually). */
struct pg *pg_open(struct loop *l, const char *dsn, const char *application, const struct pg_stmt *stmts,
                   size_t n_stmts, const struct pg_hooks *hooks, void *arg);
void pg_close(struct pg **p);            /* outstanding callbacks are told `lost` first; no on_down */
bool pg_is_up(const struct pg *p);
size_t pg_pending(const struct pg *p);   /* calls whose callback is still to come */

/* stmt: index in the table. Parameters in text form, NULL for SQL NULL; copied. While not up the answer is `lost`.
 * Nothing is executed before the next pg_sync. fn may be NULL. */
void pg_call(struct pg *p, size_t stmt, const char *const *params, int n, pg_fn *fn, void *arg);
void pg_sync(struct pg *p, pg_fn *fn, void *arg);
/* Other words for a statement of the table, with the same parameters: they count from the moment when the server has
 * taken them (fn, as for a call) until the connection is lost. For names that are known at run time only. */
void pg_redefine(struct pg *p, size_t stmt, const char *sql, pg_fn *fn, void *arg);
void pg_disconnect(struct pg *p);        /* drop the connection and start over; on_down is called, from the loop */

/* One array parameter ('{"a","b",NULL}'), built element by element. */
struct pg_array {
    struct buf text;
};
void pg_array_reset(struct pg_array *a);
void pg_array_str(struct pg_array *a, const char *s);   /* NULL: SQL NULL */
void pg_array_int(struct pg_array *a, int64_t n);
void pg_array_null(struct pg_array *a);
void pg_array_bytes(struct pg_array *a, const void *data, size_t len); /* bytea element */
const char *pg_array_text(struct pg_array *a);          /* closes the literal; valid until the next reset */
void pg_array_fini(struct pg_array *a);
/* The server's text form of an array as texts in the arena; NULL elements become "". 0, or -1: no such array. */
int pg_array_read(const char *literal, struct arena *a, const char *const **v_r, size_t *n_r);

/* The same in the server's binary form, which costs it (and us) much less: for statements that are called all the time.
 * All elements of one column are of one type; a column that is sent is not empty. */
enum pg_type {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_TIMESTAMPTZ = 1184,
    PG_UUID = 2950,
};
struct pg_column {
    struct buf data;
    enum pg_type type;
    uint32_t n;
    bool has_null;
};
void pg_column_null(struct pg_column *c, enum pg_type type);
void pg_column_text(struct pg_column *c, const char *text);   /* NULL: SQL NULL */
void pg_column_bytes(struct pg_column *c, const void *data, size_t len);
void pg_column_uuid(struct pg_column *c, const struct uuid *id);
void pg_column_bool(struct pg_column *c, bool is_true);
void pg_column_int(struct pg_column *c, enum pg_type type, int64_t n);   /* PG_INT4 or PG_INT8 */
void pg_column_time(struct pg_column *c, int64_t wall_ms);
void pg_column_reset(struct pg_column *c);                    /* empty, memory kept */
void pg_column_fini(struct pg_column *c);
/* As pg_call, every parameter a column; at most PG_COLUMNS_MAX. */
enum { PG_COLUMNS_MAX = 32 };
void pg_call_columns(struct pg *p, size_t stmt, struct pg_column *columns, int n, pg_fn *fn, void *arg);

/* What a user may give as the store: a libpq URI or key=value string, or a socket directory. `sqlite:`, `mongodb:`
 * and *.db are refused with the sentence that names the fix. The caller frees the DSN; NULL: refused. */
char *pg_dsn(const char *value, struct err *e);

/* Blocking helpers for `orion db` and `orion lab`: one connection, plain SQL files. */
struct pg_admin;
struct pg_admin *pg_admin_open(const char *dsn, const char *application, struct err *e);
int pg_admin_exec(struct pg_admin *a, const char *sql, struct err *e);              /* one or more statements */
/* First column of the first row, "" for no row; the caller frees it. NULL: error. */
char *pg_admin_value(struct pg_admin *a, const char *sql, struct err *e);
void pg_admin_close(struct pg_admin **a);

#endif
