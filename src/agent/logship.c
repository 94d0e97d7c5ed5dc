/* logship.c - takes the logs from the spools to their sinks (ARCHITECTURE "The life of a task" 4, PROTOCOL "log.*").
 *
 * Chunks are sent in order within a window per attempt and one per connection; what the sink acknowledges is on its
 * disk and leaves the spool. A gateway drops what its sink cannot take, so nothing sent counts until acknowledged:
 * without progress, when the sink says so, and after every welcome, sending starts again behind the last
 * acknowledged chunk. */
#include <string.h>

#include "agent/attempts.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    WINDOW_ATTEMPT = 1 << 20,
    WINDOW_ALL = 4 << 20,
    QUEUE_MAX = 128 << 10,      /* bytes that wait in the socket's queue */
    PATIENCE_MS = 1000,
    PATIENCE_MAX_MS = 4000,
    REWIND_AGAIN_MS = 250,      /* one lost chunk makes the sink complain about each that follows */
};

static uint64_t in_flight(const struct ship *s)
{
    return s->sent_offset > s->acked_offset ? s->sent_offset - s->acked_offset : 0;
}

/* Goes on behind chunk `seq`, which ends at `offset`. */
static void ship_seek(struct ship *s, uint64_t seq, uint64_t offset)
{
    spool_rewind(s->reader, seq);
    s->sent = seq;
    s->sent_offset = offset;
    s->progress_ms = clock_boot_ms();
}

/* --- sending --------------------------------------------------------------------------------------- */

/* The first look at a chunk keeps what a result needs if the runner dies without one. */
static void chunk_note(struct ship *s, const struct spool_chunk *c)
{
    if (c->chunk.seq != s->seen + 1)
        return;
    for (const uint8_t *at = c->data, *end = at + c->chunk.length; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        s->lines++;
    s->is_line_open = c->chunk.length && c->data[c->chunk.length - 1] != '\n';
    s->head = c->head;
    s->seen = c->chunk.seq;
}

static void chunk_send(struct attempt *a, const struct spool_chunk *c)
{
    const struct msg_head head = { .type = MSG_LOG_CHUNK };
    const struct msg_log_chunk m = {
        .sink = a->order.sink,
        .task_id = a->order.task_id,
        .attempt = a->order.attempt,
        .seq = (int64_t)c->chunk.seq,
        .offset = (int64_t)c->chunk.offset,
        .time_ns = (int64_t)c->chunk.time_ns,
        .stream = c->chunk.stream,
        .flags = c->chunk.flags,
        .head = { c->head.b, sizeof(c->head.b) },
        .data = { c->data, c->chunk.length },
    };
    struct buf frame = { 0 };

    msg_to_bin(&head, &m, MSG_MINOR, &frame);
    session_send_binary(a->all->agent->session, &frame);
    buf_fini(&frame);
}

static void ship_break(struct attempt *a, const char *why)
{
    a->ship.is_broken = true;
    log_error("the rest of a log is lost", log_str("attempt", a->name), log_str("why", why));
}

/* One chunk, if there is one and the attempt's window is open. */
static bool ship_next(struct attempt *a)
{
    struct ship *s = &a->ship;
    struct spool_chunk c;
    struct err e = { 0 };
    int rc;

    if (s->is_broken || s->sent >= s->spooled || in_flight(s) >= WINDOW_ATTEMPT || a->hold == HOLD_DROPPED)
        return false;
    rc = spool_read(s->reader, &c, &e);
    if (rc < 0 || (rc == 1 && c.chunk.seq != s->sent + 1)) {
        ship_break(a, rc < 0 ? e.text : "a chunk is missing in the spool");
        attempt_settle(a);
    }
    if (rc != 1 || s->is_broken)
        return false;
    if (!in_flight(s))
        s->progress_ms = clock_boot_ms();
    chunk_note(s, &c);
    chunk_send(a, &c);
    s->sent = c.chunk.seq;
    s->sent_offset = c.chunk.offset + c.chunk.length;
    return true;
}

/* Takes turns, so that one loud build does not starve the others. */
void ship_pump(struct attempts *t)
{
    uint64_t flying = 0;
    bool has_sent = true;

    for (const struct attempt *a = t->head; a; a = a->next)
        flying += in_flight(&a->ship);
    while (has_sent) {
        has_sent = false;
        for (struct attempt *a = t->head; a; a = a->next) {
            const uint64_t before = in_flight(&a->ship);

            if (flying >= WINDOW_ALL || session_queued(t->agent->session) >= QUEUE_MAX)
                return;
            if (!ship_next(a))
                continue;
            has_sent = true;
            flying += in_flight(&a->ship) - before;
        }
    }
}

/* --- what the sink says ---------------------------------------------------------------------------- */

static void ship_advance(struct attempt *a, uint64_t seq, uint64_t offset)
{
    struct ship *s = &a->ship;

    s->acked = seq;
    s->acked_offset = offset;
    s->progress_ms = clock_boot_ms();
    s->patience_ms = PATIENCE_MS;
    if (s->sent < seq)
        ship_seek(s, seq, offset);
    if (a->run)
        run_trim(a->run, seq, offset);
}

void ship_ack(struct attempts *t, const struct msg_log_ack *m)
{
    struct attempt *a = attempts_find(t, &m->task_id, m->attempt);
    const uint64_t seq = (uint64_t)m->seq, offset = (uint64_t)m->offset, now = clock_boot_ms();
    struct ship *s;

    if (!a || a->hold >= HOLD_DROPPED)
        return;
    s = &a->ship;
    if (seq > s->spooled || offset > s->spooled_offset) {
        log_warn("the log sink has more than was written", log_str("attempt", a->name), log_int("seq", m->seq));
        return;
    }
    if (seq > s->acked)
        ship_advance(a, seq, offset);
    if (m->rewind && s->sent > seq && (s->rewound != seq || now - s->rewound_ms >= REWIND_AGAIN_MS)) {
        s->rewound = seq;
        s->rewound_ms = now;
        ship_seek(s, seq, offset);
    }
    attempt_settle(a);
}

void ship_repeat(struct attempts *t, bool all)
{
    const uint64_t now = clock_boot_ms();

    for (struct attempt *a = t->head; a; a = a->next) {
        struct ship *s = &a->ship;

        if (s->sent == s->acked || a->hold >= HOLD_DROPPED)
            continue;
        if (all) {
            s->patience_ms = PATIENCE_MS;
            ship_seek(s, s->acked, s->acked_offset);
        } else if (session_queued(t->agent->session)) {
            s->progress_ms = now; /* it has not even left */
        } else if (now - s->progress_ms >= s->patience_ms) {
            s->patience_ms = s->patience_ms * 2 > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : s->patience_ms * 2;
            ship_seek(s, s->acked, s->acked_offset);
        }
    }
}

/* --- life ------------------------------------------------------------------------------------------ */

void ship_init(struct attempt *a)
{
    a->ship = (struct ship){ .reader = spool_reader_open(a->spool), .patience_ms = PATIENCE_MS };
    chain_start(&a->order.task_id, (uint32_t)a->order.attempt, &a->ship.head);
}

void ship_fini(struct attempt *a)
{
    spool_reader_close(&a->ship.reader);
}

void ship_spooled(struct attempt *a, uint64_t seq, uint64_t offset)
{
    if (seq <= a->ship.spooled)
        return;
    a->ship.spooled = seq;
    a->ship.spooled_offset = offset;
    if (a->hold == HOLD_DROPPED)
        ship_drop(a);
}

void ship_drop(struct attempt *a)
{
    if (a->run)
        run_trim(a->run, a->ship.spooled, a->ship.spooled_offset);
}

bool ship_is_done(const struct attempt *a)
{
    return a->ship.is_broken || a->ship.acked >= (uint64_t)a->result.log_chunks;
}

int ship_scan(struct attempt *a, struct err *e)
{
    struct ship *s = &a->ship;
    struct spool_chunk c;
    int rc;

    spool_rewind(s->reader, s->seen);
    while ((rc = spool_read(s->reader, &c, e)) == 1 && c.chunk.seq == s->seen + 1) {
        chunk_note(s, &c);
        ship_spooled(a, c.chunk.seq, c.chunk.offset + c.chunk.length);
    }
    spool_rewind(s->reader, s->sent);
    return rc < 0 ? -1 : 0;
}
