/* ingest.c - the rules of ingest.h. Pure; implements ARCHITECTURE "The life of a task" 4 and 6. */
#include "logsink/ingest.h"

#include <string.h>

void ingest_start(struct ingest *i, const struct position *durable, const struct seal *seal)
{
    *i = (struct ingest){ .durable = *durable, .received = *durable, .seal = *seal };
}

static bool is_closed(const struct ingest *i)
{
    return i->seal.state == SEAL_COMPLETE || i->seal.removed != SEAL_KEPT;
}

/* `verdict` asks the agent to send again: INGEST_WAIT instead when that was asked a moment ago. */
static enum ingest_verdict ask_once(struct ingest *i, enum ingest_verdict verdict, uint64_t now_ms)
{
    bool was_asked = i->rewound_ms != 0 && i->rewound_seq == i->received.seq;
    if (was_asked && now_ms - i->rewound_ms < INGEST_REWIND_MS)
        return INGEST_WAIT;
    i->rewound_ms = now_ms;
    i->rewound_seq = i->received.seq;
    return verdict;
}

static bool may_be_kept(const struct chain_chunk *c)
{
    return c->seq <= CHUNK_SEQ_MAX && c->offset + c->length <= CHUNK_OFFSET_MAX && c->time_ns <= CHUNK_TIME_MAX &&
           c->flags <= CHUNK_FLAGS_MAX && !(c->flags & CHAIN_BASE);
}

enum ingest_verdict ingest_offer(struct ingest *i, const struct chain_chunk *c, const struct hash *head,
                                 const void *data, uint64_t now_ms)
{
    if (c->seq <= i->durable.seq)
        return INGEST_HAVE;
    if (is_closed(i))
        return INGEST_CLOSED;
    if (c->seq <= i->received.seq)
        return INGEST_FLYING;
    if (c->seq != i->received.seq + 1)
        return ask_once(i, INGEST_REWIND, now_ms);
    if (c->offset != i->received.bytes || !may_be_kept(c))
        return ask_once(i, INGEST_WRONG, now_ms);
    struct position next = i->received;
    position_advance(&next, c, data);
    if (memcmp(&next.head, head, sizeof(*head)) != 0)
        return ask_once(i, INGEST_WRONG, now_ms);
    i->received = next;
    return INGEST_TAKE;
}

enum ingest_verdict ingest_base(struct ingest *i, const struct base *b, uint64_t now_ms)
{
    if (b->seq <= i->durable.seq)
        return INGEST_HAVE;
    if (is_closed(i) || i->is_old)
        return INGEST_CLOSED;
    if (b->seq <= i->received.seq)
        return INGEST_FLYING;
    if (b->offset < i->received.bytes || b->offset > CHUNK_OFFSET_MAX || b->seq > CHUNK_SEQ_MAX)
        return ask_once(i, INGEST_WRONG, now_ms);
    base_position(b, &i->received);
    return INGEST_TAKE;
}

void ingest_durable(struct ingest *i, const struct position *p)
{
    i->durable = *p;
}

void ingest_drop(struct ingest *i)
{
    i->received = i->durable;
    i->rewound_ms = 0;
}

bool ingest_is_flying(const struct ingest *i)
{
    return i->received.seq != i->durable.seq;
}

static bool is_all_there(const struct ingest *i, const struct ingest_end *end)
{
    return end->is_known && i->durable.seq == end->chunks && i->durable.bytes == end->bytes &&
           memcmp(&i->durable.head, &end->head, sizeof(end->head)) == 0;
}

enum seal_state ingest_end(const struct ingest *i, const struct ingest_end *end, struct seal *seal_r)
{
    bool is_there = is_all_there(i, end);
    if (ingest_is_flying(i) || !(is_there || end->is_forced))
        return SEAL_OPEN;
    *seal_r = (struct seal){ .state = is_there && !i->durable.is_broken ? SEAL_COMPLETE : SEAL_GAP,
                             .chunks = i->durable.seq, .bytes = i->durable.bytes,
                             .lines = position_lines(&i->durable), .head = i->durable.head, .keep_ms = end->keep_ms };
    return seal_r->state;
}

bool ingest_is_news(const struct ingest *i, const struct seal *s)
{
    return i->seal.state != s->state || i->seal.chunks != s->chunks || i->seal.bytes != s->bytes;
}
