/* file_keep.c - what housekeeping does with the files of one log: syncs it now, marks its seal, forgets and deletes it. */
#include "logsink/file_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/file_path.h"
#include "logsink/files_impl.h"

static struct file *find(const struct files *fs, const struct log_key *key, struct lru **in_r)
{
    struct files *mutable = (struct files *)fs;
    *in_r = &mutable->open;
    struct lru_node *n = lru_get(*in_r, key);
    if (!n) {
        *in_r = &mutable->closed;
        n = lru_get(*in_r, key);
    }
    return (struct file *)n;
}

static void make_clean(struct files *fs, struct file *f)
{
    struct file **at = &fs->dirty;
    while (*at && *at != f)
        at = &(*at)->next_dirty;
    if (!*at)
        return;
    *at = f->next_dirty;
    if (!*at)
        fs->dirty_end = at;
    f->dirty_segment = 0;
}

int files_sync_one(struct files *fs, const struct log_key *key, struct err *e)
{
    struct lru *in;
    struct file *f = find(fs, key, &in);
    if (!f || !f->dirty_segment)
        return 0;
    if (files_sync_file(fs, f, e))
        return -1;
    make_clean(fs, f);
    return 0;
}

void files_drop_log(struct files *fs, const struct log_key *key)
{
    struct lru *in;
    struct file *f = find(fs, key, &in);
    if (f && f->log_fd >= 0) {
        close(f->log_fd);
        f->log_fd = -1;
    }
}

void files_forget(struct files *fs, const struct log_key *key)
{
    struct lru *in;
    struct file *f = find(fs, key, &in);
    if (!f)
        return;
    if (f->dirty_segment)
        make_clean(fs, f);
    lru_remove(in, &f->node);
    files_close(f);
    mem_free(&f);
}

int files_seal_put(struct files *fs, const struct log_key *key, const struct seal *s, struct err *e)
{
    char path[FILE_PATH_SIZE], made[FILE_PATH_SIZE];
    uint8_t bytes[SEAL_SIZE];
    seal_encode(s, key, bytes);
    file_path(key, "seal", path);
    file_path(key, "seal-new", made);
    int fd = openat(fs->dir_fd, made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return disk_error(e, "cannot make", made);
    int rc = disk_write_at(fd, bytes, sizeof(bytes), 0, made, e);
    if (rc == 0 && fsync(fd) != 0)
        rc = disk_error(e, "cannot sync", made);
    close(fd);
    if (rc == 0 && renameat(fs->dir_fd, made, fs->dir_fd, path) != 0)
        rc = disk_error(e, "cannot rename", made);
    return rc ? -1 : file_sync_folder(fs->dir_fd, key, e);
}

int files_delete(struct files *fs, const struct log_key *key, const char *suffix, struct err *e)
{
    char path[FILE_PATH_SIZE];
    file_path(key, suffix, path);
    return unlinkat(fs->dir_fd, path, 0) == 0 || errno == ENOENT ? 0 : disk_error(e, "cannot delete", path);
}

/* The list of chunks goes first: without it the rest counts as not there. */
int files_delete_data(struct files *fs, const struct log_key *key, struct err *e)
{
    files_forget(fs, key);
    return files_delete(fs, key, "chunks", e) || files_delete(fs, key, "log", e) || files_delete(fs, key, "zst", e)
               ? -1
               : 0;
}

struct unpacker *files_unpacker(const struct files *fs)
{
    return fs->unpacker;
}
