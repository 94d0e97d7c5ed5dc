/* verify.c - recomputes the chain of N.log and N.chunks and compares it with the stored heads. */
#include "logsink/verify.h"

#include <inttypes.h>

#include "logsink/file_index.h"

#define VERIFY_STEP_BYTES (4 * 1024 * 1024)
#define VERIFY_STEP_CHUNKS 4096

/* A log that takes nothing more is not walked: its seal says where it ends. */
static bool is_finished(struct files *fs, struct load *l)
{
    struct err why = { 0 };
    if (files_seal_get(fs, &l->key, &l->seal, &why)) {
        l->seal = (struct seal){ .state = SEAL_OPEN };
        l->why = why;
        l->is_damaged = why.kind == ERR_INVALID; /* the log may be sealed again */
        return !l->is_damaged;
    }
    if (l->seal.state != SEAL_COMPLETE && l->seal.removed == SEAL_KEPT)
        return false;
    l->at.seq = l->seal.chunks;
    l->at.bytes = l->seal.bytes;
    l->at.head = l->seal.head;
    l->at.is_broken = l->seal.state != SEAL_COMPLETE;
    return true;
}

/* The log goes on behind it, if it is known with which head: what is damaged in front is a gap then. */
static bool pass(struct load *l, const struct chunk_record *r, const char *what)
{
    l->is_damaged = true;
    err_set(&l->why, ERR_INVALID, "chunk %" PRIu64 ": %s", r->chunk.seq, what);
    if (r->is_head_cut)
        return false;
    l->at = (struct position){ .seq = r->chunk.seq, .bytes = chunk_record_end(r), .newlines = l->at.newlines,
                               .head = r->head, .is_broken = true };
    return true;
}

static bool walk_base(struct load *l, struct file_cursor *c, const struct chunk_record *r)
{
    struct base b;
    if (file_base(c, r, &b))
        return pass(l, r, "a base is damaged");
    base_position(&b, &l->at);
    return true;
}

/* false: here the walk ends, the rest is no good. */
static bool walk_record(struct load *l, struct file_cursor *c, const struct chunk_record *r, struct buf *scratch)
{
    struct err why = { 0 };
    if (c->is_skipped)
        l->at.is_broken = l->is_damaged = true;
    if (chunk_record_is_base(r))
        return walk_base(l, c, r);
    if (r->chunk.seq != l->at.seq + 1 || r->chunk.offset != l->at.bytes)
        return pass(l, r, "what is in front of it is missing");
    buf_reset(scratch);
    char *data = buf_reserve(scratch, r->chunk.length);
    if (files_bytes(c->f, r, data, &why)) {
        if (why.kind == ERR_INVALID)
            return pass(l, r, why.text);
        l->why = why;
        l->is_damaged = false;
        return false;
    }
    struct position next = l->at;
    position_advance(&next, &r->chunk, data);
    if (!chunk_record_has_head(r, &next.head))
        return pass(l, r, "the hash chain breaks");
    l->at = next;
    return true;
}

static bool walk(const struct file *f, struct load *l, struct buf *scratch)
{
    struct file_cursor c;
    struct chunk_record r;
    uint64_t until = l->at.bytes + VERIFY_STEP_BYTES;
    file_cursor_start(&c, f, l->next_index);
    for (unsigned n = 0; n < VERIFY_STEP_CHUNKS && l->at.bytes < until; n++) {
        if (!file_cursor_next(&c, &r) || !walk_record(l, &c, &r, scratch)) {
            if (c.is_skipped && l->why.kind == ERR_NONE)
                err_set(&l->why, ERR_INVALID, "records at its end are damaged");
            l->is_damaged |= c.is_skipped;
            return true;
        }
        l->next_index = c.next;
    }
    return l->next_index > f->records;
}

bool verify_step(struct files *fs, struct load *l, struct buf *scratch)
{
    struct err why = { 0 };
    if (l->next_index == 0) {
        l->next_index = 1;
        position_start(&l->at, &l->key);
        if (is_finished(fs, l))
            return true;
    }
    const struct file *f = files_get(fs, &l->key, false, &why);
    if (!f) {
        if (why.kind == ERR_NOT_FOUND)
            return true;
        l->why = why;
        l->is_damaged = false;
        return true;
    }
    l->is_old = f->version < CHUNK_VERSION;
    return walk(f, l, scratch);
}
