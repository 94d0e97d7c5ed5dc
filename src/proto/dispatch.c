/* dispatch.c - a frame becomes one call of the right handler: finds its row, checks the sender, decodes, calls.
 * The row's `from` column decides who may send; a frame from anybody else is refused before it is decoded. */
#include "proto/dispatch.h"

#include "proto/msg_impl.h"

static const struct msg_handler *handler_find(const struct msg_handler *table, size_t n, enum msg_type type,
                                              unsigned role, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].type != type)
            continue;
        if (table[i].from & role)
            return &table[i];
        err_set(e, ERR_DENIED, "%s may not come from this sender", msg_wire_name(type));
        return NULL;
    }
    err_set(e, ERR_INVALID, "%s is not a message for this process", msg_wire_name(type));
    return NULL;
}

int msg_dispatch_bin(const struct msg_handler *table, size_t n, void *arg, unsigned role, const void *peer,
                     const uint8_t *data, size_t len, struct err *e)
{
    struct msg_from from = { .role = role, .peer = peer };
    const struct msg_handler *h;
    struct arena a = { 0 };
    void *message;
    int rc;

    if (msg_bin_head(data, len, &from.head, e))
        return -1;
    h = handler_find(table, n, from.head.type, role, e);
    if (!h)
        return -1;
    rc = msg_from_bin(data, len, &a, &from.head, &message, e);
    if (!rc)
        rc = h->fn(arg, &from, message, e);
    arena_fini(&a);
    return rc;
}

static int json_call(const struct msg_handler *h, void *arg, struct msg_from *from, const struct msg_json *j,
                     struct err *e)
{
    struct arena a = { 0 };
    void *message = arena_alloc(&a, msg_struct_size(h->type));
    int rc;

    if (msg_json_read(j, h->type, &a, message, e))
        rc = err_prefix(e, "%s", msg_wire_name(h->type));
    else
        rc = h->fn(arg, from, message, e);
    arena_fini(&a);
    return rc;
}

int msg_dispatch_json(const struct msg_handler *table, size_t n, void *arg, unsigned role, const void *peer,
                      const char *data, size_t len, struct err *e)
{
    struct msg_from from = { .role = role, .peer = peer };
    const struct msg_handler *h = NULL;
    struct msg_json *j = msg_json_open(data, len, e);
    int rc = -1;

    if (!j)
        return -1;
    from.head.type = msg_json_named(j, e);
    if (from.head.type != MSG_NONE)
        h = handler_find(table, n, from.head.type, role, e);
    if (h)
        rc = json_call(h, arg, &from, j, e);
    msg_json_close(&j);
    return rc;
}
