/* chunker.c - the end of the log: bytes that wait to be a chunk, notes between them, and chunks with number, offset and
 * hash on their way into the spool (ARCHITECTURE "Log format"). Knows nothing of pipes.
 *
 * While the spool's disk is full everything stays where it is, and each flush is another try. */
#include "agent/runner/chunker.h"

#include <string.h>

#include "agent/spool.h"
#include "lib/clock.h"
#include "lib/mem.h"

struct note {
    struct buf text;         /* lines that go out behind the pending bytes */
    uint16_t flags;
    uint64_t time_ns;        /* 0: when they go out */
};

struct chunker {
    struct spool_writer *spool;
    struct output_totals totals;
    uint64_t line_ends;
    bool is_line_open;       /* the spool's last byte is not the end of a line */
    enum chunker_state state;
    struct err why;          /* unless it is CHUNKER_OPEN */
    uint64_t started_ns, last_ns;
    uint8_t note_stream;
    struct note note;
    struct buf border_note;  /* for the next place between two lines */
    uint8_t stream;          /* of the pending bytes */
    uint64_t time_ns;        /* of them; 0: when they go out */
    size_t len;
    uint8_t pending[CHAIN_DATA_MAX];
};

/* --- chunks ---------------------------------------------------------------------------------------- */

static uint64_t line_ends_count(const uint8_t *data, size_t len)
{
    uint64_t n = 0;

    for (const uint8_t *at = data, *end = data + len; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        n++;
    return n;
}

static void put_failed(struct chunker *k, const struct err *e)
{
    k->state = e->kind == ERR_UNAVAILABLE ? CHUNKER_STUCK : CHUNKER_FAILED;
    k->why = *e;
}

static bool chunk_put(struct chunker *k, const struct piece *p)
{
    struct spool_chunk c = {
        .chunk = { .seq = k->totals.chunks + 1,
                   .offset = k->totals.bytes,
                   .length = (uint32_t)p->len,
                   .stream = p->stream,
                   .flags = p->flags,
                   .time_ns = p->time_ns ? p->time_ns : chunker_now_ns(k) },
        .lines = k->line_ends + line_ends_count(p->data, p->len),
        .before = k->totals.head,
        .head = k->totals.head,
        .data = p->data,
    };
    struct err e = { 0 };

    if (c.chunk.time_ns < k->last_ns) /* the kept part of a long log was read before its note is written */
        c.chunk.time_ns = k->last_ns;
    chain_next(&c.head, &c.chunk, c.data);
    if (spool_write(k->spool, &c, &e)) {
        put_failed(k, &e);
        return false;
    }
    k->state = CHUNKER_OPEN;
    k->last_ns = c.chunk.time_ns;
    k->line_ends = c.lines;
    k->is_line_open = p->data[p->len - 1] != '\n';
    k->totals.lines = c.lines + k->is_line_open;
    k->totals.chunks++;
    k->totals.bytes += p->len;
    k->totals.head = c.head;
    return true;
}

/* The first `n` of the pending bytes. */
static bool pending_send(struct chunker *k, size_t n)
{
    const struct piece p = { .data = k->pending, .len = n, .stream = k->stream, .time_ns = k->time_ns };

    if (n && !chunk_put(k, &p))
        return false;
    k->len -= n;
    memmove(k->pending, k->pending + n, k->len);
    if (!k->len)
        k->time_ns = 0;
    return true;
}

static bool note_send(struct chunker *k)
{
    struct note *note = &k->note;

    while (note->text.len) {
        const struct piece p = { .data = (const uint8_t *)note->text.data,
                                 .len = note->text.len < CHAIN_DATA_MAX ? note->text.len : CHAIN_DATA_MAX,
                                 .stream = k->note_stream,
                                 .flags = note->flags | CHAIN_NOTE,
                                 .time_ns = note->time_ns };

        if (!chunk_put(k, &p))
            return false;
        buf_consume(&note->text, p.len);
    }
    buf_fini(&note->text);
    note->flags = 0;
    note->time_ns = 0;
    return true;
}

/* As far as the note waits for the end of a line, up to there. */
static bool border_send(struct chunker *k)
{
    const uint8_t *end = k->len ? memchr(k->pending, '\n', k->len) : NULL;

    if (!k->border_note.len || (k->is_line_open && !end))
        return true;
    if (k->is_line_open && !pending_send(k, (size_t)(end - k->pending) + 1))
        return false;
    buf_append(&k->note.text, k->border_note.data, k->border_note.len);
    buf_fini(&k->border_note);
    return note_send(k);
}

/* --- what goes in ---------------------------------------------------------------------------------- */

bool chunker_flush(struct chunker *k)
{
    if (k->state == CHUNKER_FAILED)
        return false;
    return (k->note.text.len || border_send(k)) && pending_send(k, k->len) && note_send(k);
}

uint8_t *chunker_room(struct chunker *k, uint8_t stream, size_t *room_r)
{
    const bool must_flush = k->state != CHUNKER_OPEN || k->stream != stream || k->len == sizeof(k->pending) ||
                            k->note.text.len;

    if (must_flush && !chunker_flush(k))
        return NULL;
    k->stream = stream;
    *room_r = sizeof(k->pending) - k->len;
    return k->pending + k->len;
}

void chunker_add(struct chunker *k, size_t n)
{
    k->len += n;
}

bool chunker_put(struct chunker *k, const struct piece *p)
{
    if (!chunker_flush(k))
        return false;
    memcpy(k->pending, p->data, p->len);
    k->len = p->len;
    k->stream = p->stream;
    k->time_ns = p->time_ns;
    return true;
}

void chunker_note(struct chunker *k, const char *text, uint16_t flags, uint64_t time_ns)
{
    buf_puts(&k->note.text, text);
    k->note.flags |= flags;
    k->note.time_ns = time_ns;
}

void chunker_note_between(struct chunker *k, const char *text)
{
    buf_puts(&k->border_note, text);
}

void chunker_line_close(struct chunker *k)
{
    if (chunker_is_line_open(k))
        chunker_note(k, "\n", 0, 0);
    buf_append(&k->note.text, k->border_note.data, k->border_note.len);
    buf_fini(&k->border_note);
}

bool chunker_owes_note(const struct chunker *k)
{
    return k->border_note.len > 0;
}

void chunker_trim(struct chunker *k, uint64_t seq)
{
    spool_trim(k->spool, seq);
}

/* --- what is there --------------------------------------------------------------------------------- */

enum chunker_state chunker_state(const struct chunker *k, struct err *why_r)
{
    if (why_r)
        *why_r = k->why;
    return k->state;
}

void chunker_give_up(struct chunker *k)
{
    k->state = CHUNKER_FAILED;
}

const struct output_totals *chunker_totals(const struct chunker *k)
{
    return &k->totals;
}

size_t chunker_pending(const struct chunker *k)
{
    return k->len;
}

bool chunker_is_line_open(const struct chunker *k)
{
    return k->len ? k->pending[k->len - 1] != '\n' : k->is_line_open;
}

uint64_t chunker_now_ns(const struct chunker *k)
{
    return clock_boot_ns() - k->started_ns;
}

struct chunker *chunker_new(const struct msg_runner_job *job, struct err *e)
{
    struct chunker *k = mem_zalloc(sizeof(*k));
    const uint32_t attempt = (uint32_t)job->attempt;

    k->started_ns = clock_boot_ns();
    k->note_stream = k->stream = job->separate_streams ? CHAIN_STDOUT : CHAIN_BOTH;
    chain_start(&job->task_id, attempt, &k->totals.head);
    k->spool = spool_writer_open(job->spool, &job->task_id, attempt, e);
    if (!k->spool)
        chunker_free(&k);
    return k;
}

void chunker_free(struct chunker **k)
{
    if (*k) {
        spool_writer_close(&(*k)->spool);
        buf_fini(&(*k)->note.text);
        buf_fini(&(*k)->border_note);
    }
    mem_free(k);
}
