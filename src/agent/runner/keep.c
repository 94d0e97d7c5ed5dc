/* keep.c - makes the end of an attempt durable: the files of its spool, then its result, then their names. Whoever is
 * told of the result may count on finding the log behind it, even after the host died. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/runner.h"
#include "lib/mem.h"

/* Everything that the next agent process goes on from; the record is the agent's, who wrote it without waiting. */
static bool is_spool_file(const char *name)
{
    const size_t len = strlen(name);

    return strcmp(name, "record") == 0 || (len > 6 && strcmp(name + len - 6, ".spool") == 0);
}

static int file_sync(int dir, const char *name, struct err *e)
{
    const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const int rc = fd < 0 || fdatasync(fd) < 0 ? err_sys(e, "cannot keep %s", name) : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

static int spool_sync(int dir, struct err *e)
{
    const int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    int rc = d ? 0 : err_sys(e, "cannot read the spool");

    while (!rc && (entry = readdir(d))) {
        if (is_spool_file(entry->d_name))
            rc = file_sync(dir, entry->d_name, e);
    }
    if (d)
        closedir(d);
    else if (copy >= 0)
        close(copy);
    return rc;
}

static int result_write(int dir, const struct msg_runner_ended *ended, struct err *e)
{
    const int fd = openat(dir, "result.new", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct buf json = { 0 };
    int rc;

    msg_to_json(MSG_RUNNER_ENDED, ended, false, &json);
    rc = fd < 0 || write(fd, json.data, json.len) != (ssize_t)json.len || fsync(fd) < 0 ||
         renameat(dir, "result.new", dir, "result") < 0 || fsync(dir) < 0;
    if (rc)
        err_sys(e, "cannot write the result");
    if (fd >= 0)
        close(fd);
    buf_fini(&json);
    return rc ? -1 : 0;
}

int keep_result(const char *spool, const struct msg_runner_ended *ended, struct err *e)
{
    const int dir = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = dir < 0 ? err_sys(e, "cannot open %s", spool) : 0;

    if (!rc)
        rc = spool_sync(dir, e);
    if (!rc)
        rc = result_write(dir, ended, e);
    if (dir >= 0)
        close(dir);
    return rc;
}
