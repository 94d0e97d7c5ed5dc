/* peers.c - the processes on the bus: who said hello, under which number the core knows them, who fell silent.
 *
 * Numbers are never used again, so a route of the core can only reach the peer it was made for. */
#include <errno.h>
#include <string.h>

#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/table.h"
#include "proto/dispatch.h"
#include "scheduler/scheduler.h"

enum {
    QUEUE_MAX = 20000,
    PEERS_MAX = 4096,
    ROUND_MS = 1000,
    SILENT_MS = 5000,        /* its agents count as gone, until they are heard */
    FORGET_MS = 600000,      /* it must say hello again, under a new number */
};

struct peer {
    struct bus_peer id;
    uint64_t number;
    unsigned role;           /* FROM_GATEWAY or FROM_LOGSINK */
    char *name;
    int minor;
    uint64_t heard_ms;
    bool is_silent;
    bool is_untold;          /* who leads is news that it has not got: its queue was full */
};

struct peers {
    struct scheduler *s;
    struct bus *bus;
    struct bus_socket *socket;
    struct timer *timer;
    const struct msg_handler *table;
    size_t n_table;
    struct table by_id, by_number;
    uint64_t last_number;
    uint64_t due_ms;         /* of the timer's next round */
    struct buf out;          /* reused for every message */
};

static struct uuid id_key(const struct bus_peer *id)
{
    struct uuid key;

    memcpy(key.b, id->id, sizeof key.b);
    return key;
}

static struct peer *by_number(const struct peers *p, uint64_t number)
{
    struct uuid key = table_key_number(number);

    return table_get(&p->by_number, &key);
}

static void peer_free(struct peers *p, struct peer *peer)
{
    struct uuid id = id_key(&peer->id), number = table_key_number(peer->number);

    table_remove(&p->by_id, &id);
    table_remove(&p->by_number, &number);
    mem_free(&peer->name);
    mem_free(&peer);
}

/* --- out ------------------------------------------------------------------------------------------------------- */

/* What is dropped is asked for again: submissions and facts are repeated, assignments have their deadline. */
static int send_to(struct peers *p, const struct peer *peer, uint64_t conn, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type, .epoch = (uint64_t)shell_epoch(p->s->shell), .conn = conn };

    buf_reset(&p->out);
    msg_to_bin(&head, message, peer->minor, &p->out);
    if (bus_send(p->socket, &peer->id, p->out.data, p->out.len) == 0)
        return 0;
    log_debug("message dropped", log_str("peer", peer->name), log_str("message", msg_wire_name(type)),
              log_int("errno", errno));
    return -1;
}

void peers_send(struct peers *p, struct route to, enum msg_type type, const void *message)
{
    const struct peer *peer = by_number(p, to.peer);

    if (peer)
        send_to(p, peer, to.conn, type, message);
}

void peers_send_sink(struct peers *p, const char *sink, enum msg_type type, const void *message)
{
    const struct peer *peer, *latest = NULL;

    for (size_t at = 0; (peer = table_next(&p->by_number, &at));)
        if (peer->role == FROM_LOGSINK && strcmp(peer->name, sink) == 0 && (!latest || latest->number < peer->number))
            latest = peer;
    if (latest)
        send_to(p, latest, 0, type, message);
}

uint64_t peers_sink_heard(const struct peers *p, const char *sink)
{
    const struct peer *peer;
    uint64_t heard_ms = 0;

    for (size_t at = 0; (peer = table_next(&p->by_number, &at));)
        if (peer->role == FROM_LOGSINK && strcmp(peer->name, sink) == 0 && peer->heard_ms > heard_ms)
            heard_ms = peer->heard_ms;
    return heard_ms;
}

const char *peers_name(const struct peers *p, uint64_t number)
{
    const struct peer *peer = by_number(p, number);

    return peer ? peer->name : NULL;
}

/* Nobody asks again who leads. */
static void welcome(struct peers *p, struct peer *peer)
{
    const struct msg_bus_welcome m = {
        .role = "scheduler", .name = p->s->settings->name, .major = MSG_MAJOR, .minor = MSG_MINOR,
        .leader = shell_epoch(p->s->shell) != 0, .has = { .leader = true }, .wall_ms = clock_wall_ms(),
    };

    peer->is_untold = send_to(p, peer, 0, MSG_BUS_WELCOME, &m) < 0;
}

void peers_announce(struct peers *p)
{
    struct peer *peer;

    for (size_t at = 0; (peer = table_next(&p->by_number, &at));)
        welcome(p, peer);
}

void peers_pong(struct peers *p, uint64_t number, int64_t token)
{
    const struct peer *peer = by_number(p, number);
    const struct msg_bus_pong m = { .token = token };

    if (peer)
        send_to(p, peer, 0, MSG_BUS_PONG, &m);
}

/* --- in --------------------------------------------------------------------------------------------------------- */

static struct peer *peer_new(struct peers *p, const struct bus_peer *id)
{
    struct uuid key = id_key(id), number;
    struct peer *peer = mem_zalloc(sizeof *peer);

    peer->id = *id;
    peer->number = ++p->last_number;
    number = table_key_number(peer->number);
    table_put(&p->by_id, &key, peer);
    table_put(&p->by_number, &number, peer);
    return peer;
}

void peers_hello(struct peers *p, const struct arrival *a, const struct msg_bus_hello *m)
{
    struct uuid key = id_key(a->frame->peer);
    struct peer *peer = table_get(&p->by_id, &key);

    if (m->major != MSG_MAJOR) {
        log_error("peer speaks another protocol", log_str("name", m->name), log_int("major", m->major));
        return;
    }
    if (!peer && p->by_id.used >= PEERS_MAX) {
        log_error("too many peers", log_str("name", m->name));
        return;
    }
    if (!peer) {
        peer = peer_new(p, a->frame->peer);
        log_info("peer is here", log_str("role", m->role), log_str("name", m->name));
    }
    mem_free(&peer->name);
    peer->name = mem_strdup(m->name);
    peer->role = strcmp(m->role, "logsink") == 0 ? FROM_LOGSINK : FROM_GATEWAY;
    peer->minor = m->minor < MSG_MINOR ? (int)m->minor : MSG_MINOR;
    peer->heard_ms = clock_boot_ms();
    welcome(p, peer);
    if (peer->role == FROM_LOGSINK)
        seals_again(p->s->seals, peer->name);
}

/* What a gateway sends for one of its connections comes from that agent. */
static unsigned role_of(const struct peer *peer, const struct msg_head *head)
{
    if (!peer)
        return FROM_GATEWAY | FROM_LOGSINK;
    return peer->role == FROM_GATEWAY && head->conn ? FROM_GATEWAY | FROM_AGENT : peer->role;
}

static void on_frame(void *arg, const struct bus_frame *frame)
{
    struct peers *p = arg;
    struct uuid key = id_key(frame->peer);
    struct peer *peer = table_get(&p->by_id, &key);
    const struct arrival a = { peer ? peer->number : 0, frame };
    struct err e = { 0 };
    struct msg_head head;

    if (msg_bin_head(frame->data, frame->len, &head, &e) < 0) {
        log_warn("frame dropped", log_str("peer", peer ? peer->name : "unknown"), log_err(&e));
        return;
    }
    if (!peer && head.type != MSG_BUS_HELLO)
        return;   /* its pings stay unanswered, so it will say hello */
    if (peer) {
        peer->heard_ms = clock_boot_ms();
        peer->is_silent = false;
    }
    if (msg_dispatch_bin(p->table, p->n_table, p->s, role_of(peer, &head), &a, frame->data, frame->len, &e) < 0)
        log_warn("message refused", log_str("peer", peer ? peer->name : "unknown"), log_err(&e));
}

static struct peer *peer_to_forget(const struct peers *p, uint64_t now)
{
    struct peer *peer;

    for (size_t at = 0; (peer = table_next(&p->by_number, &at));)
        if (now - peer->heard_ms > FORGET_MS)
            return peer;
    return NULL;
}

static void next_round(struct peers *p)
{
    p->due_ms = clock_boot_ms() + ROUND_MS;
    timer_in(p->timer, ROUND_MS);
}

/* This process was stopped: what was said meanwhile is not read yet. */
static void after_sleep(struct peers *p, uint64_t now)
{
    struct peer *peer;

    for (size_t at = 0; (peer = table_next(&p->by_number, &at));)
        peer->heard_ms = now;
}

/* A process that is gone cannot tell that its agents' sockets are closed. */
static void on_timer(void *arg)
{
    struct peers *p = arg;
    uint64_t now = clock_boot_ms();
    struct peer *peer;

    if (now > p->due_ms + ROUND_MS)
        after_sleep(p, now);
    while ((peer = peer_to_forget(p, now)))
        peer_free(p, peer);
    for (size_t at = 0; (peer = table_next(&p->by_number, &at));) {
        if (peer->is_untold)
            welcome(p, peer);
        if (peer->is_silent || now - peer->heard_ms <= SILENT_MS)
            continue;
        peer->is_silent = true;
        log_warn("peer is silent", log_str("name", peer->name));
        clocks_peer_gone(p->s->clocks, peer->number);
    }
    next_round(p);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct peers *peers_open(struct scheduler *s, const struct msg_handler *table, size_t n, struct err *e)
{
    struct peers *p = mem_zalloc(sizeof *p);

    p->s = s;
    p->table = table;
    p->n_table = n;
    p->bus = bus_new(s->loop);
    p->socket = bus_bind(p->bus, BUS_ROUTER, s->settings->listen, QUEUE_MAX, on_frame, p, e);
    if (!p->socket) {
        peers_close(&p);
        return NULL;
    }
    p->timer = loop_timer(s->loop, on_timer, p);
    next_round(p);
    return p;
}

void peers_close(struct peers **pp)
{
    struct peers *p = *pp;
    struct peer *peer;

    if (!p)
        return;
    for (size_t at = 0; (peer = table_next(&p->by_number, &at)); at = 0)
        peer_free(p, peer);
    table_fini(&p->by_id);
    table_fini(&p->by_number);
    timer_free(&p->timer);
    if (p->socket)
        bus_close(&p->socket);
    bus_free(&p->bus);
    buf_fini(&p->out);
    mem_free(pp);
}
