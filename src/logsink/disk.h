/* disk.h - the few file calls that the journal and the store share. */
#ifndef ORION_LOGSINK_DISK_H
#define ORION_LOGSINK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/err.h"

/* err_sys with ERR_UNAVAILABLE instead of ERR_SYSTEM when the disk or quota is full: that passes; with ERR_INVALID when
 * what stands on the disk cannot be read any more: that stays. */
int disk_error(struct err *e, const char *what, const char *name);

/* All of it, or -1 (a part may have been written). */
int disk_write_at(int fd, const void *data, size_t len, uint64_t offset, const char *name, struct err *e);
/* The same for several buffers; uses up iov. */
int disk_writev_at(int fd, struct iovec *iov, int n, uint64_t offset, const char *name, struct err *e);
/* Bytes read: fewer than len only at the end of the file. -1: the disk said no. */
int64_t disk_read_at(int fd, void *data, size_t len, uint64_t offset, const char *name, struct err *e);

bool disk_has_room(int dir_fd, size_t bytes);     /* for a file of that size, quotas included */
uint64_t disk_free(int dir_fd);                   /* bytes; 0: not known */

int disk_sync_dir(int dir_fd, const char *path, struct err *e);   /* path relative to dir_fd */

/* disk_local.c. Is the folder on a disk of this host? Network file systems lose acknowledged writes or locks. */
int disk_check_local(int dir_fd, const char *path, struct err *e);
#define DISK_TYPE_SIZE 64
/* The type of the mounted file system with that device number, out of the text of /proc/self/mountinfo; false: none. */
bool disk_mount_type(const char *mountinfo, unsigned major, unsigned minor, char type_r[DISK_TYPE_SIZE]);

/* Takes DIR/lock for the life of the process; -1 when another process has it. */
int disk_lock(int dir_fd, const char *path, int *fd_r, struct err *e);

#endif
