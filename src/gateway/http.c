/* http.c - the worker's HTTP server: libmicrohttpd in external-epoll mode on the worker's loop.
 *
 * Given the slot's listening socket, runs the daemon; http_request.c, http_stream.c and http_upgrade.c are what it
 * calls. Implements ARCHITECTURE "Wire formats" (HTTP). What this library needs and does not say loudly:
 *   - Its connections are edge-triggered inside its own epoll set, so it must be asked before every sleep whether
 *     it has work left (mhd_has_work), and run after every resume and close (needs_run).
 *   - Resuming costs a walk over all suspended and upgraded connections. Requests that are ready are resumed together,
 *     in rounds: at once if the last round began 20 times its walk's cost ago and twice its whole cost, else at that
 *     moment. So walking never takes more than 5 % of the worker, and a crowd of viewers no more than half of it: what
 *     comes meanwhile is sent to each in one piece. A worker with few connections resumes within microseconds: a walk
 *     that costs less than one answer does is not worth a wait. Costs are processor time, not the clock's.
 *   - A FIN that comes in one event with data is not noticed: such connections stay until their timeout (IDLE_S).
 *   - A handler that waits leaves its connection suspended; a suspended connection has no timeout and does not
 *     notice that its client left, so waiting is bounded here and streams watch the descriptor.
 * The memory limit is most of what an idle viewer costs. Half of it is room for a request's headers (431 above it), the
 * other half for the piece that is sent at once: a setting, for hosts whose cookies and tokens are large. */
#include "gateway/http_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "gateway/gateway.h"
#include "lib/clock.h"

enum {
    IDLE_S = 60,
    TICK_MS = 1000,
    WAIT_MS = 30000,                   /* on top of the deadline of submissions */
    STALLED_MS = 1000,                 /* a body that makes no progress does not hold up the end */
    WALK_SHARE = 20,
    ROUND_SHARE = 2,
    WALK_CHEAP_NS = 20000,
    FDS_KEPT = 64,                     /* descriptors that are not connections */
    CONNECTIONS_MAX = 100000,
};

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

/* Costs are counted in this: what others do with the processor meanwhile is no reason to wait. */
static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void http_walk_done(struct http *h)
{
    if (h->walk_began_ns == 0)
        return;
    h->walk_cost_ns = cpu_ns() - h->walk_began_ns;
    h->walk_began_ns = 0;
}

static void run(struct http *h)
{
    uint64_t began_ns = cpu_ns();

    h->needs_run = false;
    MHD_run(h->daemon);
    http_walk_done(h);
    h->round_cost_ns += cpu_ns() - began_ns;
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
    h->round_began_ns = clock_boot_ns();
    h->round_cost_ns = 0;
    h->walk_began_ns = cpu_ns();
    run(h);
}

static void resume_when_due(struct http *h)
{
    if (TAILQ_EMPTY(&h->ready) || timer_is_on(h->walk_timer))
        return;
    uint64_t walks_ns = h->walk_cost_ns < WALK_CHEAP_NS ? 0 : WALK_SHARE * h->walk_cost_ns;
    uint64_t rounds_ns = ROUND_SHARE * h->round_cost_ns;
    uint64_t due_ns = h->round_began_ns + (walks_ns > rounds_ns ? walks_ns : rounds_ns);
    uint64_t now_ns = clock_boot_ns();
    if (now_ns >= due_ns)
        resume_ready(h);
    else
        timer_in_us(h->walk_timer, (due_ns - now_ns) / 1000 + 1);
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
        if (q->is_suspended && q->ticket && now_ms - q->since_ns / 1000000 > limit_ms)
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

    return MHD_start_daemon(flags, 0, NULL, NULL, http_on_request, h,
                            MHD_OPTION_LISTEN_SOCKET, listen_fd,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)h->g->settings->header_bytes,
                            MHD_OPTION_CONNECTION_LIMIT, connections_max(),
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                            MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, h,
                            MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, h,
                            MHD_OPTION_UNESCAPE_CALLBACK, http_keep_escapes, h,
                            MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, h,
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
    uint64_t now_ms = clock_boot_ms();
    struct http_request *q;
    size_t n = 0;

    TAILQ_FOREACH(q, &h->all, all)
        n += q->is_served || now_ms - q->heard_ms < STALLED_MS;
    return n;
}
