/* run.c - one runner as the agent sees it (PROTOCOL "runner.*", berth.h). One that was started here is a child and is
 * reaped; of an adopted one the lock in its folder says when it is gone. Then what it told, or what it left in its
 * folder, is its result; a runner that leaves without one died. */
#include "agent/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/berth.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "proto/dispatch.h"

enum { PACKET_MAX = 8192, PACKETS_PER_TURN = 64, LOOK_MS = 20 };

struct runs {
    struct loop *loop;
    struct run *head;
};

struct run {
    struct runs *all;
    struct run *next;
    const struct run_hooks *hooks;
    void *arg;
    char *dir;
    int fd;                  /* -1: not connected */
    struct watch *watch;
    pid_t pid;               /* of a child; 0: gone, or adopted */
    struct child *child;
    struct timer *look;      /* of an adopted one that is not connected: does it live? */
    char *why;               /* an adopted one may have died */
    uint64_t trim_seq, trim_offset;   /* the latest, until it fits into the socket; 0: none */
    char *stop;              /* the reason, until it fits; NULL: none */
    struct buf ended;        /* its word; what stands in its folder is the same, when it could be written */
    bool has_ended;
    bool is_released;        /* run_free was called: this lives on until the process is reaped */
};

static void run_close(struct run *r)
{
    watch_free(&r->watch);
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

static void run_dispose(struct run *r)
{
    struct run **at = &r->all->head;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    run_close(r);
    child_free(&r->child);
    timer_free(&r->look);
    buf_fini(&r->ended);
    mem_free(&r->dir);
    mem_free(&r->why);
    mem_free(&r->stop);
    mem_free(&r);
}

/* --- the end --------------------------------------------------------------------------------------- */

static int ended_find(const struct run *r, struct arena *a, struct msg_runner_ended *m_r)
{
    struct msg_head head;
    void *told;

    if (berth_result(r->dir, a, m_r) == 0)
        return 0;
    if (!r->ended.len || msg_from_bin((const uint8_t *)r->ended.data, r->ended.len, a, &head, &told, NULL))
        return -1;
    *m_r = *(struct msg_runner_ended *)told;
    return 0;
}

/* The process is gone. */
static void run_end(struct run *r, const char *why)
{
    struct msg_runner_ended m;
    struct arena a = { 0 };

    if (r->has_ended)
        return;
    r->has_ended = true;
    run_close(r);
    if (ended_find(r, &a, &m) == 0)
        r->hooks->on_ended(r->arg, &m, NULL);
    else
        r->hooks->on_ended(r->arg, NULL, why);
    arena_fini(&a);
}

/* --- packets --------------------------------------------------------------------------------------- */

static int handle_runner_hello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_runner_hello *m = message;
    struct run *r = arg;

    (void)from;
    (void)e;
    if (!r->pid)
        log_debug("a runner answers", log_str("spool", r->dir), log_int("pid", m->pid), log_int("bytes", m->offset));
    r->hooks->on_spooled(r->arg, (uint64_t)m->seq, (uint64_t)m->offset);
    return 0;
}

static int handle_runner_spooled(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_runner_spooled *m = message;
    struct run *r = arg;

    (void)from;
    (void)e;
    r->hooks->on_spooled(r->arg, (uint64_t)m->seq, (uint64_t)m->offset);
    return 0;
}

static int handle_runner_ended(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_head head = { .type = MSG_RUNNER_ENDED };
    struct run *r = arg;

    (void)from;
    (void)e;
    buf_reset(&r->ended);
    msg_to_bin(&head, message, MSG_MINOR, &r->ended);
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_RUNNER_HELLO, FROM_RUNNER, handle_runner_hello },
    { MSG_RUNNER_SPOOLED, FROM_RUNNER, handle_runner_spooled },
    { MSG_RUNNER_ENDED, FROM_RUNNER, handle_runner_ended },
};

/* A runner that hangs up is about to leave: of a child the loop hears when it has. */
static void run_hung_up(struct run *r)
{
    watch_free(&r->watch);
    if (r->look)
        timer_in(r->look, 0);
}

/* False: there is nothing more to read now. */
static bool packet_read(struct run *r)
{
    uint8_t packet[PACKET_MAX];
    struct err e = { 0 };
    ssize_t n = recv(r->fd, packet, sizeof(packet), MSG_DONTWAIT);

    if (n < 0 && errno == ECONNRESET) /* it left with something unread; what it said before is still here */
        n = recv(r->fd, packet, sizeof(packet), MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            run_hung_up(r);
        return false;
    }
    if (msg_dispatch_bin(handlers, ARRAY_LEN(handlers), r, FROM_RUNNER, NULL, packet, (size_t)n, &e))
        log_warn("bad message from a runner", log_err(&e));
    return true;
}

/* 0: sent, or there is nobody to read it; -1: no room now. */
static int packet_send(struct run *r, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type };
    struct buf packet = { 0 };
    ssize_t n;

    msg_to_bin(&head, message, MSG_MINOR, &packet);
    n = send(r->fd, packet.data, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_fini(&packet);
    return n < 0 && (errno == EAGAIN || errno == ENOBUFS) ? -1 : 0;
}

/* Of several trims the latest says it all. */
static void run_flush(struct run *r)
{
    const struct msg_runner_stop stop = { .reason = r->stop };
    const struct msg_runner_trim trim = { .seq = (int64_t)r->trim_seq, .offset = (int64_t)r->trim_offset };
    bool is_full = false;

    if (r->fd < 0)
        return;
    if (r->stop) {
        is_full = packet_send(r, MSG_RUNNER_STOP, &stop) < 0;
        if (!is_full)
            mem_free(&r->stop);
    }
    if (!is_full && r->trim_seq) {
        is_full = packet_send(r, MSG_RUNNER_TRIM, &trim) < 0;
        if (!is_full)
            r->trim_seq = 0;
    }
    if (r->watch)
        watch_events(r->watch, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* A handler may release the run: the struct of a child stays until the process is reaped, an adopted one's is told of
 * its end by its timer only. */
static void on_packets(void *arg, uint32_t events)
{
    struct run *r = arg;

    if (events & EPOLLOUT)
        run_flush(r);
    for (int i = 0; i < PACKETS_PER_TURN && !r->is_released && packet_read(r); i++)
        ;
}

void run_trim(struct run *r, uint64_t seq, uint64_t offset)
{
    r->trim_seq = seq;
    r->trim_offset = offset;
    run_flush(r);
}

void run_stop(struct run *r, const char *reason)
{
    mem_free(&r->stop);
    r->stop = mem_strdup(reason);
    run_flush(r);
}

/* --- life ------------------------------------------------------------------------------------------ */

static struct run *run_new(struct runs *rs, const char *dir, const struct run_hooks *hooks, void *arg)
{
    struct run *r = mem_zalloc(sizeof(*r));

    *r = (struct run){ .all = rs, .next = rs->head, .hooks = hooks, .arg = arg, .dir = mem_strdup(dir), .fd = -1 };
    rs->head = r;
    return r;
}

static void run_connect(struct run *r)
{
    r->fd = berth_connect(r->dir);
    if (r->fd < 0)
        return;
    r->watch = loop_watch(r->all->loop, r->fd, EPOLLIN, on_packets, r);
    run_flush(r);
}

void run_free(struct run **r)
{
    struct run *gone = *r;

    *r = NULL;
    if (!gone)
        return;
    gone->is_released = gone->has_ended = true;
    run_close(gone);
    timer_free(&gone->look);
    if (!gone->pid)
        run_dispose(gone);
}

struct runs *runs_new(struct loop *l)
{
    struct runs *rs = mem_zalloc(sizeof(*rs));

    rs->loop = l;
    return rs;
}

void runs_free(struct runs **rs)
{
    while (*rs && (*rs)->head)
        run_dispose((*rs)->head);
    mem_free(rs);
}

/* --- started --------------------------------------------------------------------------------------- */

static void on_child(void *arg, pid_t pid, int wstatus)
{
    struct run *r = arg;
    char why[96];

    (void)pid;
    while (r->watch && !r->is_released && packet_read(r)) /* its last words may still be in the socket */
        ;
    r->pid = 0;
    if (WIFSIGNALED(wstatus))
        snprintf(why, sizeof(why), "the runner was killed by signal %d", WTERMSIG(wstatus));
    else
        snprintf(why, sizeof(why), "the runner left with code %d", WEXITSTATUS(wstatus));
    if (r->is_released)
        run_dispose(r);
    else
        run_end(r, why);
}

/* The order, as a file that ends where it ends: a pipe could fill up. */
static int order_open(const struct msg_runner_job *order, struct err *e)
{
    struct buf json = { 0 };
    int fd = -1;

    msg_to_json(MSG_RUNNER_JOB, order, false, &json);
    if (json.len > MSG_JSON_MAX)
        err_set(e, ERR_TOO_LARGE, "the arguments and the environment are too long: %zu bytes", json.len);
    else
        fd = memfd_create("runner-order", MFD_CLOEXEC);
    if (fd >= 0 && (write(fd, json.data, json.len) != (ssize_t)json.len || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        err_sys(e, "cannot write the runner's order");
    buf_fini(&json);
    return fd;
}

static int run_spawn(struct run *r, const struct run_spec *spec, struct err *e)
{
    const char *argv[] = { spec->program, NULL };
    int order = order_open(spec->order, e), rc;
    struct berth b;

    if (order < 0)
        return -1;
    rc = berth_open(&b, r->dir, e);
    if (!rc) {
        const struct proc_fd fds[] = { { 0, order }, { 2, STDERR_FILENO }, { 3, b.listener }, { 4, b.lock } };
        const struct proc_spec p = { .argv = argv, .fds = fds, .n_fds = ARRAY_LEN(fds), .new_session = true };

        rc = proc_spawn(&p, &r->pid, e);
        berth_close(&b);
    }
    close(order);
    return rc;
}

struct run *run_start(struct runs *rs, const struct run_spec *spec, const struct run_hooks *hooks, void *arg,
                      struct err *e)
{
    struct run *r = run_new(rs, spec->order->spool, hooks, arg);

    if (run_spawn(r, spec, e)) {
        run_dispose(r);
        return NULL;
    }
    run_connect(r);
    r->child = loop_child(rs->loop, r->pid, on_child, r);
    return r;
}

/* --- adopted --------------------------------------------------------------------------------------- */

/* One that does not answer, though it lives, is just leaving. */
static void tick_look(void *arg)
{
    struct run *r = arg;

    if (r->watch || r->has_ended)
        return;
    run_close(r);
    if (!berth_is_taken(r->dir)) {
        run_end(r, r->why);
        return;
    }
    run_connect(r);
    if (r->fd < 0)
        timer_in(r->look, LOOK_MS);
}

struct run *run_adopt(struct runs *rs, const char *spool, const char *why, const struct run_hooks *hooks, void *arg)
{
    struct run *r = run_new(rs, spool, hooks, arg);

    r->why = mem_strdup(why);
    r->look = loop_timer(rs->loop, tick_look, r);
    timer_in(r->look, 0);
    return r;
}
