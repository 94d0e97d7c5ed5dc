/* key.h - the Idempotency-Key of a call that changes something, and what it is compared by. */
#ifndef ORION_GATEWAY_KEY_H
#define ORION_GATEWAY_KEY_H

#include "lib/hash.h"
#include "proto/msg.h"

struct request;

struct key {
    const char *text;          /* NULL: the call has none */
    struct msg_bytes hash;     /* of the request; in the request's arena */
};

/* What of a request must be the same for it to be the same. */
enum key_scope {
    KEY_BODY,                  /* the path makes tasks, and only tasks */
    KEY_CALL,                  /* method, path and body */
};

int key_read(struct request *r, enum key_scope scope, struct key *key_r, struct err *e);
int key_check(const char *text, struct err *e);

#endif
