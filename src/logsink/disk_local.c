/* disk_local.c - is a folder on a disk of this host? Asked of the kernel once, at the start.
 *
 * A FUSE file system does not say by its number what is behind it: its name in the table of mounts does. */
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "lib/mem.h"
#include "logsink/disk.h"

/* Not in linux/magic.h of every kernel. */
#define LUSTRE_MAGIC 0x0bd00bd0
#define GPFS_MAGIC 0x47504653
#define BEEGFS_MAGIC 0x19830326
#define ORANGEFS_MAGIC 0x20030528

static const struct {
    uint32_t magic;
    const char *name;
} network[] = {
    { NFS_SUPER_MAGIC, "NFS" }, { SMB_SUPER_MAGIC, "SMB" }, { SMB2_SUPER_MAGIC, "SMB" }, { CIFS_SUPER_MAGIC, "CIFS" },
    { AFS_SUPER_MAGIC, "AFS" }, { AFS_FS_MAGIC, "AFS" }, { CEPH_SUPER_MAGIC, "Ceph" }, { CODA_SUPER_MAGIC, "Coda" },
    { V9FS_MAGIC, "9p" }, { LUSTRE_MAGIC, "Lustre" }, { GPFS_MAGIC, "GPFS" }, { BEEGFS_MAGIC, "BeeGFS" },
    { ORANGEFS_MAGIC, "OrangeFS" },
};

/* Of those that programs serve, the ones that are known to keep their files on a disk here. */
static const char *const local_fuse[] = { "fuseblk", "fuse.fuse-overlayfs" };

bool disk_mount_type(const char *mountinfo, unsigned major, unsigned minor, char type_r[DISK_TYPE_SIZE])
{
    for (const char *line = mountinfo; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        unsigned m, n;
        const char *end = strchrnul(line, '\n'), *dash = strstr(line, " - ");
        if (sscanf(line, "%*u %*u %u:%u", &m, &n) != 2 || m != major || n != minor || !dash || dash > end)
            continue;
        size_t len = strcspn(dash + 3, " \n");
        snprintf(type_r, DISK_TYPE_SIZE, "%.*s", (int)(len < DISK_TYPE_SIZE ? len : DISK_TYPE_SIZE - 1), dash + 3);
        return true;
    }
    return false;
}

static bool is_local_fuse(const struct stat *st, char type_r[DISK_TYPE_SIZE])
{
    char *text = NULL;
    size_t size = 0;
    bool is_found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (f && getdelim(&text, &size, '\0', f) > 0)
        is_found = disk_mount_type(text, major(st->st_dev), minor(st->st_dev), type_r);
    if (f)
        fclose(f);
    free(text);
    if (!is_found)
        snprintf(type_r, DISK_TYPE_SIZE, "FUSE");
    for (size_t i = 0; i < ARRAY_LEN(local_fuse); i++)
        if (strcmp(type_r, local_fuse[i]) == 0)
            return true;
    return false;
}

static int refuse(const char *path, const char *name, struct err *e)
{
    return err_field(e, "ORION_SINK_DIR", "%s is on a network file system (%s); logs need a disk of this host",
                     path, name);
}

int disk_check_local(int dir_fd, const char *path, struct err *e)
{
    struct statfs fs;
    struct stat st;
    char type[DISK_TYPE_SIZE];
    if (fstatfs(dir_fd, &fs) != 0 || fstat(dir_fd, &st) != 0)
        return err_sys(e, "cannot examine %s", path);
    for (size_t i = 0; i < ARRAY_LEN(network); i++)
        if ((uint32_t)fs.f_type == network[i].magic)
            return refuse(path, network[i].name, e);
    if ((uint32_t)fs.f_type == FUSE_SUPER_MAGIC && !is_local_fuse(&st, type))
        return refuse(path, type, e);
    return 0;
}
