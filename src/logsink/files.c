/* files.c - opening, caching and syncing the files of attempts. What is in them: file_data.c.
 *
 * Given the sink's folder. Changes only the folder `log` in it. Implements ARCHITECTURE "Log format". */
#include "logsink/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/file_index.h"
#include "logsink/file_path.h"
#include "logsink/files_impl.h"
#include "logsink/frames.h"

struct files *files_new(int dir_fd, unsigned open_max)
{
    struct files *fs = mem_zalloc(sizeof(*fs));
    fs->dir_fd = dir_fd;
    fs->open_max = open_max;
    fs->unpacker = unpacker_new();
    lru_init(&fs->open);
    lru_init(&fs->closed);
    fs->dirty_end = &fs->dirty;
    return fs;
}

void files_close(struct file *f)
{
    frames_close(&f->packed);
    if (f->log_fd >= 0)
        close(f->log_fd);
    if (f->chunks_fd >= 0)
        close(f->chunks_fd);
    f->log_fd = f->chunks_fd = -1;
}

static void free_all(struct lru *t)
{
    while (t->oldest) {
        struct file *f = (struct file *)t->oldest;
        lru_remove(t, &f->node);
        files_close(f);
        mem_free(&f);
    }
    lru_fini(t);
}

void files_free(struct files **fs)
{
    if (!*fs)
        return;
    free_all(&(*fs)->open);
    free_all(&(*fs)->closed);
    unpacker_free(&(*fs)->unpacker);
    mem_free(fs);
}

/* Gives the descriptors of the file used longest ago back. A dirty one is remembered until it is synced. */
static void close_oldest(struct files *fs)
{
    struct file *f = (struct file *)fs->open.oldest;
    lru_remove(&fs->open, &f->node);
    files_close(f);
    if (f->dirty_segment)
        lru_add(&fs->closed, &f->node);
    else
        mem_free(&f);
}

void files_mark_dirty(struct files *fs, struct file *f, uint64_t segment)
{
    if (f->dirty_segment)
        return;
    f->dirty_segment = segment;
    f->next_dirty = NULL;
    *fs->dirty_end = f;
    fs->dirty_end = &f->next_dirty;
}

/* *fd_r -1 and 0: it is not there, and may not be made. */
static int open_one(struct files *fs, const struct log_key *key, const char *suffix, bool may_create, int *fd_r,
                    struct err *e)
{
    char path[FILE_PATH_SIZE];
    file_path(key, suffix, path);
    *fd_r = openat(fs->dir_fd, path, O_RDWR | O_CLOEXEC | (may_create ? O_CREAT : 0), 0640);
    return *fd_r >= 0 || (errno == ENOENT && !may_create) ? 0 : disk_error(e, "cannot open", path);
}

/* One that is damaged counts as not there: what is only in it is told as a gap. */
static int open_packed(struct files *fs, struct file *f, struct err *e)
{
    int fd;
    char path[FILE_PATH_SIZE];
    struct err why = { 0 };
    if (f->packed || open_one(fs, &f->node.key, "zst", false, &fd, e))
        return f->packed ? 0 : -1;
    if (fd < 0)
        return 0;
    f->packed = frames_open(fs->unpacker, fd, &why);
    if (f->packed)
        return 0;
    close(fd);
    file_path(&f->node.key, "zst", path);
    log_error("packed log cannot be used", log_str("file", path), log_err(&why));
    return 0;
}

static int open_fds(struct files *fs, struct file *f, bool may_create, struct err *e)
{
    const struct log_key *key = &f->node.key;
    if (may_create && file_make_folder(fs->dir_fd, key, e))
        return -1;
    if (f->chunks_fd < 0 && open_one(fs, key, "chunks", may_create, &f->chunks_fd, e))
        return -1;
    if (f->chunks_fd < 0) {
        char path[FILE_PATH_SIZE];
        file_path(key, "chunks", path);
        return err_set(e, ERR_NOT_FOUND, "%s is not there", path);
    }
    if (open_packed(fs, f, e))
        return -1;
    return f->log_fd < 0 ? open_one(fs, key, "log", may_create, &f->log_fd, e) : 0;
}

/* Of a file whose header does not say it: no record is good in both. */
static unsigned guess_version(const struct file *f)
{
    struct file old = *f;
    struct file_cursor c;
    struct chunk_record r;
    old.version = 1;
    file_cursor_start(&c, &old, 1);
    if (c.until > CURSOR_RECORDS)
        c.until = CURSOR_RECORDS;
    return file_cursor_next(&c, &r) ? 1 : CHUNK_VERSION;
}

/* How much is there, by the list of chunks. An empty list gets its header. */
static int measure(struct file *f, struct err *e)
{
    char path[FILE_PATH_SIZE];
    uint8_t header[CHUNK_RECORD_SIZE];
    struct stat st;
    struct err why = { 0 };
    file_path(&f->node.key, "chunks", path);
    if (fstat(f->chunks_fd, &st) != 0)
        return disk_error(e, "cannot examine", path);
    int64_t len = disk_read_at(f->chunks_fd, header, sizeof(header), 0, path, e);
    if (len < 0)
        return -1;
    f->is_new = st.st_size < CHUNK_RECORD_SIZE;
    f->records = f->is_new ? 0 : (uint64_t)st.st_size / CHUNK_RECORD_SIZE - 1;
    if (chunk_header_decode(header, (size_t)len, &f->node.key, &f->version, &why)) {
        if (why.kind == ERR_CONFLICT)
            return err_set(e, ERR_CONFLICT, "%s: %s", path, why.text);
        if (len > 0)
            log_error("log header written anew", log_str("file", path), log_err(&why));
        f->version = guess_version(f);
        chunk_header_encode(&f->node.key, f->version, header);
        if (disk_write_at(f->chunks_fd, header, sizeof(header), 0, path, e))
            return -1;
    }
    return files_measure_end(f, e);
}

int files_reopen(struct files *fs, struct file *f, bool may_create, struct err *e)
{
    if (f->chunks_fd >= 0) {
        lru_touch(&fs->open, &f->node);
        return f->log_fd < 0 && may_create ? open_fds(fs, f, true, e) : 0;
    }
    if (fs->open.count >= fs->open_max)
        close_oldest(fs);
    if (open_fds(fs, f, may_create, e)) {
        files_close(f);
        return -1;
    }
    lru_remove(&fs->closed, &f->node);
    lru_add(&fs->open, &f->node);
    return 0;
}

struct file *files_get(struct files *fs, const struct log_key *key, bool may_create, struct err *e)
{
    struct file *f = (struct file *)lru_get(&fs->open, key);
    if (!f)
        f = (struct file *)lru_get(&fs->closed, key);
    if (f)
        return files_reopen(fs, f, may_create, e) == 0 ? f : NULL;
    if (fs->open.count >= fs->open_max)
        close_oldest(fs);
    f = mem_zalloc(sizeof(*f));
    f->node.key = *key;
    f->log_fd = f->chunks_fd = -1;
    if (open_fds(fs, f, may_create, e) == 0 && measure(f, e) == 0) {
        lru_add(&fs->open, &f->node);
        return f;
    }
    files_close(f);
    mem_free(&f);
    return NULL;
}

bool files_have(const struct files *fs, const struct log_key *key, const char *suffix)
{
    char path[FILE_PATH_SIZE];
    file_path(key, suffix, path);
    return faccessat(fs->dir_fd, path, F_OK, 0) == 0;
}

uint64_t files_log_size(const struct files *fs, const struct log_key *key)
{
    char path[FILE_PATH_SIZE];
    struct stat st;
    file_path(key, "log", path);
    return fstatat(fs->dir_fd, path, &st, 0) == 0 ? (uint64_t)st.st_size : 0;
}

static int sync_fd(int fd, const struct file *f, const char *suffix, struct err *e)
{
    if (fdatasync(fd) == 0)
        return 0;
    char path[FILE_PATH_SIZE];
    file_path(&f->node.key, suffix, path);
    return err_sys(e, "cannot sync %s", path);
}

static int sync_seal(struct files *fs, struct file *f, struct err *e)
{
    int fd;
    if (!f->is_seal_dirty)
        return 0;
    if (open_one(fs, &f->node.key, "seal", false, &fd, e))
        return -1;
    if (fd < 0)
        return 0;
    int rc = sync_fd(fd, f, "seal", e);
    close(fd);
    return rc;
}

/* A log that somebody deleted needs no syncing any more. */
static bool is_deleted(struct files *fs, struct file *f, struct err *e)
{
    struct err why = { 0 };
    if (files_reopen(fs, f, false, &why) == 0)
        return false;
    if (why.kind != ERR_NOT_FOUND) {
        err_set(e, why.kind, "%s", why.text);
        return false;
    }
    log_warn("log deleted while it was written", log_err(&why));
    return true;
}

int files_sync_file(struct files *fs, struct file *f, struct err *e)
{
    if (is_deleted(fs, f, e))
        return 0;
    if (f->chunks_fd < 0 || (f->log_fd >= 0 && sync_fd(f->log_fd, f, "log", e)) ||
        sync_fd(f->chunks_fd, f, "chunks", e) || sync_seal(fs, f, e))
        return -1;
    if ((f->is_new || f->is_seal_dirty) && file_sync_folder(fs->dir_fd, &f->node.key, e))
        return -1;
    f->is_new = f->is_seal_dirty = false;
    return 0;
}

int files_sync(struct files *fs, uint64_t segment, unsigned max, struct err *e)
{
    for (; fs->dirty && fs->dirty->dirty_segment <= segment; max--) {
        struct file *f = fs->dirty;
        if (max == 0)
            return 1;
        if (files_sync_file(fs, f, e))
            return -1;
        fs->dirty = f->next_dirty;
        if (!fs->dirty)
            fs->dirty_end = &fs->dirty;
        f->dirty_segment = 0;
    }
    return 0;
}

struct file *files_dirty(const struct files *fs)
{
    return fs->dirty;
}
