/* run.c - one runner as the agent sees it (PROTOCOL "runner.*"): a process with its order on standard input and a
 * socket pair as descriptor 3. It is over when it told its result; a runner that leaves before that died. */
#include "agent/run.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "proto/dispatch.h"

enum { PACKET_MAX = 8192, PACKETS_PER_TURN = 64 };

struct runs {
    struct loop *loop;
    struct run *head;
};

struct run {
    struct runs *all;
    struct run *next;
    const struct run_hooks *hooks;
    void *arg;
    int fd;
    pid_t pid;               /* 0: gone */
    struct watch *watch;
    struct child *child;
    uint64_t trim_seq, trim_offset;   /* the latest, until it fits into the socket; 0: none */
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
    mem_free(&r);
}

static void run_end(struct run *r, const struct msg_runner_ended *ended, const char *why)
{
    if (r->has_ended || r->is_released)
        return;
    r->has_ended = true;
    r->hooks->on_ended(r->arg, ended, why);
}

/* --- packets --------------------------------------------------------------------------------------- */

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
    (void)from;
    (void)e;
    run_end(arg, message, NULL);
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_RUNNER_SPOOLED, FROM_RUNNER, handle_runner_spooled },
    { MSG_RUNNER_ENDED, FROM_RUNNER, handle_runner_ended },
};

/* False: there is nothing more to read now. */
static bool packet_read(struct run *r)
{
    uint8_t packet[PACKET_MAX];
    struct err e = { 0 };
    ssize_t n = recv(r->fd, packet, sizeof(packet), MSG_DONTWAIT);

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            watch_free(&r->watch); /* what it means is told when the process is reaped */
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
static void trim_flush(struct run *r)
{
    const struct msg_runner_trim m = { .seq = (int64_t)r->trim_seq, .offset = (int64_t)r->trim_offset };
    bool is_full;

    if (!r->trim_seq || r->fd < 0)
        return;
    is_full = packet_send(r, MSG_RUNNER_TRIM, &m) < 0;
    if (!is_full)
        r->trim_seq = 0;
    if (r->watch)
        watch_events(r->watch, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* A handler may release the run: the struct stays until the process is reaped. */
static void on_packets(void *arg, uint32_t events)
{
    struct run *r = arg;

    if (events & EPOLLOUT)
        trim_flush(r);
    for (int i = 0; i < PACKETS_PER_TURN && !r->is_released && packet_read(r); i++)
        ;
}

void run_trim(struct run *r, uint64_t seq, uint64_t offset)
{
    r->trim_seq = seq;
    r->trim_offset = offset;
    trim_flush(r);
}

/* A runner that does not even read is told by the end of its socket. */
void run_stop(struct run *r, const char *reason)
{
    const struct msg_runner_stop m = { .reason = reason };

    if (r->fd >= 0 && packet_send(r, MSG_RUNNER_STOP, &m) < 0)
        run_close(r);
}

/* --- the process ----------------------------------------------------------------------------------- */

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
        run_end(r, NULL, why);
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
    int pair[2], order = order_open(spec->order, e), rc;

    if (order < 0)
        return -1;
    rc = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
    if (rc) {
        err_sys(e, "cannot make a socket pair");
    } else {
        const struct proc_fd fds[] = { { 0, order }, { 2, STDERR_FILENO }, { 3, pair[1] }, { 4, spec->keep_fd } };
        const struct proc_spec p = { .argv = argv, .fds = fds, .n_fds = ARRAY_LEN(fds), .new_session = true };

        rc = proc_spawn(&p, &r->pid, e);
        r->fd = pair[0];
        close(pair[1]);
    }
    close(order);
    return rc;
}

struct run *run_start(struct runs *rs, const struct run_spec *spec, const struct run_hooks *hooks, void *arg,
                      struct err *e)
{
    struct run *r = mem_zalloc(sizeof(*r));

    *r = (struct run){ .all = rs, .next = rs->head, .hooks = hooks, .arg = arg, .fd = -1 };
    rs->head = r;
    if (run_spawn(r, spec, e)) {
        run_dispose(r);
        return NULL;
    }
    r->watch = loop_watch(rs->loop, r->fd, EPOLLIN, on_packets, r);
    r->child = loop_child(rs->loop, r->pid, on_child, r);
    return r;
}

void run_free(struct run **r)
{
    struct run *gone = *r;

    *r = NULL;
    if (!gone)
        return;
    gone->is_released = true;
    run_close(gone);
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
