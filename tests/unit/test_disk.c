/* test_disk.c - what a sink's folder must be: on a disk of this host, and nobody else's. The kernel's answer about the
 * file system is made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/disk.h"

static long said_type;   /* what fstatfs says; 0: it fails */

int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs)
{
    (void)fd;
    memset(fs, 0, sizeof(*fs));
    fs->f_type = said_type;
    fs->f_bavail = 10;
    fs->f_bsize = 4096;
    if (said_type)
        return 0;
    errno = EIO;
    return -1;
}

static void test_network_file_systems(void **state)
{
    static const struct {
        long type;
        const char *name;   /* NULL: a disk */
    } rows[] = {
        { NFS_SUPER_MAGIC, "NFS" }, { SMB_SUPER_MAGIC, "SMB" }, { 0xfe534d42, "SMB" }, { 0xff534d42, "CIFS" },
        { AFS_SUPER_MAGIC, "AFS" }, { CEPH_SUPER_MAGIC, "Ceph" }, { 0x0bd00bd0, "Lustre" }, { V9FS_MAGIC, "9p" },
        { 0x47504653, "GPFS" }, { 0x19830326, "BeeGFS" }, { FUSE_SUPER_MAGIC, "" },
        { EXT4_SUPER_MAGIC, NULL }, { XFS_SUPER_MAGIC, NULL }, { BTRFS_SUPER_MAGIC, NULL }, { TMPFS_MAGIC, NULL },
        { OVERLAYFS_SUPER_MAGIC, NULL }, { 0x2fc12fc1, NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };
        said_type = rows[i].type;
        assert_int_equal(disk_check_local(0, "/some/folder", &e), rows[i].name ? -1 : 0);
        if (rows[i].name) {
            assert_non_null(strstr(e.text, rows[i].name));
            assert_non_null(strstr(e.text, "/some/folder"));
            assert_string_equal(e.field, "ORION_SINK_DIR");
        }
    }
    said_type = 0;
    assert_int_equal(disk_check_local(0, "x", NULL), -1);
}

/* Lines as the kernel writes them: optional fields in the middle, blanks as \\040. */
static void test_mounts(void **state)
{
    static const char table[] =
        "22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        "90 28 0:55 / /far\\040away rw,nosuid - fuse.sshfs user@host:/x rw,user_id=0\n"
        "91 28 0:56 / /x rw shared:1 master:2 propagate_from:3 - fuseblk /dev/sdb1 rw";
    char type[DISK_TYPE_SIZE];
    (void)state;
    assert_true(disk_mount_type(table, 0, 55, type));
    assert_string_equal(type, "fuse.sshfs");
    assert_true(disk_mount_type(table, 0, 56, type));
    assert_string_equal(type, "fuseblk");
    assert_true(disk_mount_type(table, 98, 0, type));
    assert_string_equal(type, "ext3");
    assert_false(disk_mount_type(table, 1, 55, type));
    assert_false(disk_mount_type("", 0, 0, type));
    assert_false(disk_mount_type("1 2 0:55 / / rw\n3 4 9:9 - ext4 x\n", 0, 55, type));
}

static void test_lock_and_room(void **state)
{
    char path[] = "/tmp/orion-disk-test-XXXXXX";
    int first, second;
    struct err e = { 0 };
    (void)state;
    assert_non_null(mkdtemp(path));
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(disk_lock(fd, path, &first, &e), 0);
    assert_int_equal(disk_lock(fd, path, &second, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_true(disk_has_room(fd, 4096));
    assert_false(disk_has_room(fd, SIZE_MAX / 4));
    said_type = EXT4_SUPER_MAGIC;
    assert_int_equal(disk_free(fd), 40960);
    close(first);
    assert_int_equal(unlinkat(fd, "lock", 0), 0);
    close(fd);
    assert_int_equal(rmdir(path), 0);
}

static void test_kinds(void **state)
{
    static const struct {
        int number;
        enum err_kind kind;
    } rows[] = { { ENOSPC, ERR_UNAVAILABLE }, { EDQUOT, ERR_UNAVAILABLE }, { EIO, ERR_INVALID },
                 { EMFILE, ERR_SYSTEM } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };
        errno = rows[i].number;
        assert_int_equal(disk_error(&e, "cannot read", "1.log"), -1);
        assert_int_equal(e.kind, rows[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_file_systems),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_lock_and_room),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
