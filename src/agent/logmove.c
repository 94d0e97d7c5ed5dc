/* logmove.c - a log goes on: at another sink, when its own is gone for good (PROTOCOL "log.move"), and in another
 * process of this agent.
 *
 * The place of a move is the last chunk that the sink before has acknowledged. It is kept with the attempt before it
 * is told, told until it is committed, and only then the new sink gets the first byte: nobody looks there before. */
#include <string.h>

#include "agent/attempts.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Nothing behind the acknowledged chunk can be read: the place is told by that chunk itself, or by what was noted. */
static int place_behind(struct attempt *a, struct spool_chunk *c, struct msg_log_base *m_r, struct err *e)
{
    const struct ship *s = &a->ship;

    *m_r = (struct msg_log_base){ .seq = (int64_t)s->acked, .offset = (int64_t)s->acked_offset };
    if (s->seen == s->acked) {
        m_r->lines = (int64_t)s->lines;
        m_r->head = (struct msg_bytes){ s->head.b, sizeof(s->head.b) };
        return 0;
    }
    spool_rewind(s->reader, s->acked - 1);
    if (spool_read_on(s->reader, c, e) != 1 || c->chunk.seq != s->acked)
        return err_set(e, ERR_NOT_FOUND, "the spool has nothing that says how the log goes on");
    m_r->lines = (int64_t)c->lines;
    m_r->head = (struct msg_bytes){ c->head.b, sizeof(c->head.b) };
    return 0;
}

/* The log's place as far as it is acknowledged, or, where the spool is damaged there, behind the damage. What it points
 * to lives as long as `c` and the reader's next call. */
static int place_find(struct attempt *a, struct spool_chunk *c, struct msg_log_base *m_r, struct err *e)
{
    struct ship *s = &a->ship;
    int rc = 0;

    if (!s->reader)
        ship_init(a); /* before there is a runner */
    spool_rewind(s->reader, s->acked);
    if (s->acked < s->spooled)
        rc = spool_read_on(s->reader, c, e);
    if (rc == 1) {
        *m_r = ship_base_before(c);
        m_r->lost = m_r->has.lost = (uint64_t)m_r->seq > s->acked;   /* nobody has what is between */
    }
    return rc == 1 ? 0 : rc < 0 ? -1 : place_behind(a, c, m_r, e);
}

static int move_begin(struct attempt *a, const char *sink, struct err *e)
{
    const struct msg_log_base *before = a->base;
    struct msg_log_base *m = arena_alloc(&a->arena, sizeof(*m));
    struct spool_chunk c;

    if (place_find(a, &c, m, e))
        return -1;
    m->sink = arena_strdup(&a->arena, sink);
    m->task_id = a->order.task_id;
    m->attempt = a->order.attempt;
    m->head.data = arena_dup(&a->arena, m->head.data, m->head.len);
    m->reason = "the log sink before it is lost";
    a->base = m;
    if (attempt_save(a, true, e)) {
        a->base = before;
        return -1;
    }
    return 0;
}

/* While one is not committed, no other counts; one that cannot be begun is asked for again. */
void ship_move(struct attempts *t, const struct msg_log_move *m)
{
    struct attempt *a = attempts_find(t, &m->task_id, m->attempt);
    struct err e = { 0 };
    int rc = 0;

    if (!a || a->hold >= HOLD_DROPPED || a->facts.is_open[FACT_MOVED])
        return;
    if (strcmp(m->sink, ship_sink(a)) == 0) {
        if (a->base)
            facts_tell(a, FACT_MOVED);
        return;
    }
    rc = move_begin(a, m->sink, &e);
    if (!rc)
        a->ship.base = BASE_DUE;
    ship_seek(a, a->ship.acked, a->ship.acked_offset);
    if (rc) {
        log_error("a log cannot be moved", log_str("attempt", a->name), log_str("to", m->sink), log_err(&e));
        return;
    }
    a->ship.acked = (uint64_t)a->base->seq;
    a->ship.acked_offset = (uint64_t)a->base->offset;
    log_info("a log is moved", log_str("attempt", a->name), log_str("to", m->sink), log_int("offset", a->base->offset));
    facts_tell(a, FACT_MOVED);
}

/* What a former agent process knew is lost but for the spool: whatever is not in it any more was acknowledged. */
int ship_resume(struct attempt *a, struct err *e)
{
    struct ship *s = &a->ship;
    struct spool_chunk c;
    int rc;

    spool_rewind(s->reader, 0);
    rc = spool_read(s->reader, &c, e);
    if (rc == 1) {
        const struct msg_log_base first = ship_base_before(&c);

        s->seen = (uint64_t)first.seq;
        s->lines = (uint64_t)first.lines;
        s->head = c.before;
        s->trimmed_offset = (uint64_t)first.offset;
        if (!a->base || first.seq > a->base->seq) {
            s->acked = (uint64_t)first.seq;
            s->acked_offset = (uint64_t)first.offset;
            s->base = BASE_TAKEN;
        }
    }
    ship_seek(a, s->acked, s->acked_offset);
    return rc < 0 ? -1 : 0;
}
