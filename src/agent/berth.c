/* berth.c - see berth.h. A path to a socket has room for 107 bytes, so sockets are named from their folder. */
#include "agent/berth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 8 };

static int folder_open(const char *dir)
{
    return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static struct sockaddr_un socket_name(int folder)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", folder);
    return at;
}

/* --- made ------------------------------------------------------------------------------------------ */

static int lock_take(int folder, struct err *e)
{
    const int fd = openat(folder, "lock", O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        err_set(e, ERR_CONFLICT, "a runner of this attempt lives");
    else
        err_sys(e, "cannot lock the attempt's folder");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The mode is the socket's own before it has a name: there is no moment in which others could connect. */
static int socket_listen(int folder, struct err *e)
{
    const struct sockaddr_un at = socket_name(folder);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlinkat(folder, "socket", 0);
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    err_sys(e, "cannot make the runner's socket");
    if (fd >= 0)
        close(fd);
    return -1;
}

int berth_open(struct berth *b, const char *dir, struct err *e)
{
    const int folder = folder_open(dir);

    *b = (struct berth){ -1, -1 };
    if (folder < 0)
        return err_sys(e, "cannot open %s", dir);
    b->lock = lock_take(folder, e);
    if (b->lock >= 0)
        b->listener = socket_listen(folder, e);
    close(folder);
    if (b->listener >= 0)
        return 0;
    berth_close(b);
    return -1;
}

void berth_close(struct berth *b)
{
    if (b->listener >= 0)
        close(b->listener);
    if (b->lock >= 0)
        close(b->lock);
    *b = (struct berth){ -1, -1 };
}

/* --- met ------------------------------------------------------------------------------------------- */

int berth_connect(const char *dir)
{
    const int folder = folder_open(dir);
    const struct sockaddr_un at = socket_name(folder);
    int fd = folder < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        fd = -1;
    }
    if (folder >= 0)
        close(folder);
    return fd;
}

bool berth_is_taken(const char *dir)
{
    const int folder = folder_open(dir);
    const int fd = folder < 0 ? -1 : openat(folder, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    const bool is_taken = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return is_taken;
}

/* The first thing that a runner does is its spool, and the last file of that stays. */
bool berth_was_used(const char *dir)
{
    DIR *d = opendir(dir);
    bool was_used = berth_is_taken(dir);
    struct dirent *entry;

    while (d && !was_used && (entry = readdir(d)))
        was_used = strstr(entry->d_name, ".spool") || strcmp(entry->d_name, "result") == 0;
    if (d)
        closedir(d);
    return was_used;
}

int berth_result(const char *dir, struct arena *a, struct msg_runner_ended *ended_r)
{
    char *path = mem_printf("%s/result", dir);
    FILE *f = fopen(path, "re");
    struct buf text = { 0 };
    size_t n;
    int rc;

    mem_free(&path);
    while (f && text.len <= MSG_JSON_MAX && (n = fread(buf_reserve(&text, 8192), 1, 8192, f)) > 0)
        buf_commit(&text, n);
    rc = f ? msg_from_json(MSG_RUNNER_ENDED, text.data ? text.data : "", text.len, a, ended_r, NULL) : -1;
    if (f)
        fclose(f);
    buf_fini(&text);
    return rc;
}
