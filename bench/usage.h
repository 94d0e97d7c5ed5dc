/* usage.h - processor time of groups of processes, from /proc. A group is a list of processes and all their
 * descendants. */
#ifndef ORION_BENCH_USAGE_H
#define ORION_BENCH_USAGE_H

#include <stddef.h>

enum { USAGE_GROUPS_MAX = 16, USAGE_PIDS_MAX = 64 };

struct usage_group {
    const char *name;
    int pids[USAGE_PIDS_MAX];
    size_t n;
    double seconds;            /* up to the last reading, since the processes began */
};
struct usage {
    struct usage_group v[USAGE_GROUPS_MAX];
    size_t n;
};

/* `word` is NAME=PID[,PID]...; the name is kept as it is in `word`, which is cut there. 0 or -1: it is not that. */
int usage_add(struct usage *u, char *word);
void usage_read(struct usage *u);

#endif
