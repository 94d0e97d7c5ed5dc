/* output.c - what the build writes becomes the log: pipe -> chunk -> hash chain -> spool (ARCHITECTURE "The life of
 * a task" 4, "Log format").
 *
 * A chunk goes out when it has 4 KiB, when its first byte has waited 10 ms, or at once when nothing went out for
 * 10 ms. Bytes of two streams never share a chunk, and the chunks stand in the order in which the bytes were read.
 * Past the spool's bound the pipes are left unread: the build waits until the log sink has caught up. When nobody
 * writes any more, what the pipes still hold is taken over the bound: an end must not wait for a log disk. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/runner/runner.h"
#include "agent/spool.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { CHUNK_ENOUGH = 4096, CHUNK_WAIT_MS = 10, READS_PER_TURN = 8 };

struct source {
    struct output *output;
    int fd;                  /* reading end; -1: at its end */
    uint8_t stream;
    struct watch *watch;
};

struct output {
    struct loop *loop;
    const struct output_hooks *hooks;
    void *arg;
    struct spool_writer *spool;
    uint64_t spool_max;
    uint64_t trimmed;        /* bytes that the log sink has */
    struct source sources[2];
    unsigned n_sources;
    int write_fds[2];        /* -1: closed */
    struct timer *wait;
    uint64_t started_ns, sent_ms;
    struct output_totals totals;
    bool is_line_open;       /* the last byte was not the end of a line */
    bool is_finished, has_failed;
    uint8_t stream;          /* of the pending bytes */
    size_t len;
    uint8_t pending[CHAIN_DATA_MAX];
};

/* --- chunks ---------------------------------------------------------------------------------------- */

static void lines_count(struct output *o, const uint8_t *data, size_t len)
{
    for (const uint8_t *at = data, *end = data + len; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        o->totals.lines++;
    o->is_line_open = data[len - 1] != '\n';
}

static void chunk_send(struct output *o)
{
    struct spool_chunk c = {
        .chunk = { .seq = o->totals.chunks + 1,
                   .offset = o->totals.bytes,
                   .length = (uint32_t)o->len,
                   .stream = o->stream,
                   .time_ns = clock_boot_ns() - o->started_ns },
        .head = o->totals.head,
        .data = o->pending,
    };
    struct err e = { 0 };

    timer_off(o->wait);
    if (!o->len || o->has_failed)
        return;
    chain_next(&c.head, &c.chunk, c.data);
    if (spool_write(o->spool, &c, &e)) {
        o->has_failed = true;
        o->hooks->on_failed(o->arg, &e);
        return;
    }
    lines_count(o, o->pending, o->len);
    o->totals.chunks++;
    o->totals.bytes += o->len;
    o->totals.head = c.head;
    o->len = 0;
    o->sent_ms = clock_boot_ms();
    o->hooks->on_spooled(o->arg, o->totals.chunks, o->totals.bytes);
}

static void chunk_consider(struct output *o)
{
    if (o->len >= CHUNK_ENOUGH || clock_boot_ms() - o->sent_ms >= CHUNK_WAIT_MS)
        chunk_send(o);
    else if (o->len && !timer_is_on(o->wait))
        timer_in(o->wait, CHUNK_WAIT_MS);
}

static void tick_wait(void *arg)
{
    chunk_send(arg);
}

void output_note(struct output *o, const char *text)
{
    size_t len = strlen(text);

    chunk_send(o);
    o->stream = o->sources[0].stream;
    while (len) {
        o->len = len < sizeof(o->pending) ? len : sizeof(o->pending);
        memcpy(o->pending, text, o->len);
        text += o->len;
        len -= o->len;
        chunk_send(o);
    }
}

/* --- pipes ----------------------------------------------------------------------------------------- */

static bool is_full(const struct output *o)
{
    return o->totals.bytes + o->len - o->trimmed > o->spool_max;
}

static void sources_listen(struct output *o)
{
    const bool may_read = !is_full(o) && !o->has_failed;

    o->hooks->on_full(o->arg, is_full(o));

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

enum read_end { READ_SOME, READ_EMPTY, READ_END };

/* One read into the pending bytes, which go out first when they are another stream's. */
static enum read_end source_read(struct source *s)
{
    struct output *o = s->output;
    ssize_t n;

    if (o->stream != s->stream || o->len == sizeof(o->pending))
        chunk_send(o);
    if (o->has_failed)
        return READ_END;
    o->stream = s->stream;
    n = read(s->fd, o->pending + o->len, sizeof(o->pending) - o->len);
    if (n < 0)
        return errno == EINTR ? READ_SOME : errno == EAGAIN ? READ_EMPTY : READ_END;
    if (n == 0)
        return READ_END;
    o->len += (size_t)n;
    o->hooks->on_read(o->arg);
    chunk_consider(o);
    return READ_SOME;
}

static void on_source(void *arg, uint32_t events)
{
    struct source *s = arg;
    enum read_end end = READ_SOME;

    (void)events;
    for (int i = 0; i < READS_PER_TURN && end == READ_SOME && !is_full(s->output); i++)
        end = source_read(s);
    if (end == READ_END)
        source_close(s);
    sources_listen(s->output);
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

void output_finish(struct output *o, const char *last)
{
    output_pipes_close(o);
    for (unsigned i = 0; i < o->n_sources; i++) {
        struct source *s = &o->sources[i];

        while (s->fd >= 0) {
            if (source_read(s) != READ_SOME)
                source_close(s);
        }
    }
    chunk_send(o);
    if (last && o->is_line_open)
        output_note(o, "\n");
    output_note(o, last ? last : "");
    if (o->is_line_open)
        o->totals.lines++;
    o->is_finished = true;
}

void output_trim(struct output *o, uint64_t seq, uint64_t offset)
{
    if (offset > o->trimmed && offset <= o->totals.bytes) {
        o->trimmed = offset;
        spool_trim(o->spool, seq);
    }
    if (!o->is_finished)
        sources_listen(o);
}

bool output_look(struct output *o)
{
    const uint64_t before = o->totals.bytes + o->len;

    for (unsigned i = 0; i < o->n_sources; i++) {
        if (o->sources[i].fd >= 0)
            on_source(&o->sources[i], EPOLLIN);
    }
    return o->totals.bytes + o->len > before;
}

void output_totals(const struct output *o, struct output_totals *t_r)
{
    *t_r = o->totals;
}

struct output *output_new(struct loop *l, const struct msg_runner_job *job, const struct output_hooks *hooks, void *arg,
                          struct err *e)
{
    struct output *o = mem_zalloc(sizeof(*o));
    const uint32_t attempt = (uint32_t)job->attempt;

    o->loop = l;
    o->hooks = hooks;
    o->arg = arg;
    o->spool_max = (uint64_t)job->spool_max;
    o->n_sources = job->separate_streams ? 2 : 1;
    o->sources[0] = (struct source){ .fd = -1, .stream = job->separate_streams ? CHAIN_STDOUT : CHAIN_BOTH };
    o->sources[1] = (struct source){ .fd = -1, .stream = CHAIN_STDERR };
    o->write_fds[0] = o->write_fds[1] = -1;
    o->wait = loop_timer(l, tick_wait, o);
    o->started_ns = clock_boot_ns();
    chain_start(&job->task_id, attempt, &o->totals.head);
    o->spool = spool_writer_open(job->spool, &job->task_id, attempt, e);
    if (!o->spool)
        output_free(&o);
    return o;
}

void output_free(struct output **o)
{
    if (*o) {
        output_pipes_close(*o);
        source_close(&(*o)->sources[0]);
        source_close(&(*o)->sources[1]);
        timer_free(&(*o)->wait);
        spool_writer_close(&(*o)->spool);
    }
    mem_free(o);
}
