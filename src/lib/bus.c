/* bus.c - ZeroMQ sockets on the event loop.
 *
 * Parts on the wire: ROUTER [identity][payload], DEALER [payload], XPUB/SUB [topic][payload], subscriptions as XPUB
 * has them ([0 or 1 + topic]).
 *
 * ZMQ_FD is edge-triggered and says only "look at ZMQ_EVENTS"; any call on the socket, our own sends included, may
 * swallow the edge. So a socket that may have messages is marked as pending; pending sockets are drained, a bounded
 * number of messages each, in a loop hook that comes back until nothing is left; there a socket that was sent on is
 * looked at again, once for all sends of the turn. As other hooks may send after ours has run, marking also writes to
 * an eventfd: the loop cannot go to sleep on a message. */
#include "lib/bus.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    DRAIN_MAX = 256,  /* messages of one socket before others have their turn */
    HEARTBEAT_MS = 1000, HEARTBEAT_TIMEOUT_MS = 3000,
    RECONNECT_FIRST_MS = 50, RECONNECT_LAST_MS = 1000,
};

struct bus_socket {
    struct bus *bus;
    struct bus_socket *next;
    void *zmq;                /* NULL: closed, to be buried */
    enum bus_kind kind;
    char *endpoint;
    struct watch *watch;
    bus_fn *fn;
    void *arg;
    bool is_pending;          /* may have messages */
    bool is_sent_on;          /* which may have swallowed an edge: to be looked at before the loop sleeps */
    bool is_paused;
};

struct bus {
    struct loop *loop;
    void *context;
    struct bus_socket *sockets;
    struct hook *hook;
    int wake_fd;
    struct watch *wake;
    bool is_draining;
};

/* Only wrong arguments and a machine without memory or descriptors make these fail. */
static void must(bool ok, const char *what)
{
    if (ok)
        return;
    log_error("the bus cannot go on", log_str("call", what), log_str("error", zmq_strerror(zmq_errno())));
    abort();
}

/* --- reading ----------------------------------------------------------------------------------------- */

/* Reading ZMQ_EVENTS also lets the socket do its own work and rearms ZMQ_FD. */
static bool socket_has_input(struct bus_socket *s)
{
    int events = 0;
    size_t size = sizeof(events);

    must(zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &size) == 0, "ZMQ_EVENTS");
    return (events & ZMQ_POLLIN) && !s->is_paused;
}

/* After anything that may have swallowed an edge. */
static void socket_look(struct bus_socket *s)
{
    if (s->is_pending || !socket_has_input(s))
        return;
    s->is_pending = true;
    if (!s->bus->is_draining)
        eventfd_write(s->bus->wake_fd, 1);
}

/* A look costs as much as a send, so there is one for all the sends of a turn. */
static void socket_sent_on(struct bus_socket *s)
{
    if (s->is_pending || s->is_sent_on)
        return;
    s->is_sent_on = true;
    if (!s->bus->is_draining)
        eventfd_write(s->bus->wake_fd, 1);
}

/* A message's parts; more than two are counted, not kept. */
struct parts {
    zmq_msg_t part[2];
    unsigned n;
};

static void parts_close(struct parts *m)
{
    for (unsigned i = 0; i < m->n && i < 2; i++)
        zmq_msg_close(&m->part[i]);
}

static bool part_read(void *zmq, zmq_msg_t *part)
{
    int rc;

    zmq_msg_init(part);
    do
        rc = zmq_msg_recv(part, zmq, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        zmq_msg_close(part);
    return rc >= 0;
}

/* False: nothing there. */
static bool parts_read(void *zmq, struct parts *m)
{
    bool has_more = true;

    for (m->n = 0; has_more; m->n++) {
        zmq_msg_t spare, *part = m->n < 2 ? &m->part[m->n] : &spare;

        if (!part_read(zmq, part))
            return m->n > 0; /* a message comes whole, so this is the first part */
        has_more = zmq_msg_more(part);
        if (part == &spare)
            zmq_msg_close(&spare);
    }
    return true;
}

static const uint8_t *part_data(struct parts *m, unsigned i, size_t *len)
{
    *len = zmq_msg_size(&m->part[i]);
    return zmq_msg_data(&m->part[i]);
}

/* Each kind's parts as a frame; false: malformed. */
static bool router_frame(struct parts *m, struct bus_frame *f)
{
    size_t len;
    const uint8_t *id = part_data(m, 0, &len);

    if (m->n != 2 || len != sizeof(struct bus_peer))
        return false;
    f->peer = (const struct bus_peer *)id;
    f->data = part_data(m, 1, &f->len);
    return true;
}

static bool dealer_frame(struct parts *m, struct bus_frame *f)
{
    f->data = part_data(m, 0, &f->len);
    return m->n == 1;
}

static bool xpub_frame(struct parts *m, struct bus_frame *f)
{
    size_t len;
    const uint8_t *what = part_data(m, 0, &len);

    if (m->n != 1 || len < 1 || what[0] > 1)
        return false;
    *f = (struct bus_frame){ .topic = what + 1, .topic_len = len - 1, .len = 1 };
    f->data = (const uint8_t *)(what[0] ? "1" : "0");
    return true;
}

static bool sub_frame(struct parts *m, struct bus_frame *f)
{
    if (m->n != 2)
        return false;
    f->topic = part_data(m, 0, &f->topic_len);
    f->data = part_data(m, 1, &f->len);
    return true;
}

typedef bool frame_fn(struct parts *m, struct bus_frame *f);

static const struct {
    int type;
    frame_fn *frame;
} kinds[] = {
    [BUS_ROUTER] = { ZMQ_ROUTER, router_frame },
    [BUS_DEALER] = { ZMQ_DEALER, dealer_frame },
    [BUS_XPUB] = { ZMQ_XPUB, xpub_frame },
    [BUS_SUB] = { ZMQ_SUB, sub_frame },
};

/* Stays pending when the bound was reached: there may be more. */
static void socket_drain(struct bus_socket *s)
{
    struct parts m;

    for (unsigned i = 0; i < DRAIN_MAX && s->zmq && !s->is_paused; i++) {
        struct bus_frame frame = { 0 };

        if (!parts_read(s->zmq, &m)) {
            s->is_pending = false;
            socket_look(s);
            return;
        }
        if (kinds[s->kind].frame(&m, &frame))
            s->fn(s->arg, &frame);
        else
            log_debug("malformed message dropped", log_str("socket", s->endpoint), log_int("parts", m.n));
        parts_close(&m);
    }
    s->is_pending = s->zmq && !s->is_paused;
}

static void sockets_bury(struct bus *b)
{
    for (struct bus_socket **at = &b->sockets; *at;) {
        struct bus_socket *s = *at;

        if (s->zmq) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        mem_free(&s->endpoint);
        mem_free(&s);
    }
}

static bool on_turn(void *arg)
{
    struct bus *b = arg;
    bool has_more = false;

    b->is_draining = true;
    for (struct bus_socket *s = b->sockets; s; s = s->next)
        if (s->is_pending)
            socket_drain(s);
    sockets_bury(b);
    for (struct bus_socket *s = b->sockets; s; s = s->next) {
        if (s->is_sent_on)
            socket_look(s);
        s->is_sent_on = false;
        has_more |= s->is_pending;
    }
    b->is_draining = false;
    return has_more;
}

static void on_edge(void *arg, uint32_t events)
{
    struct bus_socket *s = arg;

    (void)events;
    if (socket_has_input(s))
        s->is_pending = true; /* the hook comes before the next sleep */
}

static void on_wake(void *arg, uint32_t events)
{
    struct bus *b = arg;
    eventfd_t count;

    (void)events;
    eventfd_read(b->wake_fd, &count);
}

void bus_pause(struct bus_socket *s, bool paused)
{
    s->is_paused = paused;
    s->is_pending = false;
    if (!paused)
        socket_look(s);
}

/* --- writing ----------------------------------------------------------------------------------------- */

static int part_send(struct bus_socket *s, const void *data, size_t len, int flags)
{
    int rc;

    do
        rc = zmq_send(s->zmq, data, len, flags | ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : 0;
}

static int parts_send(struct bus_socket *s, const void *first, size_t first_len, const void *data, size_t len)
{
    int rc, error;

    errno = EMSGSIZE;
    if (len > BUS_MESSAGE_MAX)
        return -1;
    rc = first ? part_send(s, first, first_len, ZMQ_SNDMORE) : 0;
    if (rc == 0)
        rc = part_send(s, data, len, 0);
    error = errno;
    socket_sent_on(s);
    errno = error;
    return rc;
}

int bus_send(struct bus_socket *s, const struct bus_peer *to, const void *data, size_t len)
{
    assert((s->kind == BUS_ROUTER && to) || (s->kind == BUS_DEALER && !to));
    return parts_send(s, to, sizeof(*to), data, len);
}

int bus_publish(struct bus_socket *s, const void *topic, size_t topic_len, const void *data, size_t len)
{
    assert(s->kind == BUS_XPUB);
    return parts_send(s, topic, topic_len, data, len);
}

void bus_subscribe(struct bus_socket *s, const void *topic, size_t topic_len)
{
    must(zmq_setsockopt(s->zmq, ZMQ_SUBSCRIBE, topic, topic_len) == 0, "ZMQ_SUBSCRIBE");
    socket_look(s);
}

void bus_unsubscribe(struct bus_socket *s, const void *topic, size_t topic_len)
{
    must(zmq_setsockopt(s->zmq, ZMQ_UNSUBSCRIBE, topic, topic_len) == 0, "ZMQ_UNSUBSCRIBE");
    socket_look(s);
}

/* --- opening and closing ----------------------------------------------------------------------------- */

struct bus *bus_new(struct loop *l)
{
    struct bus *b = mem_zalloc(sizeof(*b));

    b->loop = l;
    b->context = zmq_ctx_new();
    must(b->context != NULL, "zmq_ctx_new");
    b->hook = loop_hook(l, on_turn, b);
    b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(b->wake_fd >= 0, "eventfd");
    b->wake = loop_watch(l, b->wake_fd, EPOLLIN, on_wake, b);
    return b;
}

void bus_close(struct bus_socket **pointer)
{
    struct bus_socket *s = *pointer;

    *pointer = NULL;
    if (!s)
        return;
    watch_free(&s->watch);
    zmq_close(s->zmq);
    s->zmq = NULL;
    s->is_pending = false;
    if (!s->bus->is_draining)
        sockets_bury(s->bus);
}

void bus_free(struct bus **b)
{
    if (!*b)
        return;
    assert(!(*b)->is_draining); /* not in a callback */
    while ((*b)->sockets) {
        struct bus_socket *s = (*b)->sockets;

        bus_close(&s);
    }
    hook_free(&(*b)->hook);
    watch_free(&(*b)->wake);
    close((*b)->wake_fd);
    while (zmq_ctx_term((*b)->context) < 0 && errno == EINTR)
        ;
    mem_free(b);
}

static void option(void *zmq, int name, int value)
{
    must(zmq_setsockopt(zmq, name, &value, sizeof(value)) == 0, "zmq_setsockopt");
}

static void options_set(void *zmq, enum bus_kind kind, int queue_max)
{
    uint8_t identity[sizeof(struct bus_peer)];

    option(zmq, ZMQ_LINGER, 0);
    option(zmq, ZMQ_SNDHWM, queue_max);
    option(zmq, ZMQ_RCVHWM, queue_max);
    option(zmq, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    option(zmq, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
    option(zmq, ZMQ_RECONNECT_IVL, RECONNECT_FIRST_MS);
    option(zmq, ZMQ_RECONNECT_IVL_MAX, RECONNECT_LAST_MS);
    must(zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &(int64_t){ BUS_MESSAGE_MAX }, sizeof(int64_t)) == 0, "ZMQ_MAXMSGSIZE");
    if (kind == BUS_ROUTER) {
        option(zmq, ZMQ_ROUTER_MANDATORY, 1);
        option(zmq, ZMQ_ROUTER_HANDOVER, 1); /* a DEALER may be back before its old connection is known to be dead */
    } else if (kind == BUS_DEALER) {
        hash_random(identity, sizeof(identity));
        identity[0] |= 1; /* a leading 0 is ZeroMQ's own */
        option(zmq, ZMQ_IMMEDIATE, 1);
        must(zmq_setsockopt(zmq, ZMQ_ROUTING_ID, identity, sizeof(identity)) == 0, "ZMQ_ROUTING_ID");
    } else if (kind == BUS_XPUB) {
        option(zmq, ZMQ_XPUB_VERBOSER, 1);
    }
}

/* The file name of an ipc endpoint, or NULL for tcp. */
static int endpoint_check(const char *endpoint, const char **path_r, struct err *e)
{
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    *path_r = strncmp(endpoint, "ipc://", 6) == 0 ? endpoint + 6 : NULL;
    if (!*path_r && strncmp(endpoint, "tcp://", 6) != 0)
        return err_set(e, ERR_INVALID, "\"%s\" is neither ipc://PATH nor tcp://HOST:PORT", endpoint);
    if (!*path_r)
        return 0;
    if (**path_r != '/')
        return err_set(e, ERR_INVALID, "%s: the path must begin with /", endpoint);
    if (strlen(*path_r) > max)
        return err_set(e, ERR_INVALID, "%s: the path has %zu bytes; a socket's may have %zu at most: choose a shorter "
                       "directory", endpoint, strlen(*path_r), max);
    return 0;
}

/* ZeroMQ would unlink whatever stands at the path. */
static int path_check(const char *path, struct err *e)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat st;
    struct ucred owner = { 0 };
    int fd, rc = 0;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_sys(e, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFLICT, "%s exists and is not a socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(e, "socket");
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &(socklen_t){ sizeof(owner) });
        rc = err_set(e, ERR_CONFLICT, "%s is in use by process %d", path, (int)owner.pid);
    } else if (errno == EAGAIN) {
        rc = err_set(e, ERR_CONFLICT, "%s is in use", path);
    }
    close(fd);
    return rc;
}

static struct bus_socket *socket_new(struct bus *b, enum bus_kind kind, const char *endpoint, int queue_max, bus_fn *fn,
                                     void *arg)
{
    struct bus_socket *s = mem_zalloc(sizeof(*s));

    *s = (struct bus_socket){ .bus = b, .next = b->sockets, .kind = kind, .fn = fn, .arg = arg };
    s->endpoint = mem_strdup(endpoint);
    s->zmq = zmq_socket(b->context, kinds[kind].type);
    must(s->zmq != NULL, "zmq_socket");
    options_set(s->zmq, kind, queue_max);
    b->sockets = s;
    return s;
}

/* `rc` is what ZeroMQ said to the endpoint; the socket or NULL. */
static struct bus_socket *socket_start(struct bus_socket *s, int rc, struct err *e)
{
    int fd = -1;
    size_t size = sizeof(fd);

    if (rc < 0) {
        err_set(e, ERR_SYSTEM, "%s: %s", s->endpoint, zmq_strerror(zmq_errno()));
        bus_close(&s);
        return NULL;
    }
    must(zmq_getsockopt(s->zmq, ZMQ_FD, &fd, &size) == 0, "ZMQ_FD");
    s->watch = loop_watch(s->bus->loop, fd, EPOLLIN, on_edge, s);
    socket_look(s);
    return s;
}

struct bus_socket *bus_bind(struct bus *b, enum bus_kind kind, const char *endpoint, int queue_max, bus_fn *fn,
                            void *arg, struct err *e)
{
    struct bus_socket *s;
    const char *path;
    int rc;

    if (endpoint_check(endpoint, &path, e) < 0 || (path && path_check(path, e) < 0))
        return NULL;
    s = socket_new(b, kind, endpoint, queue_max, fn, arg);
    rc = zmq_bind(s->zmq, endpoint);
    if (rc == 0 && path)
        rc = chmod(path, 0600);
    return socket_start(s, rc, e);
}

struct bus_socket *bus_connect(struct bus *b, enum bus_kind kind, const char *endpoint, int queue_max, bus_fn *fn,
                               void *arg, struct err *e)
{
    struct bus_socket *s;
    const char *path;

    if (endpoint_check(endpoint, &path, e) < 0)
        return NULL;
    s = socket_new(b, kind, endpoint, queue_max, fn, arg);
    return socket_start(s, zmq_connect(s->zmq, endpoint), e);
}
