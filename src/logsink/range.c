/* range.c - byte ranges of N.log, found through N.chunks. Changes nothing. */
#include "logsink/range.h"

/* The first chunk that ends behind `offset`, which is below f->bytes. */
static int find_chunk(const struct file *f, uint64_t offset, uint64_t *seq_r, struct err *e)
{
    struct chunk_record r;
    uint64_t low = 1, high = f->chunks;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (files_chunk(f, middle, &r, NULL, e))
            return -1;
        if (r.chunk.offset + r.chunk.length > offset)
            high = middle;
        else
            low = middle + 1;
    }
    *seq_r = low;
    return 0;
}

/* Copies [offset, end), chunk by chunk. */
static int copy(const struct file *f, uint64_t offset, uint64_t end, struct buf *out, struct buf *scratch,
                struct err *e)
{
    struct chunk_record r;
    uint64_t seq;
    if (find_chunk(f, offset, &seq, e))
        return -1;
    for (; offset < end; seq++) {
        buf_reset(scratch);
        if (files_chunk(f, seq, &r, scratch, e))
            return -1;
        uint64_t last = r.chunk.offset + r.chunk.length;
        if (r.chunk.offset > offset || (last <= offset && r.chunk.length > 0))
            return err_set(e, ERR_INVALID, "the chunks of this log do not follow each other");
        if (last > end)
            last = end;
        buf_append(out, scratch->data + (offset - r.chunk.offset), (size_t)(last - offset));
        offset = last;
    }
    return 0;
}

void range_read(struct files *fs, struct read *q, struct buf *scratch)
{
    struct seal seal;
    struct err why = { 0 };
    if (files_seal_get(fs, &q->key, &seal, &q->why))
        return;
    q->state = seal.state;
    q->durable = seal.bytes;
    const struct file *f = files_get(fs, &q->key, false, &why);
    if (!f) {
        q->is_absent = seal.state == SEAL_OPEN;
        if (why.kind != ERR_NOT_FOUND || seal.bytes > 0)
            q->why = why;
        return;
    }
    if (seal.state == SEAL_OPEN)
        q->durable = f->bytes;
    uint64_t limit = q->limit < RANGE_MAX ? q->limit : RANGE_MAX;
    uint64_t rest = q->offset < q->durable ? q->durable - q->offset : 0;
    if (rest == 0 || limit == 0)
        return;
    if (copy(f, q->offset, q->offset + (rest < limit ? rest : limit), &q->data, scratch, &q->why))
        buf_reset(&q->data);
}
