/* intake.c - chunks and bases from agents to the journal, and durable batches back: acknowledged, published, stored.
 *
 * Given chunks by control.c and jobs by sink.c. Nothing is acknowledged or published that is not on the disk
 * (ARCHITECTURE "The life of a task" 4). A chunk that finds no room is dropped: its agent sends it again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/journal.h"
#include "logsink/logsink.h"
#include "logsink/store.h"

/* What a chunk costs while it is here. */
static size_t held(const struct chunk *c)
{
    return sizeof(*c) + chunk_size(c);
}

static void release(struct sink *s, struct chunk **c)
{
    s->held_bytes -= held(*c);
    chunk_free(c);
}

/* --- acknowledging --------------------------------------------------------------------------------------- */

static void acknowledge(struct sink *s, const struct attempt *a, bool is_rewind)
{
    const struct msg_log_ack ack = {
        .task_id = a->node.key.task, .attempt = a->node.key.attempt, .seq = (int64_t)a->in.durable.seq,
        .offset = (int64_t)a->in.durable.bytes, .rewind = is_rewind, .has.rewind = is_rewind,
    };
    /* An acknowledgement that is lost is given again when the agent repeats the chunk. */
    (void)control_send(s, &a->peer, a->conn, MSG_LOG_ACK, &ack);
}

static void warn(const struct attempt *a, const char *event, const struct journal_record *r)
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&a->node.key.task, task);
    log_warn(event, log_str("task", task), log_int("attempt", a->node.key.attempt),
             log_int("chunk", (int64_t)r->chunk.seq), log_int("offset", (int64_t)r->chunk.offset),
             log_int("durable", (int64_t)a->in.durable.seq));
}

/* --- chunks in ------------------------------------------------------------------------------------------- */

void intake_push(struct sink *s, struct attempt *a, struct chunk *c)
{
    c->owner = a;
    c->round = s->round;
    a->flying++;
    journal_push(s->journal, c);
}

static enum ingest_verdict judge(struct attempt *a, const struct journal_record *r)
{
    struct base b;
    if (a->phase != ATTEMPT_OPEN)
        return INGEST_FLYING;
    if (r->chunk.seq == 0)
        return INGEST_HAVE; /* a base in front of everything says nothing new */
    if (r->kind == JOURNAL_CHUNK)
        return ingest_offer(&a->in, &r->chunk, &r->head, r->data, clock_boot_ms());
    return base_decode(r, &b) == 0 ? ingest_base(&a->in, &b, clock_boot_ms()) : INGEST_WRONG;
}

/* `have`: the record as a chunk already, or NULL. Consumed. */
static void offer(struct sink *s, struct attempt *a, const struct journal_record *r, struct chunk *have)
{
    enum ingest_verdict v = judge(a, r);
    if (v == INGEST_TAKE) {
        struct chunk *c = have;
        if (!c) {
            c = chunk_new(r);
            s->held_bytes += held(c);
        }
        c->after = a->in.received;
        intake_push(s, a, c);
        return;
    }
    if (v == INGEST_WRONG)
        warn(a, "refused: it does not continue the log", r);
    if (v == INGEST_HAVE || v == INGEST_CLOSED)
        acknowledge(s, a, false);
    else if (v == INGEST_REWIND || v == INGEST_WRONG)
        acknowledge(s, a, true);
    if (have)
        release(s, &have);
}

struct attempt *intake_attempt(struct sink *s, const struct log_key *key)
{
    struct attempt *a = attempts_get(&s->attempts, key);
    if (a)
        return a;
    a = attempts_add(&s->attempts, key);
    if (!a)
        return NULL;
    struct load *l = mem_zalloc(sizeof(*l));
    l->job.kind = JOB_LOAD;
    l->key = *key;
    l->owner = a;
    a->flying++;
    store_push(s->store, &l->job);
    return a;
}

/* From an agent, over a gateway's worker. */
static void take(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct journal_record *r)
{
    if (s->is_draining || !room_is_there(s))
        return;
    struct attempt *a = intake_attempt(s, &r->key);
    if (!a)
        return;
    a->peer = *peer;
    a->conn = conn;
    if (a->phase != ATTEMPT_LOADING) {
        offer(s, a, r, NULL);
        return;
    }
    struct chunk *c = chunk_new(r);
    s->held_bytes += held(c);
    attempt_wait(a, c);
}

void intake_chunk(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_chunk *m)
{
    struct journal_record r = {
        .kind = JOURNAL_CHUNK,
        .key = { .task = m->task_id, .attempt = (uint32_t)m->attempt },
        .chunk = { .seq = (uint64_t)m->seq, .offset = (uint64_t)m->offset, .length = (uint32_t)m->data.len,
                   .stream = (uint8_t)m->stream, .flags = (uint16_t)m->flags, .time_ns = (uint64_t)m->time_ns },
        .data = m->data.data,
    };
    memcpy(r.head.b, m->head.data, sizeof(r.head.b));
    take(s, peer, conn, &r);
}

void intake_base(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_base *m)
{
    uint8_t data[BASE_DATA_MAX];
    struct base b = { .newlines = (uint64_t)m->lines, .is_lost = m->has.lost && m->lost };
    struct journal_record r = {
        .kind = JOURNAL_BASE,
        .key = { .task = m->task_id, .attempt = (uint32_t)m->attempt },
        .chunk = { .seq = (uint64_t)m->seq, .offset = (uint64_t)m->offset },
        .data = data,
    };
    snprintf(b.reason, sizeof(b.reason), "%s", m->reason);
    memcpy(r.head.b, m->head.data, sizeof(r.head.b));
    r.chunk.length = (uint32_t)base_encode(&b, data);
    take(s, peer, conn, &r);
}

/* --- the store says where a log ends ----------------------------------------------------------------------- */

static void forget(struct sink *s, struct attempt **a)
{
    for (struct chunk *c; (c = attempt_waiting(*a));)
        release(s, &c);
    attempts_remove(&s->attempts, a);
}

static void note_trouble(const struct load *l)
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&l->key.task, task);
    if (l->is_damaged)
        log_error("log is damaged; it goes on here", log_str("task", task),
                  log_int("attempt", l->key.attempt), log_int("chunk", (int64_t)l->at.seq),
                  log_int("bytes", (int64_t)l->at.bytes), log_err(&l->why));
    else
        log_error("log cannot be read", log_str("task", task), log_int("attempt", l->key.attempt), log_err(&l->why));
}

void intake_loaded(struct sink *s, struct load *l)
{
    struct attempt *a = l->owner;
    bool is_unreadable = l->why.kind != ERR_NONE && !l->is_damaged;
    a->flying--;
    if (l->why.kind != ERR_NONE)
        note_trouble(l);
    if (is_unreadable) {
        forget(s, &a);
    } else {
        a->phase = ATTEMPT_OPEN;
        ingest_start(&a->in, &l->at, &l->seal);
        a->in.is_old = l->is_old;
        for (struct chunk *c; (c = attempt_waiting(a));)
            offer(s, a, &c->record, c);
        sealing_try(s, a);
    }
    mem_free(&l);
}

/* --- batches back ------------------------------------------------------------------------------------------ */

/* The journal has it. */
static void on_durable(struct sink *s, struct batch *b)
{
    struct attempt *due = NULL;
    room_taken(s);
    for (struct chunk *c = b->first; c; c = c->next) {
        struct attempt *a = c->owner;
        if (c->record.kind == JOURNAL_SEAL) {
            sealing_done(s, a, c);
            continue;
        }
        ingest_durable(&a->in, &c->after);
        follow_publish(s, a, c->record.kind == JOURNAL_CHUNK ? &c->record : NULL);
        if (!a->is_due) {
            a->is_due = true;
            a->next_due = due;
            due = a;
        }
    }
    for (; due; due = due->next_due) {
        due->is_due = false;
        acknowledge(s, due, false);
        sealing_try(s, due);
    }
    store_push(s->store, &b->job);
}

/* Everything that was in flight is gone with it: agents send again from what is durable. */
static void on_refused(struct sink *s, struct batch *b)
{
    room_refused(s, &b->why);
    if (b->round >= s->round) {
        s->round = b->round + 1;
        for (struct lru_node *n = s->attempts.table.oldest; n; n = n->newer) {
            struct attempt *a = (struct attempt *)n;
            if (a->phase == ATTEMPT_SEALING)
                a->phase = ATTEMPT_OPEN;
            if (a->phase == ATTEMPT_OPEN)
                ingest_drop(&a->in);
        }
    }
}

/* The chunks are not needed any more. */
static void give_back(struct sink *s, struct batch *b)
{
    for (struct chunk *c = b->first; c; c = c->next) {
        s->held_bytes -= held(c);
        c->owner->flying--;
    }
    batch_free(&b);
}

void intake_batch(struct sink *s, struct batch *b)
{
    if (b->state == BATCH_DURABLE) {
        on_durable(s, b);
        return;
    }
    if (b->state == BATCH_REFUSED)
        on_refused(s, b);
    give_back(s, b);
}
