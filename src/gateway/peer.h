/* peer.h - one server on the bus (a scheduler's or a sink's ROUTER) as its client sees it: is it there, and the way
 * to it. Says hello until welcomed, pings each second; three unanswered pings mean it is absent. */
#ifndef ORION_GATEWAY_PEER_H
#define ORION_GATEWAY_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct bus;
struct loop;
struct peer;

struct peer_hooks {
    void (*on_welcome)(void *arg, const struct msg_head *head, const struct msg_bus_welcome *welcome);
    void (*on_absent)(void *arg);                                   /* it was here, and is not any more */
    void (*on_frame)(void *arg, const uint8_t *data, size_t len);   /* everything but welcomes and pongs */
};

struct peer *peer_open(struct loop *l, struct bus *b, const char *endpoint, const char *own_name,
                       const struct peer_hooks *hooks, void *arg);   /* NULL: the bus refused; logged */
void peer_close(struct peer **p);
bool peer_is_here(const struct peer *p);
/* 0, or -1: not here, or its queue is full. */
int peer_send(struct peer *p, enum msg_type type, uint64_t conn, const void *message);
int peer_send_frame(struct peer *p, const void *data, size_t len);

#endif
