/* file_seal.c - N.seal: written beside the old one and renamed, so that one of the two is always whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "logsink/disk.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/files_impl.h"

/* What is on the disk says more: a complete log never becomes less, a removed one never comes back. */
static bool is_newer(const struct seal *there, const struct seal *s)
{
    return there->state != SEAL_OPEN &&
           (there->removed != SEAL_KEPT || (there->state == SEAL_COMPLETE && s->state == SEAL_GAP));
}

/* The journal's own seal, from before a crash; marks that were set since (archived) stay. */
static bool is_same(const struct seal *there, const struct seal *s)
{
    return there->state == s->state && there->chunks == s->chunks && there->bytes == s->bytes &&
           there->sealed_at_ms == s->sealed_at_ms && memcmp(&there->head, &s->head, sizeof(s->head)) == 0;
}

static int write_seal(struct files *fs, const struct log_key *key, const uint8_t *bytes, struct err *e)
{
    char path[FILE_PATH_SIZE], made[FILE_PATH_SIZE];
    file_path(key, "seal", path);
    file_path(key, "seal-new", made);
    int fd = openat(fs->dir_fd, made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return disk_error(e, "cannot make", made);
    int rc = disk_write_at(fd, bytes, SEAL_SIZE, 0, made, e);
    close(fd);
    if (rc == 0 && renameat(fs->dir_fd, made, fs->dir_fd, path) != 0)
        rc = disk_error(e, "cannot rename", made);
    return rc;
}

int files_seal(struct files *fs, const struct log_key *key, const uint8_t *bytes, uint64_t segment, struct err *e)
{
    struct seal there, s;
    struct err why = { 0 };
    if (seal_decode(bytes, SEAL_SIZE, key, &s, e))
        return -1;
    if (files_seal_get(fs, key, &there, &why) && why.kind != ERR_INVALID)
        return err_set(e, why.kind, "%s", why.text);
    bool is_there = is_same(&there, &s);
    if (is_newer(&there, &s) || (is_there && !files_have(fs, key, "chunks")))
        return 0;
    struct file *f = files_get(fs, key, true, e);
    if (!f)
        return -1;
    files_mark_dirty(fs, f, segment);
    if (!is_there && write_seal(fs, key, bytes, e))
        return -1;
    f->is_seal_dirty = true;
    return 0;
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
