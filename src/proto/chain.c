/* chain.c - the hash chain of a log, as chain.h lays it out (ARCHITECTURE "Logs"). Pure. */
#include "proto/chain.h"

#include <string.h>

#include "lib/mem.h"

#define CHAIN_HEADER_SIZE 31

static uint8_t *put_le(uint8_t *p, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

void chain_start(const struct uuid *task, uint32_t attempt, struct hash *head_r)
{
    uint8_t id[sizeof(task->b) + sizeof(attempt)];

    memcpy(id, task->b, sizeof(task->b));
    put_le(id + sizeof(task->b), attempt, sizeof(attempt));
    hash_bytes(head_r, id, sizeof(id));
}

void chain_next(struct hash *head, const struct chain_chunk *c, const void *data)
{
    const struct hash before = *head;
    uint8_t header[CHAIN_HEADER_SIZE], *p = header;
    const void *const parts[] = { before.b, header, data };
    const size_t lens[] = { sizeof(before.b), sizeof(header), c->length };

    p = put_le(p, c->seq, 8);
    p = put_le(p, c->offset, 8);
    p = put_le(p, c->length, 4);
    p = put_le(p, c->stream, 1);
    p = put_le(p, c->flags, 2);
    put_le(p, c->time_ns, 8);
    hash_parts(head, parts, lens, ARRAY_LEN(parts));
}

void chain_topic(const struct uuid *task, uint32_t attempt, uint8_t out[CHAIN_TOPIC_SIZE])
{
    memcpy(out, task->b, sizeof(task->b));
    for (size_t i = 0; i < sizeof(attempt); i++)
        out[sizeof(task->b) + i] = (uint8_t)(attempt >> (24 - 8 * i));
}
