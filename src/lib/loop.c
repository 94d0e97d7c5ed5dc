/* loop.c - the event loop: sd-event outside, one inner epoll set for every watched descriptor.
 *
 * sd-event dispatches one source per turn, which is dear when hundreds of descriptors are ready. So they live
 * in an epoll set of their own that is one source of the outer loop and hands out up to WATCH_BATCH events per
 * turn. Signals, timers and children stay sd-event's, which takes turns between its sources.
 *
 * What a callback frees may still stand in the batch that is being handed out. A freed watch is therefore only
 * marked and buried when the batch is over. Hooks likewise. Timers and children are sd-event's to keep alive. */
#include "lib/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    WATCH_BATCH = 256,
    TIMER_ACCURACY_US = 1000, /* sd-event's default, 250 ms, is for programs that nobody waits for */
};

struct watch {
    struct loop *loop;
    int fd;
    uint32_t events;
    watch_fn *fn;
    void *arg;
    bool is_dead;
    struct watch *next_dead;
};

struct timer {
    sd_event_source *source;
    loop_fn *fn;
    void *arg;
    bool is_on;
};

struct hook {
    struct loop *loop;
    hook_fn *fn; /* NULL: freed, to be buried */
    void *arg;
    struct hook *next;
};

struct signal_entry {
    sd_event_source *source;
    int signo;
    loop_fn *fn;
    void *arg;
    struct signal_entry *next;
};

struct child {
    sd_event_source *source;
    child_fn *fn;
    void *arg;
};

struct loop {
    sd_event *event;
    sd_event_source *inner;
    int epoll_fd;
    bool is_dispatching; /* watches: a batch is being handed out */
    bool is_hooking;
    bool is_stopped;
    int code;
    struct watch *dead;
    struct hook *hooks;
    struct signal_entry *signals;
};

/* Every failure here is a wrong argument or a machine out of descriptors or memory: nothing to carry on with. */
static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    log_error("the event loop cannot go on", log_str("call", what), log_str("error", strerrordesc_np(-result)));
    abort();
}

/* --- watches ---------------------------------------------------------------------------------------- */

static void watches_bury(struct loop *l)
{
    while (l->dead) {
        struct watch *w = l->dead;

        l->dead = w->next_dead;
        mem_free(&w);
    }
}

static int on_inner(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    struct loop *l = arg;
    struct epoll_event ready[WATCH_BATCH];
    int n = epoll_wait(fd, ready, WATCH_BATCH, 0);

    (void)source;
    (void)revents;
    l->is_dispatching = true;
    for (int i = 0; i < n; i++) {
        struct watch *w = ready[i].data.ptr;
        uint32_t events = ready[i].events & (w->events | EPOLLERR | EPOLLHUP);

        /* an earlier callback of this batch may have freed it, or asked for less */
        if (!w->is_dead && w->events && events)
            w->fn(w->arg, events);
    }
    l->is_dispatching = false;
    watches_bury(l);
    return 0;
}

static void watch_control(struct watch *w, int operation, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = w };

    must(epoll_ctl(w->loop->epoll_fd, operation, w->fd, &ev) < 0 ? -errno : 0, "epoll_ctl");
}

struct watch *loop_watch(struct loop *l, int fd, uint32_t events, watch_fn *fn, void *arg)
{
    struct watch *w = mem_zalloc(sizeof(*w));

    *w = (struct watch){ .loop = l, .fd = fd, .fn = fn, .arg = arg };
    watch_events(w, events);
    return w;
}

/* Without events the descriptor leaves the set: epoll would report a hang-up again and again. */
void watch_events(struct watch *w, uint32_t events)
{
    if (events == w->events)
        return;
    if (!events)
        watch_control(w, EPOLL_CTL_DEL, 0);
    else
        watch_control(w, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
    w->events = events;
}

void watch_free(struct watch **w)
{
    struct watch *dead = *w;

    *w = NULL;
    if (!dead)
        return;
    if (dead->events)
        epoll_ctl(dead->loop->epoll_fd, EPOLL_CTL_DEL, dead->fd, NULL);
    dead->is_dead = true;
    dead->next_dead = dead->loop->dead;
    dead->loop->dead = dead;
    if (!dead->loop->is_dispatching)
        watches_bury(dead->loop);
}

/* --- timers ----------------------------------------------------------------------------------------- */

static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
    struct timer *t = arg;

    (void)source;
    (void)usec;
    t->is_on = false;
    t->fn(t->arg); /* may free t */
    return 0;
}

struct timer *loop_timer(struct loop *l, loop_fn *fn, void *arg)
{
    struct timer *t = mem_zalloc(sizeof(*t));

    *t = (struct timer){ .fn = fn, .arg = arg };
    must(sd_event_add_time(l->event, &t->source, CLOCK_BOOTTIME, UINT64_MAX, TIMER_ACCURACY_US, on_time, t),
         "sd_event_add_time");
    must(sd_event_source_set_enabled(t->source, SD_EVENT_OFF), "sd_event_source_set_enabled");
    return t;
}

static void timer_arm(struct timer *t, uint64_t wait_us, uint64_t accuracy_us)
{
    uint64_t at_us;

    if (__builtin_add_overflow(clock_boot_ns() / 1000, wait_us, &at_us))
        at_us = UINT64_MAX;
    must(sd_event_source_set_time_accuracy(t->source, accuracy_us), "sd_event_source_set_time_accuracy");
    must(sd_event_source_set_time(t->source, at_us), "sd_event_source_set_time");
    must(sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT), "sd_event_source_set_enabled");
    t->is_on = true;
}

void timer_in(struct timer *t, uint64_t ms)
{
    uint64_t wait_us;

    if (__builtin_mul_overflow(ms, (uint64_t)1000, &wait_us))
        wait_us = UINT64_MAX;
    timer_arm(t, wait_us, TIMER_ACCURACY_US);
}

void timer_in_us(struct timer *t, uint64_t us)
{
    timer_arm(t, us, 1);
}

void timer_off(struct timer *t)
{
    must(sd_event_source_set_enabled(t->source, SD_EVENT_OFF), "sd_event_source_set_enabled");
    t->is_on = false;
}

bool timer_is_on(const struct timer *t)
{
    return t->is_on;
}

void timer_free(struct timer **t)
{
    if (*t)
        sd_event_source_disable_unref((*t)->source);
    mem_free(t);
}

/* --- hooks ------------------------------------------------------------------------------------------ */

static void hooks_bury(struct loop *l)
{
    for (struct hook **at = &l->hooks; *at;) {
        struct hook *h = *at;

        if (h->fn) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        mem_free(&h);
    }
}

struct hook *loop_hook(struct loop *l, hook_fn *fn, void *arg)
{
    struct hook *h = mem_zalloc(sizeof(*h));
    struct hook **at = &l->hooks;

    while (*at)
        at = &(*at)->next;
    *h = (struct hook){ .loop = l, .fn = fn, .arg = arg };
    *at = h;
    return h;
}

void hook_free(struct hook **h)
{
    struct hook *dead = *h;

    *h = NULL;
    if (!dead)
        return;
    dead->fn = NULL;
    if (!dead->loop->is_hooking)
        hooks_bury(dead->loop);
}

static bool hooks_run(struct loop *l)
{
    bool is_busy = false;

    l->is_hooking = true;
    for (struct hook *h = l->hooks; h; h = h->next) {
        if (h->fn && h->fn(h->arg))
            is_busy = true;
    }
    l->is_hooking = false;
    hooks_bury(l);
    return is_busy;
}

/* --- signals and children --------------------------------------------------------------------------- */

static void signal_block(int signo)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signo);
    must(-pthread_sigmask(SIG_BLOCK, &set, NULL), "pthread_sigmask");
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct signal_entry *s = arg;

    (void)source;
    (void)info;
    s->fn(s->arg);
    return 0;
}

/* A second call for the same signal replaces the first. */
void loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg)
{
    struct signal_entry *s = l->signals;

    while (s && s->signo != signo)
        s = s->next;
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        *s = (struct signal_entry){ .signo = signo, .next = l->signals };
        l->signals = s;
        signal_block(signo);
        must(sd_event_add_signal(l->event, &s->source, signo, on_signal, s), "sd_event_add_signal");
    }
    s->fn = fn;
    s->arg = arg;
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *arg)
{
    struct child *c = arg;
    int wstatus = info->si_code == CLD_EXITED ? W_EXITCODE(info->si_status, 0) : W_EXITCODE(0, info->si_status);

    (void)source;
    if (info->si_code == CLD_DUMPED)
        wstatus |= WCOREFLAG;
    c->fn(c->arg, info->si_pid, wstatus); /* may free c; sd-event reaps the child after this */
    return 0;
}

struct child *loop_child(struct loop *l, pid_t pid, child_fn *fn, void *arg)
{
    struct child *c = mem_zalloc(sizeof(*c));

    *c = (struct child){ .fn = fn, .arg = arg };
    must(sd_event_add_child(l->event, &c->source, pid, WEXITED, on_child, c), "sd_event_add_child");
    return c;
}

void child_free(struct child **c)
{
    if (*c)
        sd_event_source_disable_unref((*c)->source);
    mem_free(c);
}

/* --- the loop --------------------------------------------------------------------------------------- */

struct loop *loop_new(void)
{
    struct loop *l = mem_zalloc(sizeof(*l));

    signal_block(SIGCHLD); /* sd-event asks for it, though it is the pidfd that tells */
    must(sd_event_new(&l->event), "sd_event_new");
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    must(l->epoll_fd < 0 ? -errno : 0, "epoll_create1");
    must(sd_event_add_io(l->event, &l->inner, l->epoll_fd, EPOLLIN, on_inner, l), "sd_event_add_io");
    /* does nothing unless the service manager set a watchdog for this very process */
    sd_event_set_watchdog(l->event, true);
    return l;
}

void loop_free(struct loop **l)
{
    struct loop *dead = *l;

    *l = NULL;
    if (!dead)
        return;
    watches_bury(dead);
    while (dead->hooks) {
        struct hook *h = dead->hooks;

        dead->hooks = h->next;
        mem_free(&h);
    }
    while (dead->signals) {
        struct signal_entry *s = dead->signals;

        dead->signals = s->next;
        sd_event_source_disable_unref(s->source);
        mem_free(&s);
    }
    sd_event_source_disable_unref(dead->inner);
    sd_event_unref(dead->event);
    close(dead->epoll_fd);
    mem_free(&dead);
}

int loop_run(struct loop *l)
{
    while (!l->is_stopped) {
        bool is_busy = hooks_run(l);
        int r;

        if (l->is_stopped)
            break;
        r = sd_event_run(l->event, is_busy ? 0 : UINT64_MAX);
        if (r != -EINTR)
            must(r, "sd_event_run");
    }
    l->is_stopped = false;
    return l->code;
}

void loop_stop(struct loop *l, int code)
{
    l->is_stopped = true;
    l->code = code;
}
