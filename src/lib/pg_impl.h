/* pg_impl.h - shared by the pg*.c files only: the queue of calls, the first error of a transaction, small helpers.
 * Knows nothing of libpq. */
#ifndef ORION_LIB_PG_IMPL_H
#define ORION_LIB_PG_IMPL_H

#include "lib/pg.h"

enum call_kind {
    CALL_QUERY,
    CALL_REDEFINE,
    CALL_SYNC,
    CALL_PID,      /* ours, at connect: whose session is it? */
    CALL_KNOWN,    /* ours: the sync behind it */
    CALL_PREPARE,  /* ours: a statement of the table */
    CALL_PREPARED, /* ours: the sync behind them */
};

struct call {
    struct call *next;
    enum call_kind kind;
    size_t stmt;
    unsigned version;   /* CALL_REDEFINE: of the statement */
    pg_fn *fn;
    void *arg;
};

struct call_queue {
    struct call *head, *last;
};

void pg_queue_push(struct call_queue *q, struct call call);
struct call pg_queue_pop(struct call_queue *q);       /* of a queue that is not empty */
void pg_queue_free(struct call_queue *q);
struct call_queue pg_queue_take(struct call_queue *q); /* leaves it empty */
bool pg_call_is_sync(const struct call *c);
bool pg_call_is_ours(const struct call *c);

/* The first error since the last sync. The text outlives is_set, until the next note. */
struct failure {
    bool is_set;
    char sqlstate[6];
    struct buf text;
};

void pg_failure_note(struct failure *f, const char *sqlstate, const char *text, const char *detail);
void pg_failure_tell(const struct failure *f, struct pg_result *r);

/* The delay before the next attempt: half of it is jitter, because the clients of one server must not come back in
 * step. *delay_ms doubles up to 5 s; BACKOFF_FIRST_MS starts anew. */
enum { BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 5000 };
unsigned pg_backoff_next(unsigned *delay_ms);

/* "a,b,c" from its element number `first` on: "b,c,a" for 1. In the arena. */
const char *pg_list_turn(const char *list, unsigned first, struct arena *a);

/* The parameter as it is sent; valid until the column is changed. */
const char *pg_column_close(struct pg_column *c, size_t *len_r);

/* libpq's messages run over several lines; this is the same text on one. The caller frees it. */
char *pg_one_line(const char *message);

#endif
