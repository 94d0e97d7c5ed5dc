/* control.c - the ROUTER that gateways' workers connect to: hellos, pings, chunks of their agents, reads.
 *
 * A peer that has not said hello is not answered: its unanswered pings make it say hello again. */
#include <string.h>

#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/logsink.h"
#include "proto/dispatch.h"

#define CONTROL_PEERS_MAX 256
#define CONTROL_SILENCE_MS 10000   /* a peer pings each second: one that did not for so long is gone */

struct peer {
    struct bus_peer id;
    int minor;
    uint64_t heard_ms;
};

struct control {
    struct bus_socket *socket;
    struct peer peers[CONTROL_PEERS_MAX];
    size_t n;
};

static struct peer *find(struct control *c, const struct bus_peer *id)
{
    for (size_t i = 0; i < c->n; i++)
        if (memcmp(&c->peers[i].id, id, sizeof(*id)) == 0)
            return &c->peers[i];
    return NULL;
}

static void forget_silent(struct control *c, uint64_t now_ms)
{
    for (size_t i = 0; i < c->n;) {
        if (now_ms - c->peers[i].heard_ms >= CONTROL_SILENCE_MS)
            c->peers[i] = c->peers[--c->n];
        else
            i++;
    }
}

static struct peer *add(struct control *c, const struct bus_peer *id)
{
    uint64_t now_ms = clock_boot_ms();
    forget_silent(c, now_ms);
    if (c->n == CONTROL_PEERS_MAX)
        return NULL;
    struct peer *p = &c->peers[c->n++];
    *p = (struct peer){ .id = *id, .heard_ms = now_ms };
    return p;
}

int control_send(struct sink *s, const struct bus_peer *to, uint64_t conn, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type, .conn = conn };
    const struct peer *p = find(s->control, to);
    if (!p)
        return -1;
    buf_reset(&s->out);
    msg_to_bin(&head, message, p->minor, &s->out);
    return bus_send(s->control->socket, to, s->out.data, s->out.len);
}

static int handle_bus_hello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct sink *s = arg;
    const struct msg_bus_hello *m = message;
    if (m->major != MSG_MAJOR)
        return err_set(e, ERR_CONFLICT, "%s speaks protocol %d, this sink %d", m->name, (int)m->major, MSG_MAJOR);
    struct peer *p = find(s->control, from->peer);
    if (!p)
        p = add(s->control, from->peer);
    if (!p)
        return err_set(e, ERR_UNAVAILABLE, "more than %d peers", CONTROL_PEERS_MAX);
    p->minor = m->minor < MSG_MINOR ? (int)m->minor : MSG_MINOR;
    const struct msg_bus_welcome welcome = { .role = "logsink", .name = s->settings->name, .major = MSG_MAJOR,
                                             .minor = MSG_MINOR, .wall_ms = clock_wall_ms() };
    (void)control_send(s, from->peer, 0, MSG_BUS_WELCOME, &welcome);
    return 0;
}

static int handle_bus_ping(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    const struct msg_bus_ping *m = message;
    const struct msg_bus_pong pong = { .token = m->token };
    (void)control_send(arg, from->peer, 0, MSG_BUS_PONG, &pong);
    return 0;
}

static int handle_log_chunk(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct sink *s = arg;
    const struct msg_log_chunk *m = message;
    if (strcmp(m->sink, s->settings->name) != 0)
        return err_field(e, "sink", "a chunk for %s came to %s", m->sink, s->settings->name);
    if (m->head.len != sizeof(struct hash))
        return err_field(e, "head", "a chunk's head has %zu bytes", m->head.len);
    if (m->seq == 0 || m->attempt == 0)
        return err_field(e, "seq", "chunks and attempts are numbered from 1");
    intake_chunk(s, from->peer, from->head.conn, m);
    return 0;
}

static int handle_log_base(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct sink *s = arg;
    const struct msg_log_base *m = message;
    if (strcmp(m->sink, s->settings->name) != 0)
        return err_field(e, "sink", "a base for %s came to %s", m->sink, s->settings->name);
    if (m->head.len != sizeof(struct hash))
        return err_field(e, "head", "a base's head has %zu bytes", m->head.len);
    if (m->attempt == 0)
        return err_field(e, "attempt", "attempts are numbered from 1");
    intake_base(s, from->peer, from->head.conn, m);
    return 0;
}

static int handle_log_read(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    follow_read(arg, from->peer, from->head.conn, message);
    return 0;
}

static int handle_log_list(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_log_list *m = message;
    if (m->has.seq + m->has.offset + m->has.time_ns != 1)
        return err_field(e, "seq", "a list begins at one of seq, offset and time_ns");
    follow_list(arg, from->peer, from->head.conn, m);
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_BUS_HELLO, FROM_GATEWAY, handle_bus_hello },
    { MSG_BUS_PING, FROM_GATEWAY, handle_bus_ping },
    { MSG_LOG_CHUNK, FROM_AGENT, handle_log_chunk },
    { MSG_LOG_BASE, FROM_AGENT, handle_log_base },
    { MSG_LOG_READ, FROM_GATEWAY, handle_log_read },
    { MSG_LOG_LIST, FROM_GATEWAY, handle_log_list },
};

static void on_frame(void *arg, const struct bus_frame *frame)
{
    struct sink *s = arg;
    struct msg_head head;
    struct err e = { 0 };
    struct peer *p = find(s->control, frame->peer);
    if (msg_bin_head(frame->data, frame->len, &head, &e) == 0) {
        if (!p && head.type != MSG_BUS_HELLO)
            return;
        if (p)
            p->heard_ms = clock_boot_ms();
        /* What comes over a worker with the number of an agent's connection is that agent's. */
        unsigned role = head.conn ? FROM_AGENT : FROM_GATEWAY;
        if (msg_dispatch_bin(handlers, ARRAY_LEN(handlers), s, role, frame->peer, frame->data, frame->len, &e) == 0)
            return;
    }
    log_warn("message refused", log_err(&e));
}

int control_open(struct sink *s, struct err *e)
{
    s->control = mem_zalloc(sizeof(*s->control));
    s->control->socket = bus_bind(s->bus, BUS_ROUTER, s->settings->listen, SINK_QUEUE_MAX, on_frame, s, e);
    return s->control->socket ? 0 : -1;
}

void control_close(struct control **c)
{
    if (!*c)
        return;
    bus_close(&(*c)->socket);
    mem_free(c);
}

void control_pause(struct control *c)
{
    bus_pause(c->socket, true);
}
