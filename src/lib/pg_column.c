/* pg_column.c - an array parameter in the server's binary form: what it would parse from text it takes as it is.
 *
 * Given values, makes one parameter for a set-based statement (`unnest($1::uuid[])`). The numbers of the types are
 * the server's own and never change (pg_type.dat); the form is that of array_recv. No I/O. */
#include <endian.h>
#include <string.h>

#include "lib/pg_impl.h"

enum { HEADER = 20 };
#define EPOCH_2000_MS INT64_C(946684800000)

struct header {
    uint32_t dimensions, has_null, type, length, first;
};

static void add(struct pg_column *c, enum pg_type type, const void *data, size_t len)
{
    uint32_t size = htobe32(data ? (uint32_t)len : UINT32_MAX);
    char *to = buf_reserve(&c->data, HEADER + sizeof size + len), *at = to;

    if (c->data.len == 0)
        at += HEADER;
    memcpy(at, &size, sizeof size);
    at += sizeof size;
    if (data) {
        memcpy(at, data, len);
        at += len;
    }
    buf_commit(&c->data, (size_t)(at - to));
    c->type = type;
    c->has_null |= !data;
    c->n++;
}

void pg_column_null(struct pg_column *c, enum pg_type type)
{
    add(c, type, NULL, 0);
}

void pg_column_text(struct pg_column *c, const char *text)
{
    add(c, PG_TEXT, text, text ? strlen(text) : 0);
}

void pg_column_bytes(struct pg_column *c, const void *data, size_t len)
{
    add(c, PG_BYTEA, data, len);
}

void pg_column_uuid(struct pg_column *c, const struct uuid *id)
{
    add(c, PG_UUID, id->b, sizeof id->b);
}

void pg_column_bool(struct pg_column *c, bool is_true)
{
    const char b = is_true;

    add(c, PG_BOOL, &b, 1);
}

void pg_column_int(struct pg_column *c, enum pg_type type, int64_t n)
{
    uint32_t four = htobe32((uint32_t)n);
    uint64_t eight = htobe64((uint64_t)n);

    if (type == PG_INT4)
        add(c, type, &four, sizeof four);
    else
        add(c, type, &eight, sizeof eight);
}

void pg_column_time(struct pg_column *c, int64_t wall_ms)
{
    uint64_t us = htobe64((uint64_t)((wall_ms - EPOCH_2000_MS) * 1000));

    add(c, PG_TIMESTAMPTZ, &us, sizeof us);
}

const char *pg_column_close(struct pg_column *c, size_t *len_r)
{
    const struct header h = { htobe32(1), htobe32(c->has_null), htobe32((uint32_t)c->type), htobe32(c->n), htobe32(1) };

    _Static_assert(sizeof h == HEADER, "the header has no padding");
    memcpy(c->data.data, &h, sizeof h);
    *len_r = c->data.len;
    return c->data.data;
}

void pg_column_reset(struct pg_column *c)
{
    buf_reset(&c->data);
    c->n = 0;
    c->has_null = false;
}

void pg_column_fini(struct pg_column *c)
{
    buf_fini(&c->data);
    *c = (struct pg_column){ 0 };
}
