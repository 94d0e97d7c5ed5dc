/* position.c - walking along a log chunk by chunk: hash chain, bytes and lines. Pure. */
#include "logsink/position.h"

#include <string.h>

void position_start(struct position *p, const struct log_key *key)
{
    *p = (struct position){ 0 };
    chain_start(&key->task, key->attempt, &p->head);
}

static uint64_t count_newlines(const char *data, size_t len)
{
    uint64_t n = 0;
    for (const char *end = data + len; data < end && (data = memchr(data, '\n', (size_t)(end - data))); data++)
        n++;
    return n;
}

void position_advance(struct position *p, const struct chain_chunk *c, const void *data)
{
    chain_next(&p->head, c, data);
    p->seq = c->seq;
    p->bytes += c->length;
    if (c->length == 0)
        return;
    p->newlines += count_newlines(data, c->length);
    p->is_line_open = ((const char *)data)[c->length - 1] != '\n';
}

uint64_t position_lines(const struct position *p)
{
    return p->newlines + p->is_line_open;
}
