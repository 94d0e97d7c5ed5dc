/* fanout_door.c - the HTTP server by which the load client of the fan-out bench hands in lines: POSTs with
 * Content-Length, pipelined, each answered when it was taken. One client at a time. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fanout.h"
#include "lib/buf.h"
#include "lib/mem.h"

enum { READ_BYTES = 65536, BODY_MAX = 65536 };

struct door {
    struct loop *loop;
    const struct door_hooks *hooks;
    void *arg;
    int listen_fd, fd;          /* fd -1: nobody is here */
    struct watch *listen_watch, *watch;
    struct buf in;
    bool has_posted;
};

static void client_close(struct door *d)
{
    watch_free(&d->watch);
    close(d->fd);
    d->fd = -1;
    buf_fini(&d->in);
    if (d->has_posted)
        d->hooks->on_left(d->arg);
    d->has_posted = false;
}

/* Bytes of the first request in the buffer, headers included; 0: it is not all there. */
static size_t take_request(struct door *d)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *end = d->in.len ? memmem(d->in.data, d->in.len, "\r\n\r\n", 4) : NULL;

    if (!end)
        return 0;
    size_t head = (size_t)(end - d->in.data) + 4;
    const char *length = memmem(d->in.data, head, name, sizeof(name) - 1);
    size_t len = length ? strtoul(length + sizeof(name) - 1, NULL, 10) : 0;
    if (len == 0 || len > BODY_MAX)
        fanout_die("a POST has %zu bytes, not 1 to %d", len, BODY_MAX);
    if (d->in.len < head + len)
        return 0;
    d->hooks->on_body(d->arg, d->in.data + head, len);
    d->has_posted = true;
    return head + len;
}

static void answer(struct door *d, size_t n)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct buf out = { 0 };

    for (size_t i = 0; i < n; i++)
        buf_append(&out, text, sizeof(text) - 1);
    if (n > 0 && send(d->fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        fanout_die("the load client does not read its answers");
    buf_fini(&out);
}

static void take_all(struct door *d)
{
    size_t n = 0;

    while (d->hooks->may_read(d->arg)) {
        size_t used = take_request(d);
        if (used == 0)
            break;
        buf_consume(&d->in, used);
        n++;
    }
    answer(d, n);
    watch_events(d->watch, d->hooks->may_read(d->arg) ? EPOLLIN : 0);
}

static void on_readable(void *arg, uint32_t events)
{
    struct door *d = arg;
    ssize_t n = recv(d->fd, buf_reserve(&d->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_close(d);
        return;
    }
    buf_commit(&d->in, (size_t)n);
    take_all(d);
}

static void on_connection(void *arg, uint32_t events)
{
    struct door *d = arg;
    int fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return;
    if (d->fd >= 0)
        fanout_die("a second load client came");
    d->fd = fd;
    d->watch = loop_watch(d->loop, fd, EPOLLIN, on_readable, d);
}

void door_go_on(struct door *d)
{
    if (d->fd >= 0)
        take_all(d);
}

struct door *door_open(struct loop *l, int port, const struct door_hooks *hooks, void *arg)
{
    struct door *d = mem_zalloc(sizeof(*d));
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1;

    *d = (struct door){ .loop = l, .hooks = hooks, .arg = arg, .fd = -1 };
    d->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(d->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(d->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(d->listen_fd, 8) < 0)
        fanout_die("cannot listen on port %d: %s", port, strerror(errno));
    d->listen_watch = loop_watch(l, d->listen_fd, EPOLLIN, on_connection, d);
    return d;
}

void door_close(struct door **dp)
{
    struct door *d = *dp;

    if (d->fd >= 0)
        client_close(d);
    watch_free(&d->listen_watch);
    close(d->listen_fd);
    mem_free(dp);
}
