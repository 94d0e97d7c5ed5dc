/* job.c - making and releasing what the threads hand each other. */
#include "logsink/job.h"

#include <string.h>

#include "lib/mem.h"

struct chunk *chunk_new(const struct journal_record *r)
{
    struct chunk *c = mem_alloc(sizeof(*c) + JOURNAL_RECORD_SIZE + r->chunk.length);
    memset(c, 0, sizeof(*c));
    c->record = *r;
    c->record.data = c->bytes + JOURNAL_RECORD_SIZE;
    if (r->chunk.length > 0)
        memcpy(c->bytes + JOURNAL_RECORD_SIZE, r->data, r->chunk.length);
    return c;
}

void chunk_free(struct chunk **c)
{
    mem_free(c);
}

size_t chunk_size(const struct chunk *c)
{
    return JOURNAL_RECORD_SIZE + c->record.chunk.length;
}

struct batch *batch_new(enum batch_state state)
{
    struct batch *b = mem_zalloc(sizeof(*b));
    b->job.kind = JOB_BATCH;
    b->state = state;
    b->end = &b->first;
    return b;
}

void batch_free(struct batch **b)
{
    if (!*b)
        return;
    for (struct chunk *c = (*b)->first, *next; c; c = next) {
        next = c->next;
        chunk_free(&c);
    }
    mem_free(b);
}

void read_free(struct read **r)
{
    if (!*r)
        return;
    buf_fini(&(*r)->data);
    mem_free(r);
}

struct fault *fault_new(const struct err *why)
{
    struct fault *f = mem_zalloc(sizeof(*f));
    f->job.kind = JOB_FAULT;
    f->why = *why;
    return f;
}

void job_free(struct job **j)
{
    if (!*j)
        return;
    if ((*j)->kind == JOB_BATCH)
        batch_free((struct batch **)j);
    else if ((*j)->kind == JOB_READ)
        read_free((struct read **)j);
    else
        mem_free(j);
}
