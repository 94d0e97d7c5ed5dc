/* sqlfloor.h - the two ways in which sqlfloor.c writes the same lives. */
#ifndef ORION_BENCH_SQLFLOOR_H
#define ORION_BENCH_SQLFLOOR_H

#include "lib/pg.h"
#include "lib/uuid.h"

/* One transaction. */
struct floor_turn {
    const struct uuid *fresh, *accepted, *ended;
    size_t n_fresh, n_accepted, n_ended;
    pg_fn *done;
    void *arg;
};
/* Where the writer is. */
struct floor_place {
    int64_t epoch, batch, seq;
    struct db_month *month;          /* orion's */
};

struct floor_kind {
    const char *name;
    const char *prepare;             /* SQL, run first */
    const char *place, *events;      /* SQL: the epoch, the last event; NULL: 0 */
    const struct pg_stmt *stmts;
    size_t n_stmts, stmt_setup;      /* stmt_setup: called first */
    void (*set_up)(struct pg *pg, struct floor_place *place);   /* behind it; may be NULL */
    void (*write)(struct pg *pg, const struct floor_turn *t, struct floor_place *place);
};

const struct floor_kind *floor_kind_by_name(const char *name);
extern const struct floor_kind floor_lean, floor_orion;

#endif
