/* listen.c - the master's listening sockets: one SO_REUSEPORT socket per worker slot, never closed by the master, so
 * that connections which wait in a slot's queue survive a worker's death and a reload.
 *
 * First the port is bound once without SO_REUSEPORT: otherwise a second Orion would share it silently. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/gateway.h"

enum { BACKLOG = 1024 };

struct listen {
    unsigned n;
    int fds[];
};

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    socklen_t len;
};

static int address_parse(const char *host, int64_t port, struct address *a_r)
{
    const char *text = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;

    memset(a_r, 0, sizeof(*a_r));
    if (inet_pton(AF_INET, text, &a_r->u.v4.sin_addr) == 1) {
        a_r->u.v4.sin_family = AF_INET;
        a_r->u.v4.sin_port = htons((uint16_t)port);
        a_r->len = sizeof(a_r->u.v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &a_r->u.v6.sin6_addr) == 1) {
        a_r->u.v6.sin6_family = AF_INET6;
        a_r->u.v6.sin6_port = htons((uint16_t)port);
        a_r->len = sizeof(a_r->u.v6);
        return 0;
    }
    return -1;
}

static bool is_loopback(const struct address *a)
{
    if (a->u.any.sa_family == AF_INET)
        return ntohl(a->u.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
}

int listen_check_host(const char *host, struct err *e)
{
    struct address a;

    if (address_parse(host, 0, &a) < 0)
        return err_field(e, "ORION_HOST", "\"%s\" is not an IP address; use 127.0.0.1 or ::1 (--host or ORION_HOST)",
                         host);
    if (!is_loopback(&a))
        return err_field(e, "ORION_HOST", "%s is not a loopback address, and authentication does not exist yet: "
                         "anybody who reaches it could run builds; use 127.0.0.1 or ::1", host);
    return 0;
}

static int set_flag(int fd, int option)
{
    int on = 1;

    return setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on));
}

/* A listening socket, or -1 with errno. */
static int open_socket(const struct address *a, bool is_shared)
{
    int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (set_flag(fd, SO_REUSEADDR) < 0 || (is_shared && set_flag(fd, SO_REUSEPORT) < 0) ||
        bind(fd, &a->u.any, a->len) < 0 || listen(fd, BACKLOG) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int refuse_port(int64_t port, struct err *e)
{
    char holder[96];

    if (errno != EADDRINUSE)
        return err_sys(e, "port %lld cannot be opened; choose another with --port or ORION_PORT", (long long)port);
    if (port_holder(port, holder, sizeof(holder)))
        return err_set(e, ERR_CONFLICT, "port %lld is in use (%s); choose another with --port or ORION_PORT",
                       (long long)port, holder);
    return err_set(e, ERR_CONFLICT, "port %lld is in use; choose another with --port or ORION_PORT", (long long)port);
}

int listen_open(const struct gateway_settings *settings, struct listen **listen_r, struct err *e)
{
    unsigned n = (unsigned)settings->workers;
    struct address a;

    if (address_parse(settings->host, settings->port, &a) < 0)
        return listen_check_host(settings->host, e);
    int probe = open_socket(&a, false);
    if (probe < 0)
        return refuse_port(settings->port, e);
    close(probe);
    struct listen *l = mem_zalloc(sizeof(*l) + n * sizeof(l->fds[0]));
    for (; l->n < n; l->n++) {
        l->fds[l->n] = open_socket(&a, true);
        if (l->fds[l->n] < 0)
            goto out;
    }
    *listen_r = l;
    return 0;
out:
    refuse_port(settings->port, e);
    while (l->n > 0)
        close(l->fds[--l->n]);
    mem_free(&l);
    return -1;
}

int listen_slot(struct listen *l, unsigned slot)
{
    for (unsigned i = 0; i < l->n; i++)
        if (i != slot && l->fds[i] >= 0) {
            close(l->fds[i]);
            l->fds[i] = -1;
        }
    return l->fds[slot];
}
