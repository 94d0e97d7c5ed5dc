/* lab_pid.c - pid/NAME.pid (the pid alone, for people and scripts), pid/NAME.start beside it (which process that
 * was: start time and boot), and the locks that say whether a supervisor lives and keep changes apart. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"
#include "lib/buf.h"

static char *boot_id(void)
{
    char *id = lab_file_read("/proc/sys/kernel/random/boot_id");

    if (id)
        id[strcspn(id, "\n")] = '\0';
    return id;
}

static void write_quietly(const char *path, const struct buf *text)
{
    struct err ignored = { 0 }; /* a missing pid file is seen by whoever needs it */

    lab_file_write(path, text, &ignored);
}

void lab_pid_write(const struct lab *lab, const char *name, const struct lab_proc *p)
{
    struct buf pid = { 0 }, start = { 0 };
    char *boot = boot_id();

    buf_printf(&pid, "%d\n", (int)p->pid);
    buf_printf(&start, "%d %llu %s\n", (int)p->pid, (unsigned long long)p->start, boot ? boot : "-");
    char *path = mem_printf("%s/pid/%s.start", lab->dir, name);
    write_quietly(path, &start);
    mem_free(&path);
    path = mem_printf("%s/pid/%s.pid", lab->dir, name);
    write_quietly(path, &pid);
    mem_free(&path);
    mem_free(&boot);
    buf_fini(&pid);
    buf_fini(&start);
}

struct lab_proc lab_pid_read(const char *dir, const char *name)
{
    char *path = mem_printf("%s/pid/%s.start", dir, name);
    char *text = lab_file_read(path), *boot = boot_id();
    struct lab_proc p = { 0 };
    unsigned long long start = 0;
    char then[64];
    int pid = 0;

    if (text && boot && sscanf(text, "%d %llu %63s", &pid, &start, then) == 3 && strcmp(then, boot) == 0)
        p = (struct lab_proc){ pid, start };
    mem_free(&path);
    mem_free(&text);
    mem_free(&boot);
    return p;
}

void lab_pid_remove(const struct lab *lab, const char *name)
{
    static const char *const suffixes[] = { "pid", "start" };

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *path = mem_printf("%s/pid/%s.%s", lab->dir, name, suffixes[i]);
        unlink(path);
        mem_free(&path);
    }
}

/* Locks of the open file description: they end with the process, and can be asked for without being taken. */
static struct flock lock_of(enum lab_lock which)
{
    return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1 };
}

int lab_lock_take(const struct lab *lab, enum lab_lock which, struct err *e)
{
    const char *path = lab_path(lab, "pid/lock");
    struct flock lock = lock_of(which);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        return err_sys(e, "cannot open %s", path);
    if (lab->user.is_other && fchown(fd, lab->user.uid, lab->user.gid) < 0)
        err_sys(e, "cannot give %s to %s", path, lab->user.name);
    else if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return fd;
    else if (errno == EAGAIN || errno == EACCES)
        err_set(e, ERR_CONFLICT, "another orion lab works on %s right now", lab->dir);
    else
        err_sys(e, "cannot lock %s", path);
    close(fd);
    return -1;
}

bool lab_lock_is_taken(const char *dir, enum lab_lock which)
{
    char *path = mem_printf("%s/pid/lock", dir);
    struct flock lock = lock_of(which);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool taken = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

    if (fd >= 0)
        close(fd);
    mem_free(&path);
    return taken;
}
