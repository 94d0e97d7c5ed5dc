/* verify.c - recomputes the chain of N.log and N.chunks and compares it with the stored beginnings of its hashes. */
#include "logsink/verify.h"

#include <inttypes.h>
#include <string.h>

#define VERIFY_STEP_BYTES (4 * 1024 * 1024)
#define VERIFY_STEP_CHUNKS 4096

/* A sealed log is not walked: its seal says where it ends. */
static bool is_sealed(struct files *fs, struct load *l)
{
    if (files_seal_get(fs, &l->key, &l->seal, &l->why))
        return true;
    if (l->seal.state == SEAL_OPEN)
        return false;
    l->at.seq = l->seal.chunks;
    l->at.bytes = l->seal.bytes;
    l->at.head = l->seal.head;
    return true;
}

static int next_chunk(const struct file *f, struct load *l, struct buf *scratch)
{
    struct chunk_record r;
    uint64_t seq = l->at.seq + 1;
    buf_reset(scratch);
    if (files_chunk(f, seq, &r, scratch, &l->why))
        return -1;
    if (!chunk_record_follows(&r, l->at.seq, l->at.bytes))
        return err_set(&l->why, ERR_INVALID, "chunk %" PRIu64 " does not follow the one before", seq);
    struct position next = l->at;
    position_advance(&next, &r.chunk, scratch->data);
    if (memcmp(next.head.b, r.head, sizeof(r.head)) != 0)
        return err_set(&l->why, ERR_INVALID, "the hash chain breaks at chunk %" PRIu64, seq);
    l->at = next;
    return 0;
}

bool verify_step(struct files *fs, struct load *l, struct buf *scratch)
{
    struct err why = { 0 };
    if (!l->is_started) {
        l->is_started = true;
        position_start(&l->at, &l->key);
        if (is_sealed(fs, l))
            return true;
    }
    const struct file *f = files_get(fs, &l->key, false, &why);
    if (!f) {
        if (why.kind != ERR_NOT_FOUND)
            l->why = why;
        return true;
    }
    uint64_t until = l->at.bytes + VERIFY_STEP_BYTES;
    for (unsigned n = 0; n < VERIFY_STEP_CHUNKS && l->at.bytes < until && l->at.seq < f->chunks; n++) {
        if (next_chunk(f, l, scratch)) {
            l->is_damaged = true;
            return true;
        }
    }
    return l->at.seq == f->chunks;
}
