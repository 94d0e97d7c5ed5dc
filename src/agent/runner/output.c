/* output.c - what the build writes becomes the log: pipes are read into the chunker (ARCHITECTURE "The life of a
 * task" 4).
 *
 * A chunk goes out at once when nothing went out for 10 ms, else when 10 ms are over or it is full. Meanwhile the pipe
 * is let alone, which spares the wake-ups of a build that writes line by line, unless it writes faster than the pipe
 * holds. Bytes of two streams never share a chunk, and chunks stand in the order in which the bytes were read.
 *
 * Past the spool's bound, and while its disk is full, the pipes are left unread: the build waits, nothing is lost, and
 * the log says so once it goes on. When nobody writes any more, what the pipes still hold is taken over the bound: an
 * end must not wait for a log disk elsewhere. Past the log's limit everything is read; cap.c keeps the last part. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/runner/chunker.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
    CHUNK_WAIT_MS = 10,
    READS_PER_TURN = 8,
    RUSH_BYTES = 32 << 10,     /* in one wait: half of what a pipe holds */
    RETRY_MS = 250,            /* a full disk */
    WAIT_TOLD_MS = 1000,       /* waits are told when they come to this */
    WAIT_END_MS = 100,         /* at the end, to this */
};

struct source {
    struct output *output;
    int fd;                  /* reading end; -1: at its end */
    uint8_t stream;
    struct watch *watch;
};

struct wait {
    bool is_on;              /* the pipes are left unread */
    bool is_felt;            /* somebody waits: there are bytes that go nowhere */
    uint64_t since_ms;
    uint64_t total_ms;       /* of those that are over and not told */
    char why[160];           /* of the last one */
};

struct output {
    struct loop *loop;
    const struct output_hooks *hooks;
    void *arg;
    struct chunker *log;
    struct cap *cap;         /* NULL: no limit */
    uint64_t log_max;        /* 0: none */
    uint64_t spool_max;
    uint64_t trimmed;        /* bytes that the log sink has */
    uint64_t told;           /* chunks that on_spooled was called for */
    struct source sources[2];
    unsigned n_sources;
    int write_fds[2];        /* -1: closed */
    struct timer *timer;     /* pending bytes go out; or another try when the disk is full */
    uint64_t sent_ms;
    size_t taken;            /* bytes read since the timer's last tick */
    bool is_rushing;         /* more than the pipe may keep meanwhile */
    bool is_ending, is_cap_told, is_last_told, is_over;
    bool has_failed;         /* and it was told */
    char *last;              /* the log's last line; NULL: none */
    struct wait wait;
};

static void output_end(struct output *o);

/* --- chunks ---------------------------------------------------------------------------------------- */

/* Says what came of it, and tries again later where that may help. */
static void output_tell(struct output *o)
{
    const struct output_totals *t = chunker_totals(o->log);
    struct err e;
    const enum chunker_state state = chunker_state(o->log, &e);

    if (t->chunks > o->told) {
        o->told = t->chunks;
        o->sent_ms = clock_boot_ms();
        o->hooks->on_spooled(o->arg, t->chunks, t->bytes);
    }
    if (state == CHUNKER_STUCK)
        timer_in(o->timer, RETRY_MS);
    if (state != CHUNKER_FAILED || o->has_failed)
        return;
    o->has_failed = true;
    o->hooks->on_failed(o->arg, &e);
}

static bool output_flush(struct output *o)
{
    const bool is_out = chunker_flush(o->log);

    if (timer_is_on(o->timer))
        timer_off(o->timer);
    output_tell(o);
    return is_out;
}

void output_note(struct output *o, const char *text)
{
    chunker_note(o->log, text, 0, 0);
    output_flush(o);
}

/* --- waiting --------------------------------------------------------------------------------------- */

/* Bytes that no log sink has. */
static uint64_t unsent(const struct output *o)
{
    return chunker_totals(o->log)->bytes - o->trimmed;
}

/* Past the log's limit nothing is added to the spool. */
static bool is_full(const struct output *o)
{
    return unsent(o) + chunker_pending(o->log) > o->spool_max && !(o->cap && cap_is_reached(o->cap));
}

/* Has any pipe something for us? */
static bool has_input(const struct output *o)
{
    for (unsigned i = 0; i < o->n_sources; i++) {
        int n = 0;

        if (o->sources[i].fd >= 0 && ioctl(o->sources[i].fd, FIONREAD, &n) == 0 && n > 0)
            return true;
    }
    return false;
}

static void wait_note(struct output *o, void (*put)(struct chunker *k, const char *text))
{
    struct wait *w = &o->wait;
    const uint64_t tenths = w->total_ms / 100;
    char *text = mem_printf("[orion: output waited %" PRIu64 ".%" PRIu64 " s: %s]\n", tenths / 10, tenths % 10, w->why);

    put(o->log, text);
    w->total_ms = 0;
    mem_free(&text);
}

static void wait_begin(struct output *o)
{
    struct wait *w = &o->wait;
    struct err e;

    w->is_on = true;
    w->since_ms = clock_boot_ms();
    w->is_felt = chunker_state(o->log, &e) == CHUNKER_STUCK;
    if (w->is_felt)
        snprintf(w->why, sizeof(w->why), "%.159s", e.text);
    else
        snprintf(w->why, sizeof(w->why), "the spool is full (%" PRIu64 " bytes not yet on the log sink)", unsent(o));
    o->hooks->on_full(o->arg, true);
}

/* It counts when somebody had to wait: what he wrote is in the pipe, or here. */
static void wait_end(struct output *o)
{
    struct wait *w = &o->wait;

    w->is_on = false;
    if (w->is_felt || has_input(o))
        w->total_ms += clock_boot_ms() - w->since_ms;
    if (w->total_ms >= WAIT_TOLD_MS && !o->is_ending)
        wait_note(o, chunker_note_between);
    o->hooks->on_full(o->arg, false);
}

static void wait_consider(struct output *o)
{
    const bool must = chunker_state(o->log, NULL) == CHUNKER_STUCK || (is_full(o) && !o->is_ending);

    if (must && !o->wait.is_on)
        wait_begin(o);
    else if (!must && o->wait.is_on)
        wait_end(o);
}

/* --- pipes ----------------------------------------------------------------------------------------- */

/* Pending bytes wait for the timer, and what comes meanwhile may wait in the pipe. */
static bool is_paused(const struct output *o)
{
    return chunker_pending(o->log) && timer_is_on(o->timer) && !o->is_rushing;
}

static void sources_listen(struct output *o)
{
    bool may_read;

    wait_consider(o);
    may_read = !o->wait.is_on && !o->has_failed && !is_paused(o);
    for (unsigned i = 0; i < o->n_sources; i++) {
        if (o->sources[i].watch)
            watch_events(o->sources[i].watch, may_read ? EPOLLIN : 0);
    }
}

static void source_close(struct source *s)
{
    watch_free(&s->watch);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* What is past the limit does not stay. */
static void output_take(struct output *o, const struct source *s, const uint8_t *data, size_t n)
{
    const size_t admitted = o->cap ? cap_admit(o->cap, data, n, chunker_is_line_open(o->log)) : n;

    chunker_add(o->log, admitted);
    o->taken += n;
    if (admitted < n)
        cap_put(o->cap, &(struct piece){ .data = data + admitted,
                                         .len = n - admitted,
                                         .stream = s->stream,
                                         .time_ns = chunker_now_ns(o->log) });
    o->hooks->on_read(o->arg);
}

enum read_end { READ_SOME, READ_EMPTY, READ_END, READ_BLOCKED };

static enum read_end source_read(struct source *s)
{
    struct output *o = s->output;
    size_t room;
    uint8_t *data = chunker_room(o->log, s->stream, &room);
    ssize_t n;

    if (!data) {
        output_tell(o);
        return o->has_failed ? READ_END : READ_BLOCKED;
    }
    n = read(s->fd, data, room);
    if (n < 0)
        return errno == EINTR ? READ_SOME : errno == EAGAIN ? READ_EMPTY : READ_END;
    if (n == 0)
        return READ_END;
    output_take(o, s, data, (size_t)n);
    return READ_SOME;
}

/* As much as there is, within the turn and the spool's bound. */
static void source_drain(struct source *s)
{
    enum read_end end = READ_SOME;

    for (int i = 0; i < READS_PER_TURN && s->fd >= 0 && end == READ_SOME && !is_full(s->output); i++) {
        end = source_read(s);
        if (end == READ_END)
            source_close(s);
    }
}

static void chunk_consider(struct output *o)
{
    const uint64_t gone = clock_boot_ms() - o->sent_ms;

    output_tell(o);
    if (gone >= CHUNK_WAIT_MS)
        output_flush(o);
    else if (chunker_pending(o->log) && !timer_is_on(o->timer))
        timer_in(o->timer, CHUNK_WAIT_MS - gone);
}

static void on_source(void *arg, uint32_t events)
{
    struct source *s = arg;

    (void)events;
    source_drain(s);
    chunk_consider(s->output);
    sources_listen(s->output);
}

static void tick_output(void *arg)
{
    struct output *o = arg;

    if (o->is_ending) {
        output_end(o);
        return;
    }
    for (unsigned i = 0; i < o->n_sources; i++)
        source_drain(&o->sources[i]);
    output_flush(o);
    o->is_rushing = o->taken >= RUSH_BYTES;
    o->taken = 0;
    sources_listen(o);
}

static int source_open(struct output *o, unsigned i, uint8_t stream, struct err *e)
{
    struct source *s = &o->sources[i];
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(e, "cannot make a pipe");
    fcntl(fds[0], F_SETFL, O_NONBLOCK); /* this end only: builds are not written for pipes that refuse */
    *s = (struct source){ .output = o, .fd = fds[0], .stream = stream };
    o->write_fds[i] = fds[1];
    s->watch = loop_watch(o->loop, s->fd, EPOLLIN, on_source, s);
    return 0;
}

int output_pipes(struct output *o, int fds_r[2], struct err *e)
{
    for (unsigned i = 0; i < o->n_sources && o->write_fds[i] < 0; i++) {
        if (source_open(o, i, o->sources[i].stream, e))
            return -1;
    }
    fds_r[0] = o->write_fds[0];
    fds_r[1] = o->write_fds[o->n_sources - 1];
    return 0;
}

void output_pipes_close(struct output *o)
{
    for (unsigned i = 0; i < 2; i++) {
        if (o->write_fds[i] >= 0)
            close(o->write_fds[i]);
        o->write_fds[i] = -1;
    }
}

/* --- the end --------------------------------------------------------------------------------------- */

/* False: the disk is full. */
static bool end_read(struct output *o)
{
    for (unsigned i = 0; i < o->n_sources; i++) {
        struct source *s = &o->sources[i];

        while (s->fd >= 0) {
            const enum read_end end = source_read(s);

            if (end == READ_BLOCKED)
                return false;
            if (end != READ_SOME)
                source_close(s);
        }
    }
    return output_flush(o);
}

/* The line about what is left out, where that was. */
static void cap_tell(struct output *o)
{
    struct cap_end left;
    char *text;

    cap_settle(o->cap, &left);
    if (!left.bytes)
        return;
    chunker_line_close(o->log);
    text = mem_printf("[orion: the log's limit of %" PRIu64 " bytes is reached: %" PRIu64 " bytes (%" PRIu64
                      " lines) are left out here]\n",
                      o->log_max, left.bytes, left.lines);
    chunker_note(o->log, text, CHAIN_CAP, left.time_ns);
    mem_free(&text);
}

/* The last part of what was past the limit. */
static bool end_cap(struct output *o)
{
    struct piece p;

    if (!o->cap || !cap_is_reached(o->cap))
        return true;
    if (!o->is_cap_told)
        cap_tell(o);
    o->is_cap_told = true;
    while (cap_first(o->cap, &p)) {
        if (!chunker_put(o->log, &p)) {
            output_tell(o);
            return false;
        }
        cap_drop(o->cap, p.len);
    }
    return output_flush(o);
}

static void note_last(struct chunker *k, const char *text)
{
    chunker_note(k, text, 0, 0);
}

static bool end_last(struct output *o)
{
    if (!o->is_last_told) {
        const bool has_waited = o->wait.total_ms >= WAIT_END_MS;

        o->is_last_told = true;
        if (o->last || has_waited || chunker_owes_note(o->log))
            chunker_line_close(o->log);
        if (has_waited)
            wait_note(o, note_last);
        if (o->last)
            note_last(o->log, o->last);
    }
    return output_flush(o);
}

/* Goes on where the disk was full. */
static void output_end(struct output *o)
{
    bool is_out = end_read(o) && end_cap(o);

    wait_consider(o); /* what is over is told in the last lines */
    is_out = is_out && end_last(o);
    wait_consider(o);
    if (o->is_over || !(is_out || o->has_failed))
        return;
    o->is_over = true;
    o->hooks->on_finished(o->arg);
}

void output_finish(struct output *o, const char *last)
{
    output_pipes_close(o);
    for (unsigned i = 0; i < o->n_sources; i++)
        watch_free(&o->sources[i].watch);
    if (o->wait.is_on && chunker_state(o->log, NULL) != CHUNKER_STUCK)
        wait_end(o);
    o->last = last ? mem_strdup(last) : NULL;
    o->is_ending = true;
    output_end(o);
}

void output_give_up(struct output *o)
{
    if (!o->is_ending || o->is_over)
        return;
    chunker_give_up(o->log);
    output_tell(o);
    output_end(o);
}

/* --- asked from outside ---------------------------------------------------------------------------- */

void output_trim(struct output *o, uint64_t seq, uint64_t offset)
{
    if (offset > o->trimmed && offset <= chunker_totals(o->log)->bytes) {
        o->trimmed = offset;
        chunker_trim(o->log, seq);
    }
    if (!o->is_ending)
        sources_listen(o);
}

bool output_look(struct output *o)
{
    bool has_read = false;

    for (unsigned i = 0; i < o->n_sources; i++) {
        const size_t before = o->taken;

        if (o->sources[i].fd < 0)
            continue;
        on_source(&o->sources[i], EPOLLIN);
        has_read = has_read || o->taken > before;
    }
    return has_read;
}

void output_totals(const struct output *o, struct output_totals *t_r)
{
    *t_r = *chunker_totals(o->log);
}

struct output *output_new(struct loop *l, const struct msg_runner_job *job, const struct output_hooks *hooks, void *arg,
                          struct err *e)
{
    struct output *o = mem_zalloc(sizeof(*o));

    o->loop = l;
    o->hooks = hooks;
    o->arg = arg;
    o->spool_max = (uint64_t)job->spool_max;
    o->log_max = (uint64_t)job->log_max;
    o->n_sources = job->separate_streams ? 2 : 1;
    o->sources[0] = (struct source){ .fd = -1, .stream = job->separate_streams ? CHAIN_STDOUT : CHAIN_BOTH };
    o->sources[1] = (struct source){ .fd = -1, .stream = CHAIN_STDERR };
    o->write_fds[0] = o->write_fds[1] = -1;
    o->timer = loop_timer(l, tick_output, o);
    o->cap = o->log_max ? cap_new(o->log_max) : NULL;
    o->log = chunker_new(job, e);
    if (!o->log)
        output_free(&o);
    return o;
}

void output_free(struct output **o)
{
    if (*o) {
        output_pipes_close(*o);
        source_close(&(*o)->sources[0]);
        source_close(&(*o)->sources[1]);
        timer_free(&(*o)->timer);
        chunker_free(&(*o)->log);
        cap_free(&(*o)->cap);
        mem_free(&(*o)->last);
    }
    mem_free(o);
}
