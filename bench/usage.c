/* usage.c - see usage.h. Children that have ended are counted where their parent counts them. */
#include "bench/usage.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

struct process {
    int pid, parent;
    double seconds;
};

static bool process_read(int pid, struct process *p_r)
{
    char path[32], line[1024], *end;
    unsigned long user, system;
    long gone_user, gone_system;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;   /* a program's name may have anything in it */
    fclose(f);
    if (!end || sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &p_r->parent, &user,
                       &system, &gone_user, &gone_system) != 5)
        return false;
    p_r->pid = pid;
    p_r->seconds = ((double)(user + system) + (double)(gone_user + gone_system)) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static size_t processes_read(struct process **all_r)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    size_t n = 0, max = 0;

    *all_r = NULL;
    while (proc && (entry = readdir(proc))) {
        if (n == max)
            *all_r = mem_resize(*all_r, max = max ? 2 * max : 256, sizeof(**all_r));
        int pid = atoi(entry->d_name);
        if (pid > 0 && process_read(pid, &(*all_r)[n]))
            n++;
    }
    if (proc)
        closedir(proc);
    return n;
}

static struct usage_group *group_of(struct usage *u, int pid)
{
    for (size_t g = 0; g < u->n; g++)
        for (size_t i = 0; i < u->v[g].n; i++)
            if (u->v[g].pids[i] == pid)
                return &u->v[g];
    return NULL;
}

static int parent_of(const struct process *all, size_t n, int pid)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].pid == pid)
            return all[i].parent;
    return 0;
}

void usage_read(struct usage *u)
{
    struct process *all;
    size_t n = processes_read(&all);

    for (size_t g = 0; g < u->n; g++)
        u->v[g].seconds = 0;
    for (size_t i = 0; i < n; i++) {
        struct usage_group *group = NULL;
        for (int pid = all[i].pid; pid > 1 && !(group = group_of(u, pid));)
            pid = parent_of(all, n, pid);
        if (group)
            group->seconds += all[i].seconds;
    }
    mem_free(&all);
}

int usage_add(struct usage *u, char *word)
{
    char *pids = strchr(word, '='), *rest = NULL;
    struct usage_group *group = &u->v[u->n];

    if (!pids || u->n == USAGE_GROUPS_MAX)
        return -1;
    *pids++ = '\0';
    group->name = word;
    for (char *pid = strtok_r(pids, ",", &rest); pid && group->n < USAGE_PIDS_MAX; pid = strtok_r(NULL, ",", &rest))
        group->pids[group->n++] = atoi(pid);
    u->n++;
    return 0;
}
