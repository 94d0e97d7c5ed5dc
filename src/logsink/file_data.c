/* file_data.c - what stands in an attempt's files: chunks, their bytes and bases, written in order and read back.
 *
 * Implements ARCHITECTURE "Log format". */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/log.h"
#include "logsink/disk.h"
#include "logsink/file_index.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/files_impl.h"
#include "logsink/frames.h"

/* --- reading -------------------------------------------------------------------------------------------- */

/* Good bytes in either file are the chunk's: a log that was packed and then went on has both, N.log sparse where N.zst
 * has it. */
static bool is_in_packed(const struct file *f, const struct chunk_record *r, void *at)
{
    return f->packed && chunk_record_end(r) <= frames_bytes(f->packed) &&
           frames_read(f->packed, at, r->chunk.length, r->chunk.offset, NULL) == 0 &&
           hash_crc32c(0, at, r->chunk.length) == r->data_crc;
}

int files_bytes(const struct file *f, const struct chunk_record *r, void *at, struct err *e)
{
    if (is_in_packed(f, r, at))
        return 0;
    if (f->packed && f->log_fd < 0)
        return err_set(e, ERR_INVALID, "the bytes are damaged on the log sink's disk");
    if (f->log_fd < 0)
        return err_set(e, ERR_INVALID, "the bytes are missing on the log sink's disk");
    int64_t len = disk_read_at(f->log_fd, at, r->chunk.length, r->chunk.offset, "the bytes", e);
    if (len < 0)
        return -1;
    if (len != r->chunk.length || hash_crc32c(0, at, (size_t)len) != r->data_crc)
        return err_set(e, ERR_INVALID, "the bytes are damaged on the log sink's disk");
    return 0;
}

/* Whatever stands there. */
static size_t peek_packed(const struct file *f, uint64_t offset, void *at, size_t len)
{
    uint64_t left = frames_bytes(f->packed) - offset;
    if (left < len)
        len = (size_t)left;
    return frames_read(f->packed, at, len, offset, NULL) == 0 ? len : 0;
}

size_t files_peek(const struct file *f, uint64_t offset, void *at, size_t len)
{
    if (f->packed && offset < frames_bytes(f->packed))
        return peek_packed(f, offset, at, len);
    int64_t got = f->log_fd < 0 ? 0 : disk_read_at(f->log_fd, at, len, offset, "the bytes", NULL);
    return got > 0 ? (size_t)got : 0;
}

int files_measure_end(struct file *f, struct err *e)
{
    struct chunk_record last;
    struct stat st;
    uint64_t good = file_before(f, f->records + 1, &last);
    f->last_seq = good > 0 ? last.chunk.seq : 0;
    f->bytes = good > 0 ? chunk_record_end(&last) : 0;
    if (good == f->records)
        return 0;
    f->last_seq += f->records - good;
    if (f->log_fd >= 0 && fstat(f->log_fd, &st) != 0)
        return err_sys(e, "cannot examine a log");
    if (f->log_fd >= 0 && (uint64_t)st.st_size > f->bytes)
        f->bytes = (uint64_t)st.st_size;
    if (f->packed && frames_bytes(f->packed) > f->bytes)
        f->bytes = frames_bytes(f->packed);
    return 0;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static int truncate_to(int fd, uint64_t size, const struct file *f, const char *suffix, struct err *e)
{
    if (ftruncate(fd, (off_t)size) == 0)
        return 0;
    char path[FILE_PATH_SIZE];
    file_path(&f->node.key, suffix, path);
    return disk_error(e, "cannot cut", path);
}

int files_cut(struct file *f, uint64_t records, uint64_t seq, uint64_t bytes, struct err *e)
{
    if (truncate_to(f->chunks_fd, (records + 1) * CHUNK_RECORD_SIZE, f, "chunks", e) ||
        (f->log_fd >= 0 && truncate_to(f->log_fd, bytes, f, "log", e)))
        return -1;
    f->records = records;
    f->last_seq = seq;
    f->bytes = bytes;
    return 0;
}

/* The name is wanted only when the disk says no: making it costs as much as a small write. */
static int put(struct file *f, int fd, const char *suffix, const struct iovec *data, uint64_t offset, struct err *e)
{
    char path[FILE_PATH_SIZE];
    if (disk_write_at(fd, data->iov_base, data->iov_len, offset, suffix, e) == 0)
        return 0;
    file_path(&f->node.key, suffix, path);
    return err_prefix(e, "%s", path);
}

static int write_records(struct file *f, uint64_t index, const struct chunk_record *records, size_t n, struct err *e)
{
    uint8_t raw[BASE_RECORDS_MAX * CHUNK_RECORD_SIZE];
    const struct iovec data = { raw, n * CHUNK_RECORD_SIZE };
    for (size_t i = 0; i < n; i++)
        chunk_record_encode(&records[i], f->version, raw + i * CHUNK_RECORD_SIZE);
    if (put(f, f->chunks_fd, "chunks", &data, index * CHUNK_RECORD_SIZE, e))
        return -1;
    if (index + n - 1 > f->records)
        f->records = index + n - 1;
    return 0;
}

/* Bytes first: a record never describes bytes that are not there. */
int files_put_chunk(struct file *f, uint64_t index, const struct journal_record *r, struct err *e)
{
    const struct iovec data = { (void *)r->data, r->chunk.length };
    struct chunk_record record;
    chunk_record_init(&record, &r->chunk, &r->head, r->data);
    if (put(f, f->log_fd, "log", &data, r->chunk.offset, e))
        return -1;
    return write_records(f, index, &record, 1, e);
}

static int append(struct file *f, const struct journal_record *r, struct err *e)
{
    if (r->chunk.seq <= f->last_seq) {
        uint64_t place = file_place(f, r->chunk.seq);
        if (place == 0)
            place = file_find(f, FILE_BY_SEQ, r->chunk.seq);
        if (files_cut(f, place - 1, r->chunk.seq - 1, r->chunk.offset, e))
            return -1;
    }
    if (r->chunk.offset < f->bytes)
        return err_set(e, ERR_CONFLICT, "chunk %" PRIu64 " does not follow chunk %" PRIu64, r->chunk.seq, f->last_seq);
    /* Taken when the files had more: somebody deleted or cut them. What is missing is a gap like other damage. */
    if (r->chunk.seq != f->last_seq + 1 || r->chunk.offset != f->bytes)
        log_error("log lost a part of its files while it was written", log_int("chunk", (int64_t)r->chunk.seq),
                  log_int("offset", (int64_t)r->chunk.offset), log_int("there", (int64_t)f->bytes));
    if (files_put_chunk(f, f->records + 1, r, e))
        return -1;
    f->last_seq = r->chunk.seq;
    f->bytes = r->chunk.offset + r->chunk.length;
    return 0;
}

int files_put_base(struct file *f, const struct journal_record *r, uint64_t *index_r, size_t *n_r, struct err *e)
{
    struct base b;
    struct chunk_record records[BASE_RECORDS_MAX];
    bool is_there;
    if (base_decode(r, &b) || f->version < CHUNK_VERSION)
        return err_set(e, ERR_CONFLICT, "a base cannot be written to this log");
    uint64_t place = file_place_base(f, b.seq, &is_there);
    uint64_t behind = file_find(f, FILE_BY_OFFSET, b.offset);
    if (behind < place) {
        place = behind;
        is_there = false;
    }
    if (!is_there && place <= f->records && files_cut(f, place - 1, b.seq, b.offset, e))
        return -1;
    *index_r = place;
    *n_r = base_to_records(&b, records);
    return write_records(f, place, records, *n_r, e);
}

static int append_base(struct file *f, const struct journal_record *r, struct err *e)
{
    uint64_t index;
    size_t n;
    if (files_put_base(f, r, &index, &n, e))
        return -1;
    f->last_seq = r->chunk.seq;
    f->bytes = r->chunk.offset;
    return 0;
}

int files_store(struct files *fs, const struct journal_record *r, uint64_t segment, struct err *e)
{
    if (r->kind == JOURNAL_SEAL)
        return files_seal(fs, &r->key, r->data, segment, e);
    struct file *f = files_get(fs, &r->key, true, e);
    if (!f)
        return -1;
    files_mark_dirty(fs, f, segment);
    return r->kind == JOURNAL_BASE ? append_base(f, r, e) : append(f, r, e);
}
