/* range.c - what is asked of a log (range.h), found through N.chunks. Changes nothing. */
#include "logsink/range.h"

#include "logsink/file_index.h"

#define WINDOW_BYTES (128 * 1024)     /* read at once when chunks are small */
#define MERGED_CHUNKS_MAX 4096        /* damaged neighbours that one answer tells together */
#define MERGED_BYTES_MAX (16 * 1024 * 1024)

/* A stretch of the log on its way into an answer. */
struct copy {
    const struct file *f;
    struct read *q;
    uint64_t at, end;
    struct buf *window;               /* bytes of the log from window_at on */
    uint64_t window_at;
};

/* The log has bytes from q->offset on, but not here. */
static void refuse(struct read *q, uint64_t gap_to, const char *reason)
{
    if (q->what == READ_END || (q->what == READ_BYTES && q->offset >= q->durable))
        return;
    if (q->what == READ_BYTES)
        q->gap_to = gap_to;
    err_set(&q->why, ERR_NOT_FOUND, "%s", reason);
}

static void refuse_damaged(struct read *q, uint64_t gap_to, const char *reason)
{
    refuse(q, gap_to, reason);
    q->is_damaged = q->why.kind != ERR_NONE;
}

/* --- bytes ------------------------------------------------------------------------------------------------ */

static bool is_in_window(const struct copy *c, const struct chunk_record *r)
{
    return r->chunk.offset >= c->window_at && chunk_record_end(r) <= c->window_at + c->window->len;
}

/* Small chunks are read many at once; one that is not good that way is read for itself. */
static const char *chunk_bytes(struct copy *c, const struct chunk_record *r, struct err *e)
{
    size_t length = r->chunk.length;
    if (!is_in_window(c, r)) {
        uint64_t rest = c->end - c->at;
        size_t want = rest < length ? length : rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
        buf_reset(c->window);
        c->window_at = r->chunk.offset;
        buf_commit(c->window, files_peek(c->f, c->window_at, buf_reserve(c->window, want), want));
    }
    const char *data = c->window->data + (r->chunk.offset - c->window_at);
    if (is_in_window(c, r) && hash_crc32c(0, data, length) == r->data_crc)
        return data;
    buf_reset(c->window);
    c->window_at = r->chunk.offset;
    if (files_bytes(c->f, r, buf_reserve(c->window, length), e))
        return NULL;
    buf_commit(c->window, length);
    return c->window->data;
}

/* r is damaged, and perhaps its neighbours too: one gap, not thousands of them. */
static void refuse_chunks(struct copy *c, struct file_cursor *cursor, const struct chunk_record *r, const char *reason)
{
    struct chunk_record next;
    uint64_t to = chunk_record_end(r);
    for (unsigned n = 1; n < MERGED_CHUNKS_MAX && to - c->at < MERGED_BYTES_MAX; n++) {
        struct err why = { 0 };
        if (!file_cursor_next(cursor, &next) || next.chunk.offset != to || chunk_record_is_base(&next) ||
            next.chunk.length == 0 || chunk_bytes(c, &next, &why) || why.kind != ERR_INVALID)
            break;
        to = chunk_record_end(&next);
    }
    refuse_damaged(c->q, to, reason);
}

static void refuse_base(struct copy *c, struct file_cursor *cursor, const struct chunk_record *r)
{
    struct base b;
    if (file_base(cursor, r, &b) == 0)
        refuse(c->q, b.offset, b.reason);
    else
        refuse_damaged(c->q, r->chunk.offset, "the log sink's record of these bytes is damaged");
}

/* false: the answer ends in front of this record, or with it. */
static bool copy_record(struct copy *c, struct file_cursor *cursor, const struct chunk_record *r)
{
    struct err why = { 0 };
    bool is_first = c->q->data.len == 0;
    if (chunk_record_end(r) <= c->at && r->chunk.offset <= c->at)
        return true;
    if (chunk_record_is_base(r)) {
        if (is_first)
            refuse_base(c, cursor, r);
        return false;
    }
    if (r->chunk.offset > c->at) {
        if (is_first)
            refuse_damaged(c->q, r->chunk.offset, "the log sink's record of these bytes is damaged");
        return false;
    }
    const char *data = chunk_bytes(c, r, &why);
    if (!data) {
        if (is_first && why.kind == ERR_INVALID)
            refuse_chunks(c, cursor, r, why.text);
        else if (is_first)
            c->q->why = why;
        return false;
    }
    uint64_t last = chunk_record_end(r) < c->end ? chunk_record_end(r) : c->end;
    buf_append(&c->q->data, data + (c->at - r->chunk.offset), (size_t)(last - c->at));
    c->at = last;
    return c->at < c->end;
}

static void read_bytes(const struct file *f, struct read *q, struct buf *scratch)
{
    struct file_cursor cursor;
    struct chunk_record r;
    uint64_t limit = q->limit < RANGE_MAX ? q->limit : RANGE_MAX;
    uint64_t rest = q->offset < q->durable ? q->durable - q->offset : 0;
    if (rest == 0 || limit == 0)
        return;
    struct copy c = { .f = f, .q = q, .at = q->offset, .end = q->offset + (rest < limit ? rest : limit),
                      .window = scratch };
    buf_reset(scratch);
    file_cursor_start(&cursor, f, file_find(f, FILE_BY_OFFSET, q->offset));
    bool has;
    while ((has = file_cursor_next(&cursor, &r)) && copy_record(&c, &cursor, &r))
        ;
    if (!has && q->data.len == 0)
        refuse_damaged(q, q->durable, "the log sink's record of these bytes is damaged");
}

/* --- chunks ----------------------------------------------------------------------------------------------- */

static uint64_t first_index(const struct file *f, const struct read *q)
{
    static const enum file_by orders[] = { [READ_FROM_SEQ] = FILE_BY_SEQ, [READ_FROM_OFFSET] = FILE_BY_OFFSET,
                                           [READ_FROM_TIME] = FILE_BY_TIME };
    struct chunk_record r;
    uint64_t index = file_find(f, orders[q->from], q->offset);
    uint64_t before = file_before(f, index, &r);
    /* The base in front says with which head the chain begins. */
    return before > 0 && chunk_record_is_base(&r) ? before - base_part(&r) : index;
}

static void read_chunks(const struct file *f, struct read *q)
{
    struct file_cursor cursor;
    struct chunk_record r;
    uint64_t limit = q->limit < RANGE_CHUNKS_MAX ? q->limit : RANGE_CHUNKS_MAX;
    file_cursor_start(&cursor, f, first_index(f, q));
    for (bool is_first = true; limit > 0 && file_cursor_next(&cursor, &r); is_first = false) {
        bool is_base = chunk_record_is_base(&r);
        if (is_base && base_part(&r) > 0)
            continue;
        buf_append(&q->data, &r, sizeof(r));
        limit -= !(is_base && is_first);
    }
}

/* --- all of them ------------------------------------------------------------------------------------------- */

static void answer_without_files(struct files *fs, struct read *q, const struct seal *seal, const struct err *why)
{
    bool is_missing = why->kind == ERR_NOT_FOUND;
    if (seal->state == SEAL_OPEN && is_missing) {
        q->durable = files_log_size(fs, &q->key);
        q->is_absent = q->durable == 0;
    }
    if (!is_missing && why->kind != ERR_INVALID)
        q->why = *why;
    else if (seal->flags & SEAL_ARCHIVED)
        err_set(&q->why, ERR_NOT_FOUND, "the log is in the archive");
    else if (q->durable > 0)
        refuse_damaged(q, q->durable, "the log's files are missing on the log sink's disk");
}

void range_read(struct files *fs, struct read *q, struct buf *scratch)
{
    struct seal seal;
    struct err why = { 0 };
    if (files_seal_get(fs, &q->key, &seal, &why)) {
        if (why.kind != ERR_INVALID) {
            q->why = why;
            return;
        }
        seal = (struct seal){ .state = SEAL_GAP }; /* nothing more comes; what is there says N.chunks */
        why = (struct err){ 0 };
    }
    q->state = seal.state;
    q->durable = q->what == READ_CHUNKS ? seal.chunks : seal.bytes;
    if (seal.removed != SEAL_KEPT) {
        refuse(q, q->durable, seal_removed_reason(seal.removed));
        return;
    }
    const struct file *f = files_get(fs, &q->key, false, &why);
    if (!f) {
        answer_without_files(fs, q, &seal, &why);
        return;
    }
    uint64_t end = q->what == READ_CHUNKS ? f->last_seq : f->bytes;
    if (seal.state != SEAL_COMPLETE && end > q->durable)
        q->durable = end;
    if (q->what == READ_BYTES)
        read_bytes(f, q, scratch);
    else if (q->what == READ_CHUNKS)
        read_chunks(f, q);
}
