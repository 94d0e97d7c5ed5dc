/* port.c - who holds a TCP port that is in use: the listening socket's inode from /proc/net/tcp, and the process
 * that has it open from /proc/PID/fd, as far as the kernel lets us look. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"

/* "sl local:port remote:port st ..."; state 0A is LISTEN, the tenth column is the inode. 0: not found. */
static uint64_t listener_inode(const char *table, int64_t port)
{
    char line[512];
    uint64_t inode = 0;
    FILE *f = fopen(table, "re");

    if (!f)
        return 0;
    while (inode == 0 && fgets(line, sizeof(line), f)) {
        unsigned local_port, state;
        uint64_t found;
        if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %" SCNu64, &local_port, &state,
                   &found) == 3 &&
            local_port == (unsigned)port && state == 0x0A)
            inode = found;
    }
    fclose(f);
    return inode;
}

static bool holds_socket(const char *pid, uint64_t inode)
{
    char path[300], wanted[64], target[64];
    bool is_found = false;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    DIR *fds = opendir(path);
    if (!fds)
        return false;
    for (struct dirent *entry = readdir(fds); entry && !is_found; entry = readdir(fds)) {
        ssize_t n = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);
        if (n > 0) {
            target[n] = '\0';
            is_found = strcmp(target, wanted) == 0;
        }
    }
    closedir(fds);
    return is_found;
}

static void program_name(const char *pid, char *name, size_t size)
{
    char path[300];

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    snprintf(name, size, "unknown");
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (fgets(name, (int)size, f))
        name[strcspn(name, "\n")] = '\0';
    fclose(f);
}

bool port_holder(int64_t port, char *text, size_t size)
{
    uint64_t inode = listener_inode("/proc/net/tcp", port);
    bool is_found = false;

    if (inode == 0)
        inode = listener_inode("/proc/net/tcp6", port);
    DIR *procs = inode ? opendir("/proc") : NULL;
    if (!procs)
        return false;
    for (struct dirent *entry = readdir(procs); entry && !is_found; entry = readdir(procs)) {
        char name[64];
        if (!isdigit((unsigned char)entry->d_name[0]) || !holds_socket(entry->d_name, inode))
            continue;
        program_name(entry->d_name, name, sizeof(name));
        snprintf(text, size, "pid %.10s, %s", entry->d_name, name);
        is_found = true;
    }
    closedir(procs);
    return is_found;
}
