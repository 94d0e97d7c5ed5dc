/* file_mend.c - recovery of one attempt's files: what the journal has goes to its place, what was half written is cut.
 *
 * Implements ARCHITECTURE "When something dies". */
#include <inttypes.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/file_index.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/files_impl.h"

static void complain(const char *event, const struct file *f, const struct journal_record *r)
{
    char path[FILE_PATH_SIZE];
    file_path(&f->node.key, "log", path);
    log_error(event, log_str("file", path), log_int("chunk", (int64_t)r->chunk.seq),
              log_int("offset", (int64_t)r->chunk.offset));
}

/* The chunks of a log stand in the journal in order, so only the first of them is looked for. */
static uint64_t place_chunk(const struct file *f, uint64_t seq)
{
    return f->first_index > 0 && seq == f->replayed_seq + 1 ? f->replayed_index + 1 : file_place(f, seq);
}

static int replay_chunk(struct file *f, const struct journal_record *r, struct err *e)
{
    uint64_t index = place_chunk(f, r->chunk.seq);
    bool is_hole = r->chunk.seq > f->last_seq + 1;
    if (index == 0 || r->chunk.seq == 0 || r->chunk.offset > CHUNK_OFFSET_MAX) {
        complain("a chunk in the journal has no place in its log", f, r);
        return 0;
    }
    if (is_hole)
        complain("chunks in front of this one are missing in the journal and in the file", f, r);
    if (files_put_chunk(f, index, r, e))
        return -1;
    if (r->chunk.seq > f->last_seq)
        f->last_seq = r->chunk.seq;
    f->replayed_index = index;
    f->replayed_seq = r->chunk.seq;
    if (f->first_index == 0)
        f->first_index = index;
    return is_hole;
}

static int replay_base(struct file *f, const struct journal_record *r, struct err *e)
{
    uint64_t index;
    size_t n;
    struct base b;
    if (base_decode(r, &b) || f->version < CHUNK_VERSION) {
        complain("a base in the journal has no place in its log", f, r);
        return 0;
    }
    if (files_put_base(f, r, &index, &n, e))
        return -1;
    if (r->chunk.seq > f->last_seq)
        f->last_seq = r->chunk.seq;
    f->replayed_index = index + n - 1;
    f->replayed_seq = r->chunk.seq;
    if (f->first_index == 0)
        f->first_index = index;
    return 0;
}

/* The log is finished, and its files may have been packed, archived or removed since: they are synced and right. Not so
 * while N.log is there beside N.zst: what came behind a packed gap may stand in the journal only. */
static bool is_past(struct files *fs, const struct log_key *key)
{
    struct seal s;
    if (files_seal_get(fs, key, &s, NULL) || s.state == SEAL_OPEN)
        return false;
    if (s.removed != SEAL_KEPT)
        return true;
    return s.state == SEAL_COMPLETE &&
           (!files_have(fs, key, "chunks") || (files_have(fs, key, "zst") && !files_have(fs, key, "log")));
}

int files_replay(struct files *fs, const struct journal_record *r, uint64_t segment, struct err *e)
{
    if (r->kind == JOURNAL_SEAL)
        return r->chunk.length == SEAL_SIZE ? files_seal(fs, &r->key, r->data, segment, e) : 0;
    if (is_past(fs, &r->key))
        return 0;
    struct file *f = files_get(fs, &r->key, true, e);
    if (!f)
        return -1;
    files_mark_dirty(fs, f, segment);
    f->is_new = true; /* nobody knows whether its folders were synced */
    return r->kind == JOURNAL_BASE ? replay_base(f, r, e) : replay_chunk(f, r, e);
}

/* The last record from first_index on that is good, its bytes too; 0: none is. */
static uint64_t last_good(const struct file *f, struct chunk_record *last_r, unsigned *bad_r)
{
    struct file_cursor c;
    struct chunk_record r;
    uint64_t good = 0;
    uint8_t *data = mem_alloc(CHAIN_DATA_MAX);
    *bad_r = 0;
    file_cursor_start(&c, f, f->first_index);
    while (file_cursor_next(&c, &r)) {
        if (!chunk_record_is_base(&r) && files_bytes(f, &r, data, NULL))
            continue;
        *bad_r += (unsigned)(c.index - (good > 0 ? good : f->first_index - 1) - 1);
        good = c.index;
        *last_r = r;
    }
    mem_free(&data);
    return good;
}

int files_settle(struct file *f, struct err *e)
{
    struct chunk_record last;
    uint64_t had = f->records;
    unsigned bad;
    if (f->first_index == 0)
        return 0;
    uint64_t good = last_good(f, &last, &bad);
    if (good == 0)
        good = file_before(f, f->first_index, &last);
    uint64_t seq = good > 0 ? last.chunk.seq : 0, bytes = good > 0 ? chunk_record_end(&last) : 0;
    if (good < had || bad > 0) {
        char path[FILE_PATH_SIZE];
        file_path(&f->node.key, "log", path);
        log_error("log mended: what is not good at its end is cut", log_str("file", path),
                  log_int("chunk", (int64_t)seq), log_int("bytes", (int64_t)bytes),
                  log_int("records_cut", (int64_t)(had - good)),
                  log_int("damaged", bad));
    }
    return files_cut(f, good, seq, bytes, e);
}
