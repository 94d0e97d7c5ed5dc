/* helper.c - runs git and rm for the agent. Each is a process group of its own, reads nothing, and is over when its
 * process is: a grandchild that keeps the pipes open (ssh's master connections do) does not hold anything up. */
#include "agent/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/proc.h"

enum { OUT_MAX = 1024 * 1024, ERR_MAX = 16 * 1024, KILL_MS = 3000, READ_SIZE = 16 * 1024 };

struct capture {
    int fd;                  /* reading end; -1: at its end */
    size_t max;
    struct watch *watch;
    struct buf text;
};

struct helper {
    struct helpers *all;
    struct helper *next;
    helper_fn *fn;           /* NULL: cancelled */
    void *arg;
    pid_t pid;               /* 0: was not started */
    struct child *child;
    struct timer *timer;     /* the time limit; of a cancelled one: from TERM to KILL */
    struct capture out, err;
    bool is_told;            /* to end */
};

struct helpers {
    struct loop *loop;
    char *mark;              /* "ORION_AGENT_HELPER=..." */
    struct helper *head;
};

static void capture_close(struct capture *c)
{
    watch_free(&c->watch);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* What does not fit is read and forgotten: the program must not block. */
static void capture_read(struct capture *c)
{
    char block[READ_SIZE];
    ssize_t n;

    while (c->fd >= 0) {
        n = read(c->fd, block, sizeof(block));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            capture_close(c);
        else if (c->text.len < c->max)
            buf_append(&c->text, block, (size_t)n < c->max - c->text.len ? (size_t)n : c->max - c->text.len);
    }
}

static void on_capture(void *arg, uint32_t events)
{
    (void)events;
    capture_read(arg);
}

static void helper_free(struct helper *h)
{
    for (struct helper **at = &h->all->head; *at; at = &(*at)->next) {
        if (*at == h) {
            *at = h->next;
            break;
        }
    }
    child_free(&h->child);
    timer_free(&h->timer);
    capture_close(&h->out);
    capture_close(&h->err);
    buf_fini(&h->out.text);
    buf_fini(&h->err.text);
    mem_free(&h);
}

static void helper_finish(struct helper *h, bool ok)
{
    const struct helper_end end = {
        .ok = ok,
        .out = h->out.text.data ? h->out.text.data : "",
        .err = h->err.text.data ? h->err.text.data : "",
    };

    if (h->fn)
        h->fn(h->arg, &end);
    helper_free(h);
}

static void on_child(void *arg, pid_t pid, int wstatus)
{
    struct helper *h = arg;

    if (h->is_told)
        kill(-pid, SIGKILL); /* who is left of its group */
    h->pid = 0;
    capture_read(&h->out);
    capture_read(&h->err);
    helper_finish(h, WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0);
}

static void tick_kill(void *arg)
{
    struct helper *h = arg;

    kill(-h->pid, SIGKILL);
}

static void tick_not_started(void *arg)
{
    helper_finish(arg, false);
}

/* First politely: git removes its lock files then. */
static void helper_end(struct helper *h, const char *why)
{
    if (h->is_told)
        return;
    h->is_told = true;
    buf_reset(&h->err.text);
    buf_puts(&h->err.text, why);
    h->err.max = 0;
    kill(-h->pid, SIGTERM);
    timer_free(&h->timer);
    h->timer = loop_timer(h->all->loop, tick_kill, h);
    timer_in(h->timer, KILL_MS);
}

static void tick_limit(void *arg)
{
    helper_end(arg, "it took too long");
}

static void capture_open(struct helper *h, struct capture *c, size_t max, int *write_end)
{
    int fds[2];

    *c = (struct capture){ .fd = -1, .max = max };
    *write_end = -1;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    c->fd = fds[0];
    c->watch = loop_watch(h->all->loop, c->fd, EPOLLIN, on_capture, c);
    *write_end = fds[1];
}

static const char **env_make(const struct helper_spec *spec, const char *mark)
{
    const char *const *from = spec->env ? spec->env : (const char *const *)environ;
    const char **env;
    size_t n = 0;

    while (from[n])
        n++;
    env = mem_array(n + 2, sizeof(*env));
    memcpy(env, from, n * sizeof(*env));
    env[n] = mark;
    return env;
}

static int helper_spawn(struct helper *h, const struct helper_spec *spec, const int pipes[2], struct err *e)
{
    const char **env = env_make(spec, h->all->mark);
    const struct proc_fd fds[] = { { 1, pipes[0] }, { 2, pipes[1] } };
    const struct proc_spec p = { .argv = spec->argv,
                                 .env = env,
                                 .fds = fds,
                                 .n_fds = ARRAY_LEN(fds),
                                 .new_group = true };
    const int rc = proc_spawn(&p, &h->pid, e);

    mem_free(&env);
    return rc;
}

struct helper *helper_start(struct helpers *hs, const struct helper_spec *spec, helper_fn *fn, void *arg)
{
    struct helper *h = mem_zalloc(sizeof(*h));
    struct err e = { 0 };
    int pipes[2];

    *h = (struct helper){ .all = hs, .next = hs->head, .fn = fn, .arg = arg };
    hs->head = h;
    capture_open(h, &h->out, OUT_MAX, &pipes[0]);
    capture_open(h, &h->err, ERR_MAX, &pipes[1]);
    if (helper_spawn(h, spec, pipes, &e)) {
        h->pid = 0;
        buf_puts(&h->err.text, e.text);
        h->timer = loop_timer(hs->loop, tick_not_started, h);
        timer_in(h->timer, 0);
    } else {
        h->child = loop_child(hs->loop, h->pid, on_child, h);
        h->timer = loop_timer(hs->loop, tick_limit, h);
        timer_in(h->timer, (uint64_t)spec->timeout_ms);
    }
    for (int i = 0; i < 2; i++) {
        if (pipes[i] >= 0)
            close(pipes[i]);
    }
    return h;
}

void helper_stop(struct helper *h)
{
    if (h->pid)
        helper_end(h, "it was stopped");
}

void helper_cancel(struct helper **h)
{
    struct helper *gone = *h;

    *h = NULL;
    if (!gone)
        return;
    gone->fn = NULL;
    helper_stop(gone);
}

struct helpers *helpers_new(struct loop *l, const char *mark)
{
    struct helpers *hs = mem_zalloc(sizeof(*hs));

    *hs = (struct helpers){ .loop = l, .mark = mem_printf(HELPER_MARK "=%s", mark) };
    return hs;
}

void helpers_free(struct helpers **hs)
{
    while (*hs && (*hs)->head) {
        struct helper *h = (*hs)->head;

        if (h->pid) {
            kill(-h->pid, SIGKILL);
            child_free(&h->child);
            waitpid(h->pid, NULL, 0);
        }
        helper_free(h);
    }
    if (*hs)
        mem_free(&(*hs)->mark);
    mem_free(hs);
}
