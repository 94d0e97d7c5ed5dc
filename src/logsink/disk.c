/* disk.c - whole reads and writes, folder syncs, and what a sink's folder must be. */
#include "logsink/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/mem.h"

/* Not in linux/magic.h of every kernel. */
#define LUSTRE_MAGIC 0x0BD00BD0

int disk_error(struct err *e, const char *what, const char *name)
{
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    err_sys(e, "%s %s", what, name);
    if (e && is_full)
        e->kind = ERR_UNAVAILABLE;
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

int disk_sync_dir(int dir_fd, const char *path, struct err *e)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return disk_error(e, "cannot open", path);
    int rc = fsync(fd) == 0 ? 0 : disk_error(e, "cannot sync", path);
    close(fd);
    return rc;
}

int disk_check_local(int dir_fd, const char *path, struct err *e)
{
    static const struct {
        uint32_t magic;
        const char *name;
    } network[] = {
        { NFS_SUPER_MAGIC, "NFS" }, { SMB_SUPER_MAGIC, "SMB" }, { SMB2_SUPER_MAGIC, "SMB" },
        { CIFS_SUPER_MAGIC, "CIFS" }, { AFS_SUPER_MAGIC, "AFS" }, { CEPH_SUPER_MAGIC, "Ceph" },
        { LUSTRE_MAGIC, "Lustre" },
    };
    struct statfs fs;
    if (fstatfs(dir_fd, &fs) != 0)
        return err_sys(e, "cannot examine %s", path);
    for (size_t i = 0; i < ARRAY_LEN(network); i++) {
        if ((uint32_t)fs.f_type == network[i].magic)
            return err_field(e, "ORION_SINK_DIR", "%s is on a network file system (%s); logs need a disk of this host",
                             path, network[i].name);
    }
    return 0;
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
