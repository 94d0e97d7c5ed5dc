/* http.c - the worker's HTTP server: libmicrohttpd in external-epoll mode on the worker's loop.
 *
 * Given the slot's listening socket; hands requests with complete bodies to gateway/routes.c. Implements
 * ARCHITECTURE "Wire formats" (HTTP). What this library needs and does not say loudly:
 *   - Its connections are edge-triggered inside its own epoll set, so it must be asked before every sleep whether
 *     it has work left (mhd_has_work), and run after every resume and close (needs_run).
 *   - Resuming costs a walk over all suspended and upgraded connections. Requests that are ready are resumed
 *     together: at once if the last walk ended 20 times its own cost ago, else at that moment. So walking never
 *     takes more than 5 % of the worker, and a worker with few connections resumes within microseconds.
 *   - A handler that waits leaves its connection suspended; a suspended connection has no timeout and does not
 *     notice that its client left, so waiting is bounded here and streams watch the descriptor.
 * The header limit is 8192 bytes (431 above it), not less: cookies of other services on the same host and bearer
 * tokens must fit. It costs each connection that much memory. */
#include "gateway/http_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "gateway/gateway.h"
#include "lib/clock.h"
#include "lib/log.h"

enum {
    HEADER_MAX = 8192,
    BODY_MAX = MSG_JSON_MAX,
    BODY_DRAIN_MAX = 16 * 1024 * 1024, /* a larger body is not read to its end for the sake of a polite answer */
    IDLE_S = 60,
    TICK_MS = 1000,
    WAIT_MS = 30000,                   /* on top of the deadline of submissions */
    WALK_SHARE = 20,
    FDS_KEPT = 64,                     /* descriptors that are not connections */
    CONNECTIONS_MAX = 100000,
};

/* --- requests -------------------------------------------------------------------------------------------------- */

/* The way back to a request that is answered later. */
struct ticket {
    struct http_request *q;   /* NULL: over */
};

/* MHD calls this with the whole request target before it parses anything. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct http *h = cls;
    struct http_request *q = mem_zalloc(sizeof(*q));

    q->http = h;
    q->conn = conn;
    q->since_ns = clock_boot_ns();
    q->since_ms = q->since_ns / 1000000;
    q->uri = mem_strdup(uri);
    q->method_name = "";
    TAILQ_INSERT_TAIL(&h->all, q, all);
    h->n_requests++;
    return q;
}

static void request_free(struct http_request *q)
{
    struct http *h = q->http;

    TAILQ_REMOVE(&h->all, q, all);
    h->n_requests--;
    if (q->is_ready)
        TAILQ_REMOVE(&h->ready, q, ready);
    http_stream_end(q);
    if (q->ticket)
        q->ticket->q = NULL;
    if (q->response)
        MHD_destroy_response(q->response);
    http_forget_input(q);
    mem_free(&q->uri);
    mem_free(&q);
}

void http_forget_input(struct http_request *q)
{
    buf_fini(&q->pub.body);
    arena_fini(&q->pub.arena);
    q->pub.path = q->pub.param = NULL;
    q->pub.query = (struct query){ 0 };
    q->n_headers = 0;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
    struct http_request *q = *con_cls;

    (void)cls;
    (void)conn;
    (void)why;
    *con_cls = NULL;
    if (!q)
        return;
    log_debug("request", log_str("method", q->method_name), log_str("uri", q->uri), log_int("status", q->status),
              log_int("us", (int64_t)((clock_boot_ns() - q->since_ns) / 1000)));
    request_free(q);
}

const char *request_header(const struct request *r, const char *name)
{
    const struct http_request *q = (const struct http_request *)r;

    return MHD_lookup_connection_value(q->conn, MHD_HEADER_KIND, name);
}

void request_add_header(struct request *r, const char *name, const char *value)
{
    struct http_request *q = (struct http_request *)r;

    if (q->n_headers == ARRAY_LEN(q->headers))
        return;
    q->headers[q->n_headers].name = arena_strdup(&r->arena, name);
    q->headers[q->n_headers].value = arena_strdup(&r->arena, value);
    q->n_headers++;
}

void http_respond(struct http_request *q, unsigned status, struct MHD_Response *response)
{
    for (size_t i = 0; i < q->n_headers; i++)
        MHD_add_response_header(response, q->headers[i].name, q->headers[i].value);
    if (q->http->is_draining && status != MHD_HTTP_SWITCHING_PROTOCOLS)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (q->response)
        MHD_destroy_response(q->response);
    q->response = response;
    q->status = status;
    if (q->ticket) {
        q->ticket->q = NULL;
        q->ticket = NULL;
    }
    http_make_ready(q);
}

void request_answer(struct request *r, unsigned status, const char *type, struct buf *body)
{
    struct http_request *q = (struct http_request *)r;
    size_t len = body ? body->len : 0;
    char *data = body ? buf_take(body) : NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);

    if (type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    http_respond(q, status, response);
}

struct ticket *request_wait(struct request *r)
{
    struct http_request *q = (struct http_request *)r;

    q->ticket = mem_zalloc(sizeof(*q->ticket));
    q->ticket->q = q;
    return q->ticket;
}

struct request *ticket_request(struct ticket **t)
{
    struct http_request *q = (*t)->q;

    mem_free(t);
    if (!q)
        return NULL;
    q->ticket = NULL;
    return &q->pub;
}

/* --- from the first header byte to the handler ----------------------------------------------------------------- */

static void refuse_body(struct http_request *q)
{
    reply_error(&q->pub, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 1 MiB (%d bytes)", BODY_MAX);
}

/* Divides the target; what is wrong with it is answered when the body is in. */
static void request_begin(struct http_request *q, const char *method)
{
    size_t path_len = strcspn(q->uri, "?");

    q->has_begun = true;
    q->pub.method = route_method(method);
    q->method_name = route_method_name(q->pub.method);
    q->pub.path = arena_strndup(&q->pub.arena, q->uri, path_len);
    q->pub.is_v1 = strcmp(q->pub.path, "/v1") == 0 || strncmp(q->pub.path, "/v1/", 4) == 0;
    const char *length = request_header(&q->pub, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long announced = length ? strtoull(length, NULL, 10) : 0;
    bool is_asking = request_header(&q->pub, MHD_HTTP_HEADER_EXPECT) != NULL;
    if (announced > BODY_DRAIN_MAX || (announced > BODY_MAX && is_asking))
        refuse_body(q);
}

static enum MHD_Result body_take(struct http_request *q, const char *data, size_t *len)
{
    q->body_seen += *len;
    if (q->body_seen > BODY_DRAIN_MAX)
        return MHD_NO;
    if (q->body_seen <= BODY_MAX)
        buf_append(&q->pub.body, data, *len);
    else
        buf_fini(&q->pub.body);
    *len = 0;
    return MHD_YES;
}

static void request_serve(struct http_request *q)
{
    struct err e = { 0 };
    const char *question = strchr(q->uri, '?');

    q->is_served = true;
    if (q->body_seen > BODY_MAX)
        refuse_body(q);
    else if (query_parse(question ? question + 1 : "", &q->pub.arena, &q->pub.query, &e) < 0)
        reply_err(&q->pub, MHD_HTTP_BAD_REQUEST, &e);
    else
        routes_serve(q->http->g, &q->pub);
}

/* Hands the answer to MHD, or lets the request wait for it. */
static enum MHD_Result request_settle(struct http_request *q)
{
    if (!q->response) {
        http_suspend(q);
        return MHD_YES;
    }
    enum MHD_Result result = MHD_queue_response(q->conn, q->status, q->response);
    MHD_destroy_response(q->response);
    q->response = NULL;
    return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **con_cls)
{
    struct http *h = cls;
    struct http_request *q = *con_cls;

    (void)conn;
    (void)url;
    (void)version;
    http_walk_done(h);
    if (h->is_closing)
        return MHD_NO;
    if (!q->has_begun) {
        request_begin(q, method);
        return q->response ? request_settle(q) : MHD_YES;
    }
    if (*len > 0)
        return body_take(q, data, len);
    if (!q->is_served)
        request_serve(q);
    return request_settle(q);
}

/* Escapes stay as they are: decoding is query.c's, which knows about NUL and slashes. */
static size_t keep_escapes(void *cls, struct MHD_Connection *conn, char *text)
{
    (void)cls;
    (void)conn;
    return strlen(text);
}

/* --- running and resuming -------------------------------------------------------------------------------------- */

void http_suspend(struct http_request *q)
{
    q->is_suspended = true;
    MHD_suspend_connection(q->conn);
}

void http_make_ready(struct http_request *q)
{
    if (!q->is_suspended || q->is_ready)
        return;
    q->is_ready = true;
    TAILQ_INSERT_TAIL(&q->http->ready, q, ready);
}

void http_walk_done(struct http *h)
{
    if (h->walk_began_ns == 0)
        return;
    h->walk_end_ns = clock_boot_ns();
    h->walk_cost_ns = h->walk_end_ns - h->walk_began_ns;
    h->walk_began_ns = 0;
}

static void run(struct http *h)
{
    h->needs_run = false;
    MHD_run(h->daemon);
    http_walk_done(h);
}

static void resume_ready(struct http *h)
{
    struct http_request *q;

    while ((q = TAILQ_FIRST(&h->ready))) {
        TAILQ_REMOVE(&h->ready, q, ready);
        q->is_ready = false;
        q->is_suspended = false;
        MHD_resume_connection(q->conn);
    }
    h->walk_began_ns = clock_boot_ns();
    run(h);
}

static void resume_when_due(struct http *h)
{
    if (TAILQ_EMPTY(&h->ready) || timer_is_on(h->walk_timer))
        return;
    uint64_t due_ns = h->walk_end_ns + WALK_SHARE * h->walk_cost_ns;
    uint64_t now_ns = clock_boot_ns();
    if (now_ns >= due_ns)
        resume_ready(h);
    else
        timer_in(h->walk_timer, (due_ns - now_ns) / 1000000 + 1);
}

static bool mhd_has_work(struct http *h)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(h->daemon, &ms) != MHD_YES)
        return false;
    if (ms > 0 && !timer_is_on(h->timer))
        timer_in(h->timer, ms);
    return ms == 0;
}

static bool on_before_sleep(void *arg)
{
    struct http *h = arg;

    resume_when_due(h);
    if (h->needs_run || mhd_has_work(h))
        run(h);
    return h->needs_run || mhd_has_work(h);
}

static void on_readable(void *arg, uint32_t events)
{
    struct http *h = arg;

    (void)events;
    h->needs_run = true;
}

static void on_timer(void *arg)
{
    struct http *h = arg;

    h->needs_run = true;
}

static void on_walk_timer(void *arg)
{
    (void)arg;   /* the hook before the next sleep does it */
}

/* A request that waits for a database or a scheduler which never answers is not kept for ever. */
static void on_tick(void *arg)
{
    struct http *h = arg;
    uint64_t limit_ms = (uint64_t)h->g->settings->submit_deadline_ms + WAIT_MS;
    uint64_t now_ms = clock_boot_ms();
    struct http_request *next;

    for (struct http_request *q = TAILQ_FIRST(&h->all); q; q = next) {
        next = TAILQ_NEXT(q, all);
        if (q->is_suspended && q->ticket && now_ms - q->since_ms > limit_ms)
            reply_error(&q->pub, MHD_HTTP_GATEWAY_TIMEOUT, "no answer from inside Orion in time; try again");
    }
    timer_in(h->tick, TICK_MS);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static unsigned connections_max(void)
{
    struct rlimit limit = { .rlim_cur = 1024 };

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= CONNECTIONS_MAX + FDS_KEPT)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * FDS_KEPT ? (unsigned)limit.rlim_cur - FDS_KEPT : FDS_KEPT;
}

static struct MHD_Daemon *daemon_start(struct http *h, int listen_fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_UPGRADE | MHD_ALLOW_SUSPEND_RESUME;

    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
                            MHD_OPTION_LISTEN_SOCKET, listen_fd,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MAX,
                            MHD_OPTION_CONNECTION_LIMIT, connections_max(),
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                            MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, h,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
                            MHD_OPTION_END);
}

struct http *http_open(struct gateway *g, int listen_fd, struct err *e)
{
    struct http *h = mem_zalloc(sizeof(*h));

    h->g = g;
    h->loop = g->loop;
    TAILQ_INIT(&h->all);
    TAILQ_INIT(&h->ready);
    h->daemon = daemon_start(h, listen_fd);
    if (!h->daemon) {
        err_set(e, ERR_SYSTEM, "the HTTP server did not start (%s)", strerror(errno));
        mem_free(&h);
        return NULL;
    }
    int epoll_fd = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    h->watch = loop_watch(h->loop, epoll_fd, EPOLLIN, on_readable, h);
    h->hook = loop_hook(h->loop, on_before_sleep, h);
    h->timer = loop_timer(h->loop, on_timer, h);
    h->walk_timer = loop_timer(h->loop, on_walk_timer, h);
    h->tick = loop_timer(h->loop, on_tick, h);
    timer_in(h->tick, TICK_MS);
    return h;
}

void http_drain(struct http *h)
{
    h->is_draining = true;
    MHD_quiesce_daemon(h->daemon);
    h->needs_run = true;
}

/* MHD must not be stopped over suspended connections: they are resumed and told that it is over. */
static void end_requests(struct http *h)
{
    struct http_request *next;

    h->is_closing = true;
    for (struct http_request *q = TAILQ_FIRST(&h->all); q; q = next) {
        next = TAILQ_NEXT(q, all);
        q->has_left = true;
        if (q->is_suspended && q->status == 0)
            reply_error(&q->pub, MHD_HTTP_SERVICE_UNAVAILABLE, "the gateway is stopping");
        http_make_ready(q);
    }
    resume_ready(h);
    run(h);
}

void http_close(struct http **hp)
{
    struct http *h = *hp;

    if (!h)
        return;
    end_requests(h);
    hook_free(&h->hook);
    watch_free(&h->watch);
    timer_free(&h->timer);
    timer_free(&h->walk_timer);
    timer_free(&h->tick);
    MHD_quiesce_daemon(h->daemon);
    MHD_stop_daemon(h->daemon);
    mem_free(hp);
}

size_t http_connections(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

size_t http_requests(const struct http *h)
{
    return h->n_requests;
}
