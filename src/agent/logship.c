/* logship.c - takes the logs from the spools to their sinks (ARCHITECTURE "The life of a task" 4, PROTOCOL "log.*").
 *
 * Chunks are sent in order within a window per attempt and one per connection; what the sink acknowledges is on its
 * disk and leaves the spool. A gateway drops what its sink cannot take, so nothing sent counts until acknowledged:
 * without progress, when the sink says so, and after every welcome, sending starts again behind the last
 * acknowledged chunk. Where the spool is damaged, or has no more what a sink asks for, log.base says from where the log
 * goes on; the sink shows the hole. Moving to another sink is in logmove.c. */
#include <string.h>

#include "agent/attempts.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    WINDOW_ATTEMPT = 1 << 20,
    WINDOW_ALL = 4 << 20,
    QUEUE_MAX = 256 << 10,      /* bytes that wait in the socket's queue */
    TRIM_STEP = 1 << 20,
    PATIENCE_MS = 1000,
    PATIENCE_MAX_MS = 4000,
    REWIND_AGAIN_MS = 250,      /* one lost chunk makes the sink complain about each that follows */
};

static uint64_t in_flight(const struct ship *s)
{
    return s->sent_offset > s->acked_offset ? s->sent_offset - s->acked_offset : 0;
}

const char *ship_sink(const struct attempt *a)
{
    return a->base ? a->base->sink : a->order.sink;
}

/* Since a move, until it is committed: nothing is sent, and what the sink before says does not count. */
static bool is_moving(const struct attempt *a)
{
    return a->facts.is_open[FACT_MOVED];
}

/* The sink of now has to be told where the log begins there: not if that is the log's own beginning. */
static bool has_base(const struct attempt *a)
{
    return a->base && a->base->seq > 0;
}

void ship_seek(struct attempt *a, uint64_t seq, uint64_t offset)
{
    struct ship *s = &a->ship;

    if (has_base(a) && (s->base != BASE_TAKEN || seq < (uint64_t)a->base->seq)) {
        s->base = BASE_DUE;
        seq = (uint64_t)a->base->seq;
        offset = (uint64_t)a->base->offset;
    }
    if (s->reader)
        spool_rewind(s->reader, seq);
    s->sent = seq;
    s->sent_offset = offset;
    s->progress_ms = clock_boot_ms();
}

/* --- sending --------------------------------------------------------------------------------------- */

/* What is known of the log as far as it was read: for a result if the runner dies without one, and for a move. */
static void chunk_note(struct ship *s, const struct spool_chunk *c)
{
    if (c->chunk.seq <= s->seen)
        return;
    s->seen = c->chunk.seq;
    s->lines = c->lines;
    s->is_line_open = c->chunk.length && c->data[c->chunk.length - 1] != '\n';
    s->head = c->head;
}

static void frame_send(struct attempt *a, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type };
    struct buf *frame = &a->all->frame;

    buf_reset(frame);
    msg_to_bin(&head, message, MSG_MINOR, frame);
    session_send_binary(a->all->agent->session, frame);
}

static void chunk_send(struct attempt *a, const struct spool_chunk *c)
{
    const struct msg_log_chunk m = {
        .sink = ship_sink(a),
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

    frame_send(a, MSG_LOG_CHUNK, &m);
}

/* The log goes on behind `m`, whose sink, task and attempt are filled in here. */
static void base_send(struct attempt *a, struct msg_log_base m)
{
    m.sink = ship_sink(a);
    m.task_id = a->order.task_id;
    m.attempt = a->order.attempt;
    frame_send(a, MSG_LOG_BASE, &m);
}

/* What the sink does not have when it hears of a hole belongs to the hole: so everything in front has to be
 * acknowledged first. False: it is not. */
static bool hole_send(struct attempt *a, struct msg_log_base m)
{
    struct ship *s = &a->ship;

    s->hole = s->sent;
    if (s->sent != s->acked)
        return false;
    m.reason = (uint64_t)m.offset <= s->trimmed_offset ? "the log sink has lost what it had acknowledged" :
                                                         "the agent's spool is damaged";
    m.lost = m.has.lost = true;
    log_error("a part of a log is lost", log_str("attempt", a->name), log_str("why", m.reason),
              log_int("from", (int64_t)s->sent_offset), log_int("to", m.offset));
    base_send(a, m);
    return true;
}

struct msg_log_base ship_base_before(const struct spool_chunk *c)
{
    uint64_t lines = c->lines;

    for (const uint8_t *at = c->data, *end = at + c->chunk.length; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines--;
    return (struct msg_log_base){ .seq = (int64_t)c->chunk.seq - 1,
                                  .offset = (int64_t)c->chunk.offset,
                                  .lines = (int64_t)lines,
                                  .head = { c->before.b, sizeof(c->before.b) } };
}

/* Nothing that can be read follows, though more was written: when nothing more will be, all of that is lost. */
static bool end_send(struct attempt *a)
{
    const struct msg_task_result *r = &a->result;
    struct ship *s = &a->ship;

    if (a->hold != HOLD_FINISHED || s->sent >= (uint64_t)r->log_chunks ||
        !hole_send(a, (struct msg_log_base){
                          .seq = r->log_chunks, .offset = r->log_bytes, .lines = r->log_lines, .head = r->log_head }))
        return false;
    s->sent = (uint64_t)r->log_chunks;
    s->sent_offset = (uint64_t)r->log_bytes;
    return true;
}

/* The next chunk that can be read; what must be there and is not was damaged. As spool_read. */
static int chunk_read(struct ship *s, struct spool_chunk *c, struct err *e)
{
    int rc = spool_read(s->reader, c, e);

    if (rc || s->searched == s->spooled)
        return rc;
    rc = spool_read_on(s->reader, c, e);
    if (!rc)
        s->searched = s->spooled; /* not again before there is more */
    return rc;
}

static bool chunk_next(struct attempt *a)
{
    struct ship *s = &a->ship;
    struct spool_chunk c;
    struct err e = { 0 };
    int rc;

    if (s->hole == s->sent && s->sent != s->acked)
        return false;
    rc = chunk_read(s, &c, &e);
    if (rc < 0 && e.kind != ERR_INVALID) {   /* it passes: too many open files, say */
        log_warn("a log waits for its spool", log_str("attempt", a->name), log_err(&e));
        spool_rewind(s->reader, s->sent);
        return false;
    }
    if (rc < 0) {
        s->is_broken = true;
        log_error("the rest of a log is lost", log_str("attempt", a->name), log_err(&e));
        attempt_settle(a);
    }
    if (rc <= 0)
        return rc == 0 && end_send(a);
    if (c.chunk.seq != s->sent + 1 && !hole_send(a, ship_base_before(&c))) {
        spool_rewind(s->reader, s->sent);
        return false;
    }
    chunk_note(s, &c);
    chunk_send(a, &c);
    s->sent = c.chunk.seq;
    s->sent_offset = c.chunk.offset + c.chunk.length;
    return true;
}

/* One frame, if there is one and the attempt's window is open. */
static bool ship_next(struct attempt *a)
{
    struct ship *s = &a->ship;
    const bool was_idle = !in_flight(s);

    if (s->is_broken || !s->reader || in_flight(s) >= WINDOW_ATTEMPT || a->hold >= HOLD_DROPPED || is_moving(a))
        return false;
    if (has_base(a) && s->base == BASE_DUE) {
        base_send(a, *a->base);
        s->base = BASE_SENT;
    } else if (s->sent >= s->spooled || !chunk_next(a)) {
        return false;
    }
    if (was_idle)
        s->progress_ms = clock_boot_ms();
    return true;
}

/* Takes turns, so that one loud build does not starve the others, whichever is the first in the list. */
void ship_pump(struct attempts *t)
{
    uint64_t flying = 0;
    size_t n = 0, idle = 0;
    struct attempt *a = t->turn ? t->turn : t->head;

    for (const struct attempt *each = t->head; each; each = each->next, n++)
        flying += in_flight(&each->ship);
    while (idle < n && flying < WINDOW_ALL && session_queued(t->agent->session) < QUEUE_MAX) {
        const uint64_t before = in_flight(&a->ship);

        idle = ship_next(a) ? 0 : idle + 1;
        flying += in_flight(&a->ship) - before;
        a = a->next ? a->next : t->head;
    }
    t->turn = a;
}

/* --- what the sink says ---------------------------------------------------------------------------- */

/* The runner deletes whole files and is in no hurry, unless its spool is small. */
static void ship_trim(struct attempt *a)
{
    const uint64_t eighth = (uint64_t)a->all->agent->settings->spool_max / 8;
    struct ship *s = &a->ship;

    if (!a->run || s->acked_offset - s->trimmed_offset < (eighth < TRIM_STEP ? eighth : TRIM_STEP))
        return;
    s->trimmed_offset = s->acked_offset;
    run_trim(a->run, s->acked, s->acked_offset);
}

static void ship_advance(struct attempt *a, uint64_t seq, uint64_t offset)
{
    struct ship *s = &a->ship;

    s->acked = seq;
    s->acked_offset = offset;
    s->progress_ms = clock_boot_ms();
    s->patience_ms = PATIENCE_MS;
    if (s->sent < seq)
        ship_seek(a, seq, offset);
    ship_trim(a);
}

static bool does_count(const struct attempt *a, const struct msg_log_ack *m)
{
    if (a->hold >= HOLD_DROPPED || is_moving(a) || (m->sink && strcmp(m->sink, ship_sink(a)) != 0))
        return false;
    if ((uint64_t)m->seq <= a->ship.spooled && (uint64_t)m->offset <= a->ship.spooled_offset)
        return true;
    log_warn("the log sink has more than was written", log_str("attempt", a->name), log_int("seq", m->seq));
    return false;
}

void ship_ack(struct attempts *t, const struct msg_log_ack *m)
{
    struct attempt *a = attempts_find(t, &m->task_id, m->attempt);
    const uint64_t seq = (uint64_t)m->seq, offset = (uint64_t)m->offset, now = clock_boot_ms();
    struct ship *s;

    if (!a || !does_count(a, m))
        return;
    s = &a->ship;
    if (has_base(a) && m->seq >= a->base->seq)
        s->base = BASE_TAKEN;
    if (seq > s->acked)
        ship_advance(a, seq, offset);
    if (m->rewind && (s->sent > seq || (has_base(a) && m->seq < a->base->seq)) &&
        (s->rewound != seq || now - s->rewound_ms >= REWIND_AGAIN_MS)) {
        s->rewound = seq;
        s->rewound_ms = now;
        ship_seek(a, seq, offset);
        s->acked = s->sent; /* it may have lost what it had */
        s->acked_offset = s->sent_offset;
    }
    attempt_settle(a);
}

/* --- by the clock ---------------------------------------------------------------------------------- */

static bool is_all_acked(const struct attempt *a)
{
    return a->ship.sent == a->ship.acked && !(has_base(a) && a->ship.base == BASE_SENT);
}

void ship_repeat(struct attempts *t, bool all)
{
    const uint64_t now = clock_boot_ms();

    for (struct attempt *a = t->head; a; a = a->next) {
        struct ship *s = &a->ship;

        if (s->reader && s->sent == s->spooled)
            spool_rest(s->reader);
        if (is_all_acked(a) || a->hold >= HOLD_DROPPED)
            continue;
        if (all) {
            s->patience_ms = PATIENCE_MS;
            ship_seek(a, s->acked, s->acked_offset);
        } else if (session_queued(t->agent->session)) {
            s->progress_ms = now; /* it has not even left */
        } else if (now - s->progress_ms >= s->patience_ms) {
            s->patience_ms = s->patience_ms * 2 > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : s->patience_ms * 2;
            ship_seek(a, s->acked, s->acked_offset);
        }
    }
}

/* --- life ------------------------------------------------------------------------------------------ */

void ship_init(struct attempt *a)
{
    const uint64_t seq = a->base ? (uint64_t)a->base->seq : 0, offset = a->base ? (uint64_t)a->base->offset : 0;

    a->ship = (struct ship){ .reader = spool_reader_open(a->spool),
                             .acked = seq,
                             .acked_offset = offset,
                             .patience_ms = PATIENCE_MS };
    chain_start(&a->order.task_id, (uint32_t)a->order.attempt, &a->ship.head);
    ship_seek(a, seq, offset);
}

void ship_fini(struct attempt *a)
{
    if (a->all->turn == a)
        a->all->turn = NULL;
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
    const struct ship *s = &a->ship;

    return s->is_broken || (s->acked >= (uint64_t)a->result.log_chunks && (!has_base(a) || s->base == BASE_TAKEN));
}

int ship_scan(struct attempt *a, struct err *e)
{
    struct ship *s = &a->ship;
    struct spool_chunk c;
    int rc;

    spool_rewind(s->reader, s->seen);
    while ((rc = spool_read(s->reader, &c, e)) == 1) {
        chunk_note(s, &c);
        ship_spooled(a, c.chunk.seq, c.chunk.offset + c.chunk.length);
    }
    spool_rewind(s->reader, s->sent);
    return rc < 0 ? -1 : 0;
}
