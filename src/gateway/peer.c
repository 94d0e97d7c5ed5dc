/* peer.c - one server on the bus as its client sees it. Implements PROTOCOL "between processes: who is there". */
#include "gateway/peer.h"

#include "lib/bus.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { QUEUE_MAX = 4096, PING_MS = 1000, PINGS_UNANSWERED_MAX = 3 };

struct peer {
    struct bus_socket *socket;
    struct timer *timer;
    const struct peer_hooks *hooks;
    void *arg;
    char *endpoint;
    char *own_name;
    bool is_here;
    int minor;             /* what it understands */
    int unanswered;
    int64_t token;
    struct buf out;        /* reused for every message */
};

static int encode_and_send(struct peer *p, enum msg_type type, uint64_t conn, const void *message)
{
    const struct msg_head head = { .type = type, .conn = conn };

    buf_reset(&p->out);
    msg_to_bin(&head, message, p->minor, &p->out);
    return bus_send(p->socket, NULL, p->out.data, p->out.len);
}

int peer_send(struct peer *p, enum msg_type type, uint64_t conn, const void *message)
{
    return p->is_here ? encode_and_send(p, type, conn, message) : -1;
}

int peer_send_frame(struct peer *p, const void *data, size_t len)
{
    return p->is_here ? bus_send(p->socket, NULL, data, len) : -1;
}

bool peer_is_here(const struct peer *p)
{
    return p->is_here;
}

static void say_hello(struct peer *p)
{
    const struct msg_bus_hello hello = { .role = "gateway", .name = p->own_name, .major = MSG_MAJOR,
                                         .minor = MSG_MINOR };

    encode_and_send(p, MSG_BUS_HELLO, 0, &hello);
}

static void on_timer(void *arg)
{
    struct peer *p = arg;

    if (p->is_here && p->unanswered >= PINGS_UNANSWERED_MAX) {
        p->is_here = false;
        log_warn("peer does not answer", log_str("endpoint", p->endpoint));
        p->hooks->on_absent(p->arg);
    }
    if (p->is_here) {
        const struct msg_bus_ping ping = { .token = ++p->token };
        p->unanswered++;
        encode_and_send(p, MSG_BUS_PING, 0, &ping);
    } else {
        say_hello(p);
    }
    timer_in(p->timer, PING_MS);
}

static void take_welcome(struct peer *p, const struct msg_head *head, const struct msg_bus_welcome *welcome)
{
    if (welcome->major != MSG_MAJOR) {
        log_error("peer speaks another protocol", log_str("endpoint", p->endpoint), log_int("major", welcome->major));
        return;
    }
    if (!p->is_here)
        log_info("peer is here", log_str("endpoint", p->endpoint), log_str("name", welcome->name));
    p->is_here = true;
    p->unanswered = 0;
    p->minor = welcome->minor < MSG_MINOR ? (int)welcome->minor : MSG_MINOR;
    p->hooks->on_welcome(p->arg, head, welcome);
}

static void on_frame(void *arg, const struct bus_frame *frame)
{
    struct peer *p = arg;
    struct arena arena = { 0 };
    struct msg_head head;
    struct err e = { 0 };
    void *message;

    if (msg_bin_head(frame->data, frame->len, &head, &e) < 0) {
        log_warn("frame dropped", log_str("endpoint", p->endpoint), log_err(&e));
    } else if (head.type == MSG_BUS_PONG) {
        p->unanswered = 0;
    } else if (head.type != MSG_BUS_WELCOME) {
        p->hooks->on_frame(p->arg, frame->data, frame->len);
    } else if (msg_from_bin(frame->data, frame->len, &arena, &head, &message, &e) < 0) {
        log_warn("welcome dropped", log_str("endpoint", p->endpoint), log_err(&e));
    } else {
        take_welcome(p, &head, message);
    }
    arena_fini(&arena);
}

struct peer *peer_open(struct loop *l, struct bus *b, const char *endpoint, const char *own_name,
                       const struct peer_hooks *hooks, void *arg)
{
    struct peer *p = mem_zalloc(sizeof(*p));
    struct err e = { 0 };

    p->hooks = hooks;
    p->arg = arg;
    p->endpoint = mem_strdup(endpoint);
    p->own_name = mem_strdup(own_name);
    p->socket = bus_connect(b, BUS_DEALER, endpoint, QUEUE_MAX, on_frame, p, &e);
    if (!p->socket) {
        log_error("peer cannot be connected", log_str("endpoint", endpoint), log_err(&e));
        peer_close(&p);
        return NULL;
    }
    p->timer = loop_timer(l, on_timer, p);
    timer_in(p->timer, 0);
    return p;
}

void peer_close(struct peer **pp)
{
    struct peer *p = *pp;

    if (!p)
        return;
    timer_free(&p->timer);
    if (p->socket)
        bus_close(&p->socket);
    buf_fini(&p->out);
    mem_free(&p->endpoint);
    mem_free(&p->own_name);
    mem_free(pp);
}
