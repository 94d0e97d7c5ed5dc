/* db_columns.h - the parameters of one statement as columns: rows are filled from left to right. A zeroed struct is empty. */
#ifndef ORION_SCHEDULER_DB_COLUMNS_H
#define ORION_SCHEDULER_DB_COLUMNS_H

#include "scheduler/db.h"

struct columns {
    struct pg_column v[PG_COLUMNS_MAX];
    int at, n;
    size_t rows;
};

void row_begin(struct columns *c);
struct pg_column *column_next(struct columns *c);
void put_text(struct columns *c, const char *text);                       /* NULL: NULL */
void put_int(struct columns *c, int64_t n);
void put_big(struct columns *c, int64_t n);
void put_count(struct columns *c, enum pg_type type, int64_t n);          /* -1: NULL */
void put_positive(struct columns *c, enum pg_type type, int64_t n);       /* 0: NULL */
void put_bool(struct columns *c, bool is_true);
void put_true(struct columns *c, bool is_true);                           /* false: NULL */
void put_time(struct columns *c, int64_t ms);                             /* 0: NULL */
void put_id(struct columns *c, const struct uuid *id);                    /* nil: NULL */
void put_hash(struct columns *c, const struct hash *hash);                /* NULL: NULL */
/* Lists inside a row: the array's literal; an empty one is NULL. */
void put_list(struct columns *c, struct pg_array *list);                  /* consumes the list */
void put_strs(struct columns *c, struct msg_strs strs);
void put_pairs(struct columns *c, const struct msg_pair *pairs, size_t n);/* key, value, key, value ... */
/* Sends the statement, if there are rows, and forgets the columns. What goes wrong is told by the commit. */
void columns_call(struct pg *pg, enum db_stmt stmt, struct columns *c);

#endif
