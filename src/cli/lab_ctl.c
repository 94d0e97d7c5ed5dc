/* lab_ctl.c - how `orion lab restart` asks the supervisor: one line each way on a unix socket in the private folder.
 *
 *   restart NAME\n  ->  ok\n  |  error REASON\n */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/lab.h"
#include "lib/buf.h"

enum { LINE_MAX_BYTES = 1024, ASK_S = 120, SAY_S = 2 };

static void fill_address(const struct lab *lab, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(at->sun_path, sizeof(at->sun_path), "%s/ctl", lab->conf.sockets);
}

int lab_ctl_listen(const struct lab *lab, struct err *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at;

    fill_address(lab, &at);
    unlink(at.sun_path); /* of a supervisor that was killed: the lock says that there is no other */
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0)
        return fd;
    err_sys(e, "cannot listen on %s", at.sun_path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static void set_patience(int fd, int seconds)
{
    struct timeval t = { .tv_sec = seconds };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* A line without its newline; false: none came. */
static bool read_line(int fd, char line[LINE_MAX_BYTES])
{
    size_t len = 0;
    ssize_t n;

    while (len + 1 < LINE_MAX_BYTES && (n = read(fd, line + len, 1)) == 1) {
        if (line[len] == '\n') {
            line[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

static int obey(struct lab *lab, const char *line, struct err *e)
{
    static const char restart[] = "restart ";

    if (strncmp(line, restart, sizeof(restart) - 1) != 0)
        return err_set(e, ERR_INVALID, "unknown command");
    struct lab_part *part = lab_part_find(lab, line + sizeof(restart) - 1);
    if (!part)
        return err_set(e, ERR_NOT_FOUND, "no part %s", line + sizeof(restart) - 1);
    return lab_restart(lab, part, e);
}

void lab_ctl_serve(struct lab *lab, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char line[LINE_MAX_BYTES];
    struct err e = { 0 };

    if (fd < 0)
        return;
    set_patience(fd, SAY_S);
    if (read_line(fd, line)) {
        int rc = obey(lab, line, &e);
        int len = snprintf(line, sizeof(line), "%s%s\n", rc < 0 ? "error " : "ok", rc < 0 ? e.text : "");
        (void)!write(fd, line, (size_t)len); /* whoever asked may be gone */
    }
    close(fd);
}

int lab_ctl_ask(const struct lab *lab, const char *command, struct err *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = -1;
    struct sockaddr_un at;
    char line[LINE_MAX_BYTES];

    fill_address(lab, &at);
    int len = snprintf(line, sizeof(line), "%s\n", command);
    if (fd >= 0)
        set_patience(fd, ASK_S);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || write(fd, line, (size_t)len) != len)
        err_sys(e, "cannot ask the lab's supervisor");
    else if (!read_line(fd, line))
        err_set(e, ERR_UNAVAILABLE, "the lab's supervisor ended before it answered");
    else if (strncmp(line, "ok", 2) != 0)
        err_set(e, ERR_SYSTEM, "%s", strncmp(line, "error ", 6) == 0 ? line + 6 : line);
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    return rc;
}
