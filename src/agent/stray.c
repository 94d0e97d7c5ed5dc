/* stray.c - what is left of those who died before it, found by its environment among all processes of this machine, and
 * killed: of an attempt whose runner died (one that lives does this better; see runner/kin.c), and of a dead agent what
 * it ran for itself. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/helper.h"
#include "lib/mem.h"

enum { ROUNDS = 20, GONE_ROUNDS = 200, ENVIRON_MAX = 256 * 1024 };

/* The environment of a process, its texts separated by NUL; empty when it is not ours to read. */
static struct buf environ_read(const char *pid)
{
    char path[64];
    struct buf b = { 0 };
    ssize_t n = 1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && n > 0 && b.len < ENVIRON_MAX) {
        n = read(fd, buf_reserve(&b, 16384), 16384);
        if (n > 0)
            buf_commit(&b, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    return b;
}

static bool has_variable(const struct buf *b, const char *variable)
{
    for (size_t at = 0; at < b->len; at += strlen(b->data + at) + 1) {
        if (strcmp(b->data + at, variable) == 0)
            return true;
    }
    return false;
}

/* One look at all processes; how many have both variables and were killed. */
static unsigned round_kill(const char *one, const char *other)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;
    unsigned n = 0;

    while (d && (entry = readdir(d))) {
        struct buf b = { 0 };

        if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid())
            continue;
        b = environ_read(entry->d_name);
        if (b.len && has_variable(&b, one) && has_variable(&b, other))
            n += kill((pid_t)atoi(entry->d_name), SIGKILL) == 0;
        buf_fini(&b);
    }
    if (d)
        closedir(d);
    return n;
}

unsigned stray_kill(const struct uuid *task_id, int64_t number)
{
    char id[UUID_TEXT_SIZE], task[64], attempt[48];
    unsigned n = 0, found = 1;

    uuid_format(task_id, id);
    snprintf(task, sizeof(task), "ORION_TASK_ID=%s", id);
    snprintf(attempt, sizeof(attempt), "ORION_ATTEMPT=%lld", (long long)number);
    for (int i = 0; i < ROUNDS && found; i++) { /* again: who was killed may have had a child just before */
        found = round_kill(task, attempt);
        n += found;
    }
    return n;
}

/* Killed is not gone: it may still be writing what it was told to before. */
unsigned stray_kill_helpers(const char *dir)
{
    const struct timespec wait = { .tv_nsec = 5 * 1000 * 1000 };
    char *mark = mem_printf(HELPER_MARK "=%s", dir);
    unsigned n = 0, found = 1;

    for (int i = 0; i < GONE_ROUNDS && found; i++) {
        found = round_kill(mark, mark);
        n += i ? 0 : found;
        if (found)
            nanosleep(&wait, NULL);
    }
    mem_free(&mark);
    return n;
}
