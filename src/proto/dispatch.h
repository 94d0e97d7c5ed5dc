/* dispatch.h - decoded message -> handler: checks that the sender may send it, decodes, calls. */
#ifndef ORION_PROTO_DISPATCH_H
#define ORION_PROTO_DISPATCH_H

#include "proto/msg.h"

struct msg_from {
    unsigned role;          /* one msg_role bit: what the peer said it is (or what its socket makes it) */
    const void *peer;       /* the transport's handle, handed through */
    struct msg_head head;
};
typedef int msg_handler_fn(void *arg, const struct msg_from *from, const void *message, struct err *e);

struct msg_handler {
    enum msg_type type;
    unsigned from;          /* msg_role bits that may send it here */
    msg_handler_fn *fn;     /* `message` is the struct of `type`; it and what it points to are valid during the call */
};

/* -1 with the reason: not decodable, unknown, not allowed from this role, or what the handler said. */
int msg_dispatch_bin(const struct msg_handler *table, size_t n, void *arg, unsigned role, const void *peer,
                     const uint8_t *data, size_t len, struct err *e);
int msg_dispatch_json(const struct msg_handler *table, size_t n, void *arg, unsigned role, const void *peer,
                      const char *data, size_t len, struct err *e);

#endif
