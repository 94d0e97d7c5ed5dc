/* sealing.c - the end of a log: when the scheduler asks and everything is durable, a seal goes through the journal.
 *
 * The scheduler repeats log.seal until log.sealed arrives, so an answer may be lost. A chunk beyond the end of a sealed
 * log is not kept, and the acknowledgement says so: it names the durable end. ARCHITECTURE "The life of a task" 6. */
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "logsink/logsink.h"

static void tell(struct sink *s, struct attempt *a)
{
    const struct seal *seal = &a->in.seal;
    const struct msg_log_sealed m = {
        .task_id = a->node.key.task, .attempt = a->node.key.attempt, .state = seal_state_name(seal->state),
        .bytes = (int64_t)seal->bytes, .lines = (int64_t)seal->lines,
    };
    upstream_send(s, a->is_asked ? a->asker : -1, MSG_LOG_SEALED, &m);
    a->is_asked = false;
    a->end.is_forced = false;
}

static void send_seal(struct sink *s, struct attempt *a, struct seal *seal)
{
    uint8_t bytes[SEAL_SIZE];
    const struct journal_record r = {
        .kind = JOURNAL_SEAL, .key = a->node.key, .head = seal->head, .data = bytes,
        .chunk = { .seq = seal->chunks, .offset = seal->bytes, .length = sizeof(bytes) },
    };
    seal->sealed_at_ms = (uint64_t)clock_wall_ms();
    seal_encode(seal, &a->node.key, bytes);
    struct chunk *c = chunk_new(&r);
    s->held_bytes += sizeof(*c) + chunk_size(c);
    a->phase = ATTEMPT_SEALING;
    intake_push(s, a, c);
}

void sealing_try(struct sink *s, struct attempt *a)
{
    struct seal seal;
    bool is_final = a->in.seal.state == SEAL_COMPLETE || a->in.seal.removed != SEAL_KEPT;
    if (!a->has_end || a->phase != ATTEMPT_OPEN)
        return;
    if (!is_final && ingest_end(&a->in, &a->end, &seal) != SEAL_OPEN && ingest_is_news(&a->in, &seal))
        send_seal(s, a, &seal);
    else if (a->in.seal.state != SEAL_OPEN && a->is_asked)
        tell(s, a);
}

/* A head that was named once stays: a gap that late chunks make whole is sealed again, asked for or not. */
static void note_end(struct attempt *a, const struct msg_log_seal *m)
{
    bool is_known = m->head.len == sizeof(a->end.head.b) && m->has.bytes && m->has.chunks;
    if (is_known) {
        a->end = (struct ingest_end){ .is_known = true, .bytes = (uint64_t)m->bytes, .chunks = (uint64_t)m->chunks };
        memcpy(a->end.head.b, m->head.data, sizeof(a->end.head.b));
    }
    a->end.is_forced = m->has.force && m->force;
    a->end.keep_ms = m->has.keep_ms ? (uint64_t)m->keep_ms : 0;
}

void sealing_request(struct sink *s, int scheduler, const struct msg_log_seal *m)
{
    const struct log_key key = { .task = m->task_id, .attempt = (uint32_t)m->attempt };
    struct attempt *a = s->is_draining ? NULL : intake_attempt(s, &key);
    if (!a)
        return;
    note_end(a, m);
    a->has_end = true;
    a->is_asked = true;
    a->asker = scheduler;
    sealing_try(s, a);
}

void sealing_done(struct sink *s, struct attempt *a, const struct chunk *c)
{
    struct err e = { 0 };
    char task[UUID_TEXT_SIZE];
    uuid_format(&a->node.key.task, task);
    if (seal_decode(c->record.data, c->record.chunk.length, &a->node.key, &a->in.seal, &e))
        log_error("own seal cannot be read", log_str("task", task), log_err(&e));
    a->phase = ATTEMPT_OPEN;
    log_debug("log sealed", log_str("task", task), log_int("attempt", a->node.key.attempt),
              log_str("state", seal_state_name(a->in.seal.state)), log_int("bytes", (int64_t)a->in.seal.bytes));
    follow_publish(s, a, NULL);
    tell(s, a);
}
