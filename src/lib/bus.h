/* bus.h - ZeroMQ between Orion's processes: ROUTER (mandatory), DEALER, XPUB and SUB on one event loop.
 *
 * Moves bytes and an opaque peer id; never learns what a message means. Every queue is bounded: a send that
 * finds the queue full, the peer gone or nobody connected returns -1 at once and the caller decides. An XPUB drops
 * for the subscriber whose queue is full: what is published must be found again by other means.
 * Create a bus only after fork: a ZeroMQ context does not survive one.
 *
 * Callbacks may send, pause and close, their own socket included; only bus_free is forbidden in them. A message with
 * more parts than its kind has, or from a peer without a 16-byte identity, is dropped and logged at debug. */
#ifndef ORION_LIB_BUS_H
#define ORION_LIB_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/loop.h"

struct bus;
struct bus_socket;

enum bus_kind { BUS_ROUTER, BUS_DEALER, BUS_XPUB, BUS_SUB };

/* A DEALER's identity, random for each socket it opens, as a ROUTER sees it. */
struct bus_peer {
    uint8_t id[16];
};

struct bus_frame {
    const struct bus_peer *peer; /* ROUTER only, else NULL */
    const uint8_t *topic;        /* SUB: topic of the message. XPUB: the topic (un)subscribed, data is "1" or "0" */
    size_t topic_len;
    const uint8_t *data;
    size_t len;
};
typedef void bus_fn(void *arg, const struct bus_frame *frame);

struct bus *bus_new(struct loop *l);
void bus_free(struct bus **b);    /* closes its sockets; what is queued is given up */

/* `endpoint`: ipc://PATH (mode 0600; at most 107 bytes) or tcp://HOST:PORT. A socket file that nobody listens on any
 * more is replaced, one in use is ERR_CONFLICT. A connect succeeds at once, whoever is there, and reconnects for
 * ever. queue_max: messages queued per peer, both ways. */
struct bus_socket *bus_bind(struct bus *b, enum bus_kind kind, const char *endpoint, int queue_max, bus_fn *fn,
                            void *arg, struct err *e);
struct bus_socket *bus_connect(struct bus *b, enum bus_kind kind, const char *endpoint, int queue_max, bus_fn *fn,
                               void *arg, struct err *e);
void bus_close(struct bus_socket **s);

#define BUS_MESSAGE_MAX (4 << 20)

/* ROUTER: `to` names the peer; DEALER: NULL. 0, or -1 with errno EAGAIN (queue full, nobody connected),
 * EHOSTUNREACH (that peer is gone) or EMSGSIZE (over BUS_MESSAGE_MAX, which the peer would refuse). */
int bus_send(struct bus_socket *s, const struct bus_peer *to, const void *data, size_t len);
int bus_publish(struct bus_socket *s, const void *topic, size_t topic_len, const void *data, size_t len);
void bus_subscribe(struct bus_socket *s, const void *topic, size_t topic_len);
void bus_unsubscribe(struct bus_socket *s, const void *topic, size_t topic_len);

/* Stop or go on reading a socket (back-pressure): while paused its peers' queues fill up. */
void bus_pause(struct bus_socket *s, bool paused);

#endif
