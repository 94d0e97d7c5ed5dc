/* db_columns.c - values into the columns of a statement, and the statement on its way. */
#include "scheduler/db_columns.h"

void row_begin(struct columns *c)
{
    c->at = 0;
    c->rows++;
}

struct pg_column *column_next(struct columns *c)
{
    struct pg_column *v = &c->v[c->at++];

    if (c->n < c->at)
        c->n = c->at;
    return v;
}

void put_text(struct columns *c, const char *text)
{
    pg_column_text(column_next(c), text);
}

void put_int(struct columns *c, int64_t n)
{
    pg_column_int(column_next(c), PG_INT4, n);
}

void put_big(struct columns *c, int64_t n)
{
    pg_column_int(column_next(c), PG_INT8, n);
}

void put_count(struct columns *c, enum pg_type type, int64_t n)
{
    if (n < 0)
        pg_column_null(column_next(c), type);
    else
        pg_column_int(column_next(c), type, n);
}

void put_positive(struct columns *c, enum pg_type type, int64_t n)
{
    put_count(c, type, n ? n : -1);
}

void put_bool(struct columns *c, bool is_true)
{
    pg_column_bool(column_next(c), is_true);
}

void put_true(struct columns *c, bool is_true)
{
    if (is_true)
        pg_column_bool(column_next(c), true);
    else
        pg_column_null(column_next(c), PG_BOOL);
}

void put_time(struct columns *c, int64_t ms)
{
    if (ms)
        pg_column_time(column_next(c), ms);
    else
        pg_column_null(column_next(c), PG_TIMESTAMPTZ);
}

void put_id(struct columns *c, const struct uuid *id)
{
    if (uuid_is_nil(id))
        pg_column_null(column_next(c), PG_UUID);
    else
        pg_column_uuid(column_next(c), id);
}

void put_hash(struct columns *c, const struct hash *hash)
{
    if (hash)
        pg_column_bytes(column_next(c), hash->b, sizeof hash->b);
    else
        pg_column_null(column_next(c), PG_BYTEA);
}

void put_list(struct columns *c, struct pg_array *list)
{
    put_text(c, list->text.len ? pg_array_text(list) : NULL);
    pg_array_fini(list);
}

void put_strs(struct columns *c, struct msg_strs strs)
{
    struct pg_array list = { 0 };

    for (size_t i = 0; i < strs.n; i++)
        pg_array_str(&list, strs.v[i]);
    put_list(c, &list);
}

void put_pairs(struct columns *c, const struct msg_pair *pairs, size_t n)
{
    struct pg_array list = { 0 };

    for (size_t i = 0; i < n; i++) {
        pg_array_str(&list, pairs[i].key);
        pg_array_str(&list, pairs[i].value);
    }
    put_list(c, &list);
}

void columns_call(struct pg *pg, enum db_stmt stmt, struct columns *c)
{
    if (c->rows)
        pg_call_columns(pg, stmt, c->v, c->n, NULL, NULL);
    for (int i = 0; i < c->n; i++)
        pg_column_fini(&c->v[i]);
}
