/* ingest.c - the rules of ingest.h. Pure; implements ARCHITECTURE "The life of a task" 4 and 6. */
#include "logsink/ingest.h"

#include <string.h>

void ingest_start(struct ingest *i, const struct position *durable, const struct seal *seal, uint64_t now_ms)
{
    *i = (struct ingest){ .durable = *durable, .received = *durable, .seal = *seal, .heard_ms = now_ms };
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

enum ingest_verdict ingest_offer(struct ingest *i, const struct chain_chunk *c, const struct hash *head,
                                 const void *data, uint64_t now_ms)
{
    i->heard_ms = now_ms;
    if (c->seq <= i->durable.seq)
        return INGEST_HAVE;
    if (i->seal.state != SEAL_OPEN)
        return INGEST_CLOSED;
    if (c->seq <= i->received.seq)
        return INGEST_FLYING;
    if (c->seq != i->received.seq + 1)
        return ask_once(i, INGEST_REWIND, now_ms);
    if (c->offset != i->received.bytes)
        return ask_once(i, INGEST_WRONG, now_ms);
    struct position next = i->received;
    position_advance(&next, c, data);
    if (memcmp(&next.head, head, sizeof(*head)) != 0)
        return ask_once(i, INGEST_WRONG, now_ms);
    i->received = next;
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

enum seal_state ingest_end(const struct ingest *i, const struct ingest_end *end, uint64_t now_ms, struct seal *seal_r)
{
    if (ingest_is_flying(i))
        return SEAL_OPEN;
    enum seal_state state = SEAL_OPEN;
    if (is_all_there(i, end))
        state = SEAL_COMPLETE;
    else if (end->is_forced)
        state = SEAL_GAP;
    else if (!end->is_known && now_ms - i->heard_ms >= INGEST_QUIET_MS)
        state = SEAL_GAP;
    if (state != SEAL_OPEN)
        *seal_r = (struct seal){ .state = state, .chunks = i->durable.seq, .bytes = i->durable.bytes,
                                 .lines = position_lines(&i->durable), .head = i->durable.head };
    return state;
}
