/* link.c - the runner's end of the socket pair to its agent: one binary message per packet (PROTOCOL "runner.*").
 *
 * The agent may be slow to read. Of runner.spooled only the latest counts, so what does not fit is told once there
 * is room: nothing queues up here. */
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
    int fd;
    struct watch *watch;
    const struct link_hooks *hooks;
    void *arg;
    uint64_t seq, offset;     /* spooled */
    uint64_t told_seq;
    struct buf ended;         /* the encoded result until it is sent */
};

/* 0: sent; -1: no room now. A broken socket shows when it is read. */
static int packet_send(struct link *k, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type };
    struct buf packet = { 0 };
    ssize_t n;

    msg_to_bin(&head, message, MSG_MINOR, &packet);
    n = send(k->fd, packet.data, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_fini(&packet);
    return n < 0 && (errno == EAGAIN || errno == ENOBUFS) ? -1 : 0;
}

static void link_flush(struct link *k)
{
    bool is_full = false;

    if (k->told_seq < k->seq) {
        const struct msg_runner_spooled m = { .seq = (int64_t)k->seq, .offset = (int64_t)k->offset };

        is_full = packet_send(k, MSG_RUNNER_SPOOLED, &m) < 0;
        if (!is_full)
            k->told_seq = k->seq;
    }
    if (!is_full && k->ended.len) {
        is_full = send(k->fd, k->ended.data, k->ended.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
                  (errno == EAGAIN || errno == ENOBUFS);
        if (!is_full)
            buf_fini(&k->ended);
    }
    if (k->watch)
        watch_events(k->watch, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

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
    if (n <= 0) {
        watch_free(&k->watch);
        k->hooks->on_closed(k->arg);
        return;
    }
    if (msg_dispatch_bin(handlers, ARRAY_LEN(handlers), k, FROM_AGENT, NULL, packet, (size_t)n, &e))
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

struct link *link_new(struct loop *l, int fd, const struct link_hooks *hooks, void *arg)
{
    struct link *k = mem_zalloc(sizeof(*k));

    *k = (struct link){ .fd = fd, .hooks = hooks, .arg = arg };
    k->watch = loop_watch(l, fd, EPOLLIN, on_link, k);
    return k;
}

void link_free(struct link **k)
{
    if (*k) {
        watch_free(&(*k)->watch);
        buf_fini(&(*k)->ended);
        close((*k)->fd);
    }
    mem_free(k);
}

void link_tell_spooled(struct link *k, uint64_t seq, uint64_t offset)
{
    k->seq = seq;
    k->offset = offset;
    link_flush(k);
}

void link_tell_ended(struct link *k, const struct msg_runner_ended *ended)
{
    const struct msg_head head = { .type = MSG_RUNNER_ENDED };

    msg_to_bin(&head, ended, MSG_MINOR, &k->ended);
    link_flush(k);
}
