/* disk.c - whole reads and writes, folder syncs, room, and the lock of a sink's folder. */
#include "logsink/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/mem.h"

int disk_error(struct err *e, const char *what, const char *name)
{
    const int number = errno;
    err_sys(e, "%s %s", what, name);
    if (e && (number == ENOSPC || number == EDQUOT))
        e->kind = ERR_UNAVAILABLE;
    else if (e && (number == EIO || number == EUCLEAN || number == EBADMSG))
        e->kind = ERR_INVALID;
    return -1;
}

int disk_write_at(int fd, const void *data, size_t len, uint64_t offset, const char *name, struct err *e)
{
    struct iovec iov = { (void *)data, len };
    return disk_writev_at(fd, &iov, 1, offset, name, e);
}

/* Drops the first `len` bytes of a list of buffers. */
static void skip(struct iovec **iov, int *n, size_t len)
{
    while (*n > 0 && len >= (*iov)->iov_len) {
        len -= (*iov)->iov_len;
        ++*iov;
        --*n;
    }
    if (*n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + len;
        (*iov)->iov_len -= len;
    }
}

int disk_writev_at(int fd, struct iovec *iov, int n, uint64_t offset, const char *name, struct err *e)
{
    skip(&iov, &n, 0);
    while (n > 0) {
        ssize_t done = pwritev(fd, iov, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            if (done == 0)
                errno = ENOSPC;
            return disk_error(e, "cannot write", name);
        }
        offset += (uint64_t)done;
        skip(&iov, &n, (size_t)done);
    }
    return 0;
}

int64_t disk_read_at(int fd, void *data, size_t len, uint64_t offset, const char *name, struct err *e)
{
    size_t have = 0;
    while (have < len) {
        ssize_t got = pread(fd, (char *)data + have, len - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return disk_error(e, "cannot read", name);
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (int64_t)have;
}

bool disk_has_room(int dir_fd, size_t bytes)
{
    int fd = openat(dir_fd, "room", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool has = posix_fallocate(fd, 0, (off_t)bytes) == 0;
    close(fd);
    unlinkat(dir_fd, "room", 0);
    return has;
}

uint64_t disk_free(int dir_fd)
{
    struct statfs fs;
    return fstatfs(dir_fd, &fs) == 0 ? (uint64_t)fs.f_bavail * (uint64_t)(fs.f_frsize ? fs.f_frsize : fs.f_bsize) : 0;
}

int disk_sync_dir(int dir_fd, const char *path, struct err *e)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return disk_error(e, "cannot open", path);
    int rc = fsync(fd) == 0 ? 0 : disk_error(e, "cannot sync", path);
    close(fd);
    return rc;
}

int disk_lock(int dir_fd, const char *path, int *fd_r, struct err *e)
{
    int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_sys(e, "cannot open %s/lock", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            err_set(e, ERR_CONFLICT, "%s is in use by another orion-logsink", path);
        else
            err_sys(e, "cannot lock %s/lock", path);
        close(fd);
        return -1;
    }
    *fd_r = fd;
    return 0;
}
