/* link.c - the runner's socket in the attempt's folder, and the agent on it: one binary message per packet (PROTOCOL
 * "runner.*").
 *
 * An agent process that connects is told what is here (runner.hello) and takes the place of the one before. Without
 * one nothing is missed: of runner.spooled only the latest counts, which is also what does not fit is told by once
 * there is room, and the result stands in a file. Nothing queues up here. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/runner/runner.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "proto/dispatch.h"

enum { PACKET_MAX = 4096 };

struct link {
    struct loop *loop;
    const struct msg_runner_job *order;
    int listener;
    struct watch *listening;
    int fd;                   /* the agent; -1: none */
    struct watch *watch;
    const struct link_hooks *hooks;
    void *arg;
    uint64_t seq, offset;     /* spooled */
    uint64_t told_seq;        /* to this agent */
};

static void link_hang_up(struct link *k)
{
    watch_free(&k->watch);
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
}

/* --- sending --------------------------------------------------------------------------------------- */

/* 0: sent; -1: no room now, or nobody there. A broken socket shows when it is read. */
static int packet_send(struct link *k, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type };
    struct buf packet = { 0 };
    ssize_t n = -1;

    msg_to_bin(&head, message, MSG_MINOR, &packet);
    if (k->fd >= 0)
        n = send(k->fd, packet.data, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_fini(&packet);
    return n < 0 ? -1 : 0;
}

static void link_flush(struct link *k)
{
    const struct msg_runner_spooled m = { .seq = (int64_t)k->seq, .offset = (int64_t)k->offset };
    bool is_full = false;

    if (k->told_seq < k->seq) {
        is_full = packet_send(k, MSG_RUNNER_SPOOLED, &m) < 0;
        if (!is_full)
            k->told_seq = k->seq;
    }
    if (k->watch)
        watch_events(k->watch, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void link_tell_spooled(struct link *k, uint64_t seq, uint64_t offset)
{
    k->seq = seq;
    k->offset = offset;
    link_flush(k);
}

bool link_tell_ended(struct link *k, const struct msg_runner_ended *ended)
{
    link_flush(k);
    return packet_send(k, MSG_RUNNER_ENDED, ended) == 0;
}

/* --- what the agent says --------------------------------------------------------------------------- */

static int handle_runner_trim(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_runner_trim *m = message;
    struct link *k = arg;

    (void)from;
    (void)e;
    k->hooks->on_trim(k->arg, (uint64_t)m->seq, (uint64_t)m->offset);
    return 0;
}

static int handle_runner_stop(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_runner_stop *m = message;
    struct link *k = arg;

    (void)from;
    (void)e;
    k->hooks->on_stop(k->arg, m->reason);
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_RUNNER_TRIM, FROM_AGENT, handle_runner_trim },
    { MSG_RUNNER_STOP, FROM_AGENT, handle_runner_stop },
};

static void link_read(struct link *k)
{
    uint8_t packet[PACKET_MAX];
    struct err e = { 0 };
    ssize_t n = recv(k->fd, packet, sizeof(packet), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        link_hang_up(k);
    else if (msg_dispatch_bin(handlers, ARRAY_LEN(handlers), k, FROM_AGENT, NULL, packet, (size_t)n, &e))
        log_warn("bad message from the agent", log_err(&e));
}

static void on_link(void *arg, uint32_t events)
{
    struct link *k = arg;

    if (events & EPOLLOUT)
        link_flush(k);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        link_read(k);
}

/* --- life ------------------------------------------------------------------------------------------ */

static void on_connection(void *arg, uint32_t events)
{
    struct link *k = arg;
    const int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const struct msg_runner_hello m = { .task_id = k->order->task_id,
                                        .attempt = k->order->attempt,
                                        .pid = getpid(),
                                        .seq = (int64_t)k->seq,
                                        .offset = (int64_t)k->offset };

    (void)events;
    if (fd < 0)
        return;
    link_hang_up(k);
    k->fd = fd;
    k->watch = loop_watch(k->loop, fd, EPOLLIN, on_link, k);
    packet_send(k, MSG_RUNNER_HELLO, &m);
    k->told_seq = k->seq;
}

struct link *link_new(struct loop *l, int listener, const struct msg_runner_job *order, const struct link_hooks *hooks,
                      void *arg)
{
    struct link *k = mem_zalloc(sizeof(*k));

    *k = (struct link){ .loop = l, .order = order, .listener = listener, .fd = -1, .hooks = hooks, .arg = arg };
    k->listening = loop_watch(l, listener, EPOLLIN, on_connection, k);
    return k;
}

void link_free(struct link **k)
{
    if (*k) {
        link_hang_up(*k);
        watch_free(&(*k)->listening);
        close((*k)->listener);
    }
    mem_free(k);
}
