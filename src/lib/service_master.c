/* service_master.c - the prefork master: one worker process per slot, kept alive.
 *
 * Given the descriptors that `open` made, it forks a worker per slot and learns from a pipe of each that it is
 * ready and alive. A worker that ends is replaced, with back-off when it did not live long; one that is silent
 * for REPORT_MISSING_MS is killed first. SIGHUP reads the settings again and starts a second worker in each
 * slot; when that one is ready the first is drained. SIGTERM and SIGINT are passed on.
 *
 * The master calls no library that would not survive fork: it opens, forks and waits. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/service_impl.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MOST_MS = 5000,
    HEALTHY_MS = 10000,     /* a worker that lived this long did not crash because of its start */
    DRAIN_MARGIN_MS = 2000, /* for workers that end at their own deadline */
    TICK_LATE_MS = 3000,    /* the master itself was stopped or the machine slept */
};

struct slot {
    struct master *master;
    unsigned index;
    struct worker *current; /* NULL: waiting for its replacement */
    struct timer *respawn;
    unsigned backoff_ms;
};

struct worker {
    struct slot *slot;
    pid_t pid;
    int pipe_fd;
    struct watch *watch;
    struct child *child;
    uint64_t started_ms, heard_ms;
    bool is_ready, is_told_to_stop, is_silent;
    bool is_failing; /* what follows in the pipe is the reason */
    struct buf reason;
    struct worker *next;
};

struct master {
    struct service *service;
    struct loop *loop;
    void *shared;
    struct slot *slots;
    unsigned n_slots;
    struct worker *workers; /* of all slots and generations */
    struct timer *tick, *deadline;
    uint64_t ticked_ms;
    struct service_fds fds; /* what workers inherit */
    bool is_ready, is_stopping;
    int code;
    struct err why; /* of a failed start */
};

/* --- workers ---------------------------------------------------------------------------------------- */

static void on_report(void *arg, uint32_t events);
static void on_worker_end(void *arg, pid_t pid, int wstatus);

static int worker_start(struct slot *slot)
{
    struct master *m = slot->master;
    const pid_t master_pid = getpid();
    struct worker *w;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return -1;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        service_worker_main(m->service, &m->fds, &(struct service_seat){ m->shared, slot->index, ends[1], master_pid });
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    w = mem_zalloc(sizeof(*w));
    *w = (struct worker){ .slot = slot, .pid = pid, .pipe_fd = ends[0], .next = m->workers };
    w->started_ms = w->heard_ms = clock_boot_ms();
    w->watch = loop_watch(m->loop, ends[0], EPOLLIN, on_report, w);
    w->child = loop_child(m->loop, pid, on_worker_end, w);
    m->workers = w;
    slot->current = w;
    return 0;
}

static void slot_respawn_later(struct slot *slot, bool is_quick)
{
    if (!is_quick) {
        slot->backoff_ms = 0;
        timer_in(slot->respawn, 0);
        return;
    }
    slot->backoff_ms = slot->backoff_ms ? slot->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (slot->backoff_ms > BACKOFF_MOST_MS)
        slot->backoff_ms = BACKOFF_MOST_MS;
    timer_in(slot->respawn, slot->backoff_ms);
}

static void on_respawn(void *arg)
{
    struct slot *slot = arg;

    if (worker_start(slot) == 0)
        return;
    log_error("cannot start a worker", log_int("slot", slot->index), log_str("error", strerrordesc_np(errno)));
    slot_respawn_later(slot, true);
}

static void worker_tell_to_stop(struct worker *w)
{
    if (!w->is_told_to_stop)
        kill(w->pid, SIGTERM);
    w->is_told_to_stop = true;
}

static void worker_is_ready(struct worker *w)
{
    struct master *m = w->slot->master;
    unsigned n = 0;

    w->is_ready = true;
    for (struct worker *other = m->workers; other; other = other->next) {
        if (other != w && other->slot == w->slot)
            worker_tell_to_stop(other);
    }
    while (n < m->n_slots && m->slots[n].current && m->slots[n].current->is_ready)
        n++;
    if (m->is_ready || m->is_stopping || n < m->n_slots)
        return;
    m->is_ready = true;
    service_ready(m->service);
}

static void worker_hear(struct worker *w, const char *data, size_t len)
{
    w->heard_ms = clock_boot_ms();
    for (size_t i = 0; i < len; i++) {
        if (w->is_failing)
            buf_putc(&w->reason, data[i]);
        else if (data[i] == REPORT_READY)
            worker_is_ready(w);
        else
            w->is_failing = data[i] == REPORT_FAILED;
    }
}

static void worker_read(struct worker *w)
{
    char data[512];
    ssize_t n;

    while ((n = read(w->pipe_fd, data, sizeof(data))) > 0)
        worker_hear(w, data, (size_t)n);
    if (n == 0)
        watch_events(w->watch, 0); /* its process ends, and that is told apart */
}

static void on_report(void *arg, uint32_t events)
{
    (void)events;
    worker_read(arg);
}

static void worker_free(struct worker **w)
{
    struct worker **at = &(*w)->slot->master->workers;

    while (*at != *w)
        at = &(*at)->next;
    *at = (*w)->next;
    watch_free(&(*w)->watch);
    child_free(&(*w)->child);
    close((*w)->pipe_fd);
    buf_fini(&(*w)->reason);
    mem_free(w);
}

static void worker_describe_end(const struct worker *w, int wstatus, struct err *e)
{
    if (w->reason.len)
        err_set(e, ERR_SYSTEM, "%s", w->reason.data);
    else if (w->is_silent)
        err_set(e, ERR_SYSTEM, "worker %u was silent for %d ms and was killed", w->slot->index, REPORT_MISSING_MS);
    else if (WIFSIGNALED(wstatus))
        err_set(e, ERR_SYSTEM, "worker %u was ended by signal %d", w->slot->index, WTERMSIG(wstatus));
    else
        err_set(e, ERR_SYSTEM, "worker %u ended with code %d", w->slot->index, WEXITSTATUS(wstatus));
}

/* --- the whole -------------------------------------------------------------------------------------- */

static void master_stop(struct master *m)
{
    m->is_stopping = true;
    for (unsigned i = 0; i < m->n_slots; i++)
        timer_off(m->slots[i].respawn);
    for (struct worker *w = m->workers; w; w = w->next)
        worker_tell_to_stop(w);
    timer_in(m->deadline, (uint64_t)m->service->spec->drain_ms + DRAIN_MARGIN_MS);
    if (!m->workers)
        loop_stop(m->loop, m->code);
}

static void workers_kill(struct master *m)
{
    for (struct worker *w = m->workers; w; w = w->next)
        kill(w->pid, SIGKILL);
}

/* A slot lost its worker: an older one that still serves takes its place again (a reload that failed), else a
 * new one is started. */
static void slot_refill(struct slot *slot, uint64_t lived_ms)
{
    slot->current = NULL;
    for (struct worker *w = slot->master->workers; w; w = w->next) {
        if (w->slot == slot && w->is_ready && !w->is_told_to_stop)
            slot->current = w;
    }
    if (!slot->current)
        slot_respawn_later(slot, lived_ms < HEALTHY_MS);
}

static void on_worker_end(void *arg, pid_t pid, int wstatus)
{
    struct worker *w = arg;
    struct slot *slot = w->slot;
    struct master *m = slot->master;
    const uint64_t lived_ms = clock_boot_ms() - w->started_ms;
    const bool is_expected = w->is_told_to_stop, was_ready = w->is_ready, was_current = slot->current == w;
    struct err e = { 0 };

    worker_read(w);
    worker_describe_end(w, wstatus, &e);
    worker_free(&w);
    if (m->is_stopping) {
        if (!m->workers)
            loop_stop(m->loop, m->code);
        return;
    }
    if (is_expected && !was_current) {
        log_info("an old worker is drained", log_int("slot", slot->index), log_int("pid", pid));
        return;
    }
    if (!m->is_ready && !was_ready) {
        m->why = e;
        m->code = 1;
        master_stop(m);
        return;
    }
    log_error("a worker ended", log_int("slot", slot->index), log_int("pid", pid), log_err(&e));
    if (was_current)
        slot_refill(slot, lived_ms);
}

/* After a pause of the master's own every pipe looks silent, though it is full of reports: start afresh. */
static void on_tick(void *arg)
{
    struct master *m = arg;
    const uint64_t now = clock_boot_ms();
    const bool was_away = now - m->ticked_ms > TICK_LATE_MS;

    for (struct worker *w = m->workers; w; w = w->next) {
        if (was_away)
            w->heard_ms = now;
        if (now - w->heard_ms <= REPORT_MISSING_MS || w->is_silent)
            continue;
        w->is_silent = true;
        kill(w->pid, SIGKILL);
    }
    m->ticked_ms = now;
    timer_in(m->tick, REPORT_INTERVAL_MS);
}

static void on_stop_signal(void *arg)
{
    struct master *m = arg;

    if (m->is_stopping) {
        log_warn("asked to stop again: stopping at once");
        workers_kill(m);
        return;
    }
    log_info("asked to stop");
    service_tell_stopping();
    master_stop(m);
}

static void on_deadline(void *arg)
{
    struct master *m = arg;

    log_warn("workers did not end in time and are killed");
    workers_kill(m);
}

/* Workers started from now on get the new settings; the number of slots and what `open` made stay. */
static int settings_reload(struct service *s, struct err *e)
{
    struct service_config fresh = { 0 };

    if (service_config_load(&fresh, s->spec, s->argc, s->argv, e))
        return -1;
    if (service_log_init(&fresh, s->spec->name, e)) {
        service_config_fini(&fresh);
        return -1;
    }
    service_config_fini(&s->config);
    s->config = fresh;
    return 0;
}

static void on_reload_signal(void *arg)
{
    struct master *m = arg;
    struct err e = { 0 };

    for (unsigned i = 0; i < m->n_slots; i++) {
        if (m->is_stopping || !m->slots[i].current || !m->slots[i].current->is_ready) {
            log_warn("not all workers are up: the reload is ignored", log_int("slot", i));
            return;
        }
    }
    if (settings_reload(m->service, &e)) {
        log_error("the new settings are refused; the old workers stay", log_err(&e));
        return;
    }
    log_info("reloading");
    for (unsigned i = 0; i < m->n_slots; i++) {
        if (worker_start(&m->slots[i]))
            log_error("cannot start a worker", log_int("slot", i), log_str("error", strerrordesc_np(errno)));
    }
}

static void master_init(struct master *m)
{
    m->loop = m->service->loop = loop_new();
    loop_signal(m->loop, SIGTERM, on_stop_signal, m);
    loop_signal(m->loop, SIGINT, on_stop_signal, m);
    loop_signal(m->loop, SIGHUP, on_reload_signal, m);
    m->deadline = loop_timer(m->loop, on_deadline, m);
    m->tick = loop_timer(m->loop, on_tick, m);
    m->slots = mem_array(m->n_slots, sizeof(*m->slots));
    for (unsigned i = 0; i < m->n_slots; i++) {
        m->slots[i] = (struct slot){ .master = m, .index = i };
        m->slots[i].respawn = loop_timer(m->loop, on_respawn, &m->slots[i]);
    }
    m->ticked_ms = clock_boot_ms();
    timer_in(m->tick, REPORT_INTERVAL_MS);
}

static void master_fini(struct master *m)
{
    for (unsigned i = 0; i < m->n_slots; i++)
        timer_free(&m->slots[i].respawn);
    mem_free(&m->slots);
    timer_free(&m->tick);
    timer_free(&m->deadline);
    loop_free(&m->loop);
    service_fds_fini(&m->fds);
}

int service_master_run(struct service *s, struct err *e)
{
    struct master m = { .service = s, .n_slots = s->spec->slots(s->config.settings) };

    if (s->spec->open && s->spec->open(s->config.settings, &m.shared, e))
        return 1;
    if (service_fds_note(&m.fds, s->ready_fd, e))
        return 1;
    master_init(&m);
    for (unsigned i = 0; i < m.n_slots && !m.is_stopping; i++) {
        if (worker_start(&m.slots[i])) {
            err_sys(&m.why, "cannot start worker %u", i);
            m.code = 1;
            master_stop(&m);
        }
    }
    loop_run(m.loop);
    *e = m.why;
    master_fini(&m);
    return m.code;
}
