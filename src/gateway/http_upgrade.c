/* http_upgrade.c - connections that become WebSockets: libmicrohttpd's upgrade, as a socket for gateway/agents.c.
 *
 * The descriptor stays MHD's: it is closed by upgraded_close only, and MHD must run afterwards. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "gateway/http_impl.h"

struct upgraded {
    struct http *http;
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
};

/* MHD switches Nagle's algorithm on before it hands the socket over; together with the peer's delayed acknowledgements
 * every second small frame would then wait for 40 ms. */
static void on_upgrade(void *cls, struct MHD_Connection *conn, void *con_cls, const char *extra, size_t extra_len,
                       MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_request *q = con_cls;
    struct upgraded *u = mem_zalloc(sizeof(*u));
    int on = 1;

    (void)cls;
    (void)conn;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    u->http = q->http;
    u->handle = handle;
    u->fd = fd;
    q->upgrade_fn(q->upgrade_arg, u, extra, extra_len);
    http_forget_input(q);
}

void request_upgrade(struct request *r, upgraded_fn *fn, void *arg)
{
    struct http_request *q = (struct http_request *)r;
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, NULL);

    q->upgrade_fn = fn;
    q->upgrade_arg = arg;
    http_respond(q, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

int upgraded_fd(const struct upgraded *u)
{
    return u->fd;
}

void upgraded_close(struct upgraded **u)
{
    if (!*u)
        return;
    MHD_upgrade_action((*u)->handle, MHD_UPGRADE_ACTION_CLOSE);
    (*u)->http->needs_run = true;
    mem_free(u);
}
