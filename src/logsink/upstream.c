/* upstream.c - the sink's connections to the schedulers: hello until welcomed, a ping each second, seals, and how the
 * sink is.
 *
 * Whoever leads asks for seals; the highest epoch seen counts, lower ones are dropped. */
#include "lib/bus.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/logsink.h"
#include "proto/dispatch.h"
#include "proto/peers.h"

#define UPSTREAM_PING_MS 1000
#define UPSTREAM_MISSED_MAX 3   /* unanswered pings: nobody is there */
#define UPSTREAM_STATE_MINOR 2  /* older schedulers do not know sink.state */

struct link {
    struct sink *sink;
    struct bus_socket *socket;
    bool is_welcome;
    int minor;
    unsigned unanswered;
};

struct upstream {
    struct sink *sink;
    struct timer *timer;
    uint64_t epoch;
    int64_t token;
    struct link *links;
    size_t n;
};

static void send(struct link *l, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type };
    struct buf *out = &l->sink->out;
    buf_reset(out);
    msg_to_bin(&head, message, l->minor, out);
    (void)bus_send(l->socket, NULL, out->data, out->len);
}

void upstream_send(struct sink *s, int scheduler, enum msg_type type, const void *message)
{
    const struct upstream *u = s->upstream;
    for (size_t i = 0; i < u->n; i++)
        if (scheduler < 0 ? u->links[i].is_welcome : i == (size_t)scheduler)
            send(&u->links[i], type, message);
}

static void send_state(struct link *l)
{
    const struct sink *s = l->sink;
    int64_t open = 0;
    if (!l->is_welcome || l->minor < UPSTREAM_STATE_MINOR)
        return;
    for (const struct lru_node *n = s->attempts.table.oldest; n; n = n->newer)
        open += ((const struct attempt *)n)->in.seal.state == SEAL_OPEN;
    const struct msg_sink_state m = { .state = s->is_full ? "full" : "ok", .free_bytes = (int64_t)disk_free(s->dir_fd),
                                      .logs = open, .has = { .free_bytes = true, .logs = true } };
    send(l, MSG_SINK_STATE, &m);
}

void upstream_tell_state(struct sink *s)
{
    for (size_t i = 0; i < s->upstream->n; i++)
        send_state(&s->upstream->links[i]);
}

static void say_hello(struct link *l)
{
    const struct msg_bus_hello hello = { .role = "logsink", .name = l->sink->settings->name, .major = MSG_MAJOR,
                                         .minor = MSG_MINOR };
    send(l, MSG_BUS_HELLO, &hello);
}

static void tick_ping(void *arg)
{
    struct upstream *u = arg;
    u->token++;
    room_tick(u->sink);
    for (size_t i = 0; i < u->n; i++) {
        struct link *l = &u->links[i];
        const struct msg_bus_ping ping = { .token = u->token };
        if (l->unanswered >= UPSTREAM_MISSED_MAX)
            l->is_welcome = false;
        if (l->is_welcome) {
            l->unanswered++;
            send(l, MSG_BUS_PING, &ping);
        } else {
            say_hello(l);
        }
    }
    timer_in(u->timer, UPSTREAM_PING_MS);
}

static int handle_bus_welcome(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct link *l = arg;
    const struct msg_bus_welcome *m = message;
    (void)from;
    if (m->major != MSG_MAJOR)
        return err_set(e, ERR_CONFLICT, "%s speaks protocol %d, this sink %d", m->name, (int)m->major, MSG_MAJOR);
    if (!l->is_welcome)
        log_info("scheduler found", log_str("scheduler", m->name), log_int("leader", m->leader));
    l->is_welcome = true;
    l->unanswered = 0;
    l->minor = m->minor < MSG_MINOR ? (int)m->minor : MSG_MINOR;
    send_state(l);
    return 0;
}

static int handle_bus_pong(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct link *l = arg;
    (void)from, (void)message, (void)e;
    l->unanswered = 0;
    return 0;
}

static int handle_log_seal(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct link *l = arg;
    (void)from;
    const struct msg_log_seal *m = message;
    if (m->attempt == 0)
        return err_field(e, "attempt", "attempts are numbered from 1");
    sealing_request(l->sink, (int)(l - l->sink->upstream->links), m);
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_BUS_WELCOME, FROM_SCHEDULER, handle_bus_welcome },
    { MSG_BUS_PONG, FROM_SCHEDULER, handle_bus_pong },
    { MSG_LOG_SEAL, FROM_SCHEDULER, handle_log_seal },
};

static void on_frame(void *arg, const struct bus_frame *frame)
{
    struct link *l = arg;
    struct upstream *u = l->sink->upstream;
    struct msg_head head;
    struct err e = { 0 };
    if (msg_bin_head(frame->data, frame->len, &head, &e) == 0) {
        if (head.epoch > u->epoch)
            u->epoch = head.epoch;
        /* A scheduler that led once is there (welcome, pong), but its orders are not obeyed. */
        if (head.type == MSG_LOG_SEAL && head.epoch < u->epoch)
            return;
        if (msg_dispatch_bin(handlers, ARRAY_LEN(handlers), l, FROM_SCHEDULER, NULL, frame->data, frame->len, &e) == 0)
            return;
    }
    log_warn("message refused", log_err(&e));
}

int upstream_open(struct sink *s, struct err *e)
{
    struct arena a = { 0 };
    const char *const *endpoints;
    struct upstream *u = s->upstream = mem_zalloc(sizeof(*u));
    u->sink = s;
    int rc = peers_schedulers(s->settings->schedulers, &a, &endpoints, &u->n, e);
    if (rc == 0)
        u->links = mem_array(u->n + 1, sizeof(*u->links));
    else
        u->n = 0;
    for (size_t i = 0; i < u->n && rc == 0; i++) {
        u->links[i].sink = s;
        u->links[i].socket = bus_connect(s->bus, BUS_DEALER, endpoints[i], SINK_QUEUE_MAX, on_frame, &u->links[i], e);
        rc = u->links[i].socket ? 0 : -1;
    }
    arena_fini(&a);
    if (rc)
        return -1;
    u->timer = loop_timer(s->loop, tick_ping, u);
    tick_ping(u);
    return 0;
}

void upstream_close(struct upstream **u)
{
    if (!*u)
        return;
    for (size_t i = 0; i < (*u)->n; i++)
        if ((*u)->links[i].socket)
            bus_close(&(*u)->links[i].socket);
    if ((*u)->timer)
        timer_free(&(*u)->timer);
    mem_free(&(*u)->links);
    mem_free(u);
}
