/* file_data.c - what stands in an attempt's files: chunks and their bytes, and the seal.
 *
 * Implements ARCHITECTURE "Log format". */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "logsink/disk.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/files_impl.h"

static int truncate_to(int fd, uint64_t size, const struct file *f, const char *suffix, struct err *e)
{
    if (ftruncate(fd, (off_t)size) == 0)
        return 0;
    char path[FILE_PATH_SIZE];
    file_path(&f->node.key, suffix, path);
    return disk_error(e, "cannot cut", path);
}

/* Only `chunks` chunks and `bytes` bytes stay. */
static int cut(struct file *f, uint64_t chunks, uint64_t bytes, struct err *e)
{
    if (truncate_to(f->chunks_fd, (chunks + 1) * CHUNK_RECORD_SIZE, f, "chunks", e) ||
        truncate_to(f->log_fd, bytes, f, "log", e))
        return -1;
    f->chunks = chunks;
    f->bytes = bytes;
    return 0;
}

static int read_record(const struct file *f, uint64_t seq, struct chunk_record *r_r, struct err *e)
{
    char path[FILE_PATH_SIZE];
    uint8_t raw[CHUNK_RECORD_SIZE];
    file_path(&f->node.key, "chunks", path);
    int64_t len = disk_read_at(f->chunks_fd, raw, sizeof(raw), seq * CHUNK_RECORD_SIZE, path, e);
    if (len < 0)
        return -1;
    if (chunk_record_decode(raw, (size_t)len, r_r) || r_r->chunk.seq != seq)
        return err_set(e, ERR_INVALID, "%s: record %" PRIu64 " is damaged", path, seq);
    return 0;
}

int files_chunk(const struct file *f, uint64_t seq, struct chunk_record *r_r, struct buf *data, struct err *e)
{
    char path[FILE_PATH_SIZE];
    if (read_record(f, seq, r_r, e))
        return -1;
    if (!data)
        return 0;
    file_path(&f->node.key, "log", path);
    char *at = buf_reserve(data, r_r->chunk.length);
    int64_t len = disk_read_at(f->log_fd, at, r_r->chunk.length, r_r->chunk.offset, path, e);
    if (len < 0)
        return -1;
    if (len != r_r->chunk.length || hash_crc32c(0, at, (size_t)len) != r_r->data_crc)
        return err_set(e, ERR_INVALID, "%s: the bytes from %" PRIu64 " on are damaged", path, r_r->chunk.offset);
    buf_commit(data, (size_t)len);
    return 0;
}

int files_measure_bytes(struct file *f, struct err *e)
{
    struct chunk_record last;
    struct stat st;
    f->bytes = 0;
    if (f->chunks == 0)
        return 0;
    if (read_record(f, f->chunks, &last, NULL) == 0) {
        f->bytes = last.chunk.offset + last.chunk.length;
        return 0;
    }
    if (fstat(f->log_fd, &st) != 0)
        return err_sys(e, "cannot examine a log");
    f->bytes = (uint64_t)st.st_size;
    return 0;
}

/* Bytes first: a record never describes bytes that are not there. */
static int write_chunk(struct file *f, const struct journal_record *r, struct err *e)
{
    char path[FILE_PATH_SIZE];
    struct chunk_record record;
    uint8_t raw[CHUNK_RECORD_SIZE];
    file_path(&f->node.key, "log", path);
    chunk_record_init(&record, &r->chunk, &r->head, r->data);
    chunk_record_encode(&record, raw);
    if (disk_write_at(f->log_fd, r->data, r->chunk.length, r->chunk.offset, path, e))
        return -1;
    file_path(&f->node.key, "chunks", path);
    return disk_write_at(f->chunks_fd, raw, sizeof(raw), r->chunk.seq * CHUNK_RECORD_SIZE, path, e);
}

int files_append(struct files *fs, struct file *f, const struct journal_record *r, uint64_t segment, struct err *e)
{
    files_mark_dirty(fs, f, segment);
    if (r->chunk.seq <= f->chunks && cut(f, r->chunk.seq - 1, r->chunk.offset, e))
        return -1;
    if (r->chunk.seq != f->chunks + 1 || r->chunk.offset != f->bytes)
        return err_set(e, ERR_CONFLICT, "chunk %" PRIu64 " does not follow chunk %" PRIu64, r->chunk.seq, f->chunks);
    if (write_chunk(f, r, e))
        return -1;
    f->chunks++;
    f->bytes += r->chunk.length;
    return 0;
}

int files_rewrite(struct files *fs, struct file *f, const struct journal_record *r, uint64_t segment, struct err *e)
{
    files_mark_dirty(fs, f, segment);
    if (write_chunk(f, r, e))
        return -1;
    f->is_new = true; /* nobody knows whether its folders were synced */
    if (f->first_seq == 0)
        f->first_seq = r->chunk.seq;
    if (r->chunk.seq > f->chunks)
        f->chunks = r->chunk.seq;
    return 0;
}

int files_settle(struct file *f, struct err *e)
{
    uint64_t seq = f->first_seq > 0 ? f->first_seq - 1 : f->chunks;
    uint64_t bytes = 0, had = f->chunks;
    struct chunk_record r;
    struct buf data = { 0 };
    struct err why = { 0 };
    /* What was synced before the journal's part: its last record says where that part begins. */
    if (seq > 0 && read_record(f, seq, &r, &why) == 0)
        bytes = r.chunk.offset + r.chunk.length;
    else
        seq = 0;
    while (seq < f->chunks && files_chunk(f, seq + 1, &r, &data, &why) == 0 && chunk_record_follows(&r, seq, bytes)) {
        seq++;
        bytes += r.chunk.length;
        buf_reset(&data);
    }
    buf_fini(&data);
    if (seq < had) {
        char path[FILE_PATH_SIZE];
        file_path(&f->node.key, "log", path);
        log_error("log cut behind its last good chunk", log_str("file", path), log_int("chunk", (int64_t)seq),
                  log_int("bytes", (int64_t)bytes), log_int("chunks_lost", (int64_t)(had - seq)), log_err(&why));
    }
    return cut(f, seq, bytes, e);
}

int files_seal(struct files *fs, const struct log_key *key, const uint8_t bytes[SEAL_SIZE], uint64_t segment,
               struct err *e)
{
    char path[FILE_PATH_SIZE], made[FILE_PATH_SIZE];
    struct file *f = files_get(fs, key, true, e);
    if (!f)
        return -1;
    file_path(key, "seal", path);
    file_path(key, "seal-new", made);
    files_mark_dirty(fs, f, segment);
    int fd = openat(fs->dir_fd, made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return disk_error(e, "cannot make", made);
    int rc = disk_write_at(fd, bytes, SEAL_SIZE, 0, made, e);
    close(fd);
    if (rc == 0 && renameat(fs->dir_fd, made, fs->dir_fd, path) != 0)
        rc = disk_error(e, "cannot rename", made);
    f->is_seal_dirty |= rc == 0;
    return rc;
}

int files_seal_get(const struct files *fs, const struct log_key *key, struct seal *s_r, struct err *e)
{
    char path[FILE_PATH_SIZE];
    uint8_t raw[SEAL_SIZE];
    *s_r = (struct seal){ .state = SEAL_OPEN };
    file_path(key, "seal", path);
    int fd = openat(fs->dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : disk_error(e, "cannot open", path);
    int64_t len = disk_read_at(fd, raw, sizeof(raw), 0, path, e);
    close(fd);
    if (len < 0)
        return -1;
    if (seal_decode(raw, (size_t)len, key, s_r, e))
        return err_prefix(e, "%s", path);
    return 0;
}
