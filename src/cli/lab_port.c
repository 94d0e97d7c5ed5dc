/* lab_port.c - is the gateway's port free, and if not, who has it: asked before anything is started. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/lab.h"

enum { TCP_LISTENING = 0x0A };

/* The inode of the socket that listens on the port, from /proc/net/tcp or tcp6; 0: not seen. */
static unsigned long listener_inode(const char *table, int64_t port)
{
    FILE *f = fopen(table, "re");
    char line[512];
    unsigned long inode = 0;

    while (f && inode == 0 && fgets(line, sizeof(line), f)) {
        unsigned local, state;
        unsigned long found;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu", &local, &state,
                   &found) == 3 &&
            state == TCP_LISTENING && local == (unsigned)port)
            inode = found;
    }
    if (f)
        fclose(f);
    return inode;
}

static bool has_socket(int pid, unsigned long inode)
{
    char path[64], wanted[64], target[64];
    struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *d = opendir(path);
    while (d && !found && (entry = readdir(d))) {
        ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (d)
        closedir(d);
    return found;
}

static int holder_of(unsigned long inode)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;
    int holder = 0;

    while (d && holder == 0 && (entry = readdir(d))) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && has_socket(pid, inode))
            holder = pid;
    }
    if (d)
        closedir(d);
    return holder;
}

static int in_use(int64_t port, struct err *e)
{
    unsigned long inode = listener_inode("/proc/net/tcp", port);
    char path[64], who[128] = "";

    if (inode == 0)
        inode = listener_inode("/proc/net/tcp6", port);
    int pid = inode ? holder_of(inode) : 0;
    if (pid > 0) {
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        char *name = lab_file_read(path);
        if (name)
            name[strcspn(name, "\n")] = '\0';
        snprintf(who, sizeof(who), " (pid %d, %s)", pid, name ? name : "?");
        mem_free(&name);
    }
    return err_set(e, ERR_UNAVAILABLE, "port %lld is in use%s; choose another with --port or ORION_PORT",
                   (long long)port, who);
}

int lab_port_check(int64_t port, struct err *e)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, rc = 0;

    if (fd < 0)
        return err_sys(e, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* connections that linger do not count */
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        rc = errno == EADDRINUSE ? in_use(port, e) : err_sys(e, "cannot use port %lld", (long long)port);
    close(fd);
    return rc;
}
