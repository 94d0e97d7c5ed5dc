/* kin.c - the processes of the attempt. The runner is a child subreaper: whoever detaches (setsid, double fork)
 * becomes its child when the parent ends, so walking down from the runner finds all of them. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/runner/runner.h"
#include "lib/mem.h"

struct pids {
    pid_t *v;
    size_t n, cap;
};

static void pids_add(struct pids *p, pid_t pid)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->v = mem_resize(p->v, p->cap, sizeof(*p->v));
    }
    p->v[p->n++] = pid;
}

static void children_of_thread(struct pids *p, pid_t pid, const char *thread)
{
    char path[64];
    FILE *f;
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, thread);
    f = fopen(path, "re");
    if (!f)
        return;
    while (fscanf(f, "%d", &child) == 1)
        pids_add(p, child);
    fclose(f);
}

static void children_of(struct pids *p, pid_t pid)
{
    struct dirent *entry;
    char path[48];
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    d = opendir(path);
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.')
            children_of_thread(p, pid, entry->d_name);
    }
    if (d)
        closedir(d);
}

unsigned kin_signal(int signo)
{
    struct pids all = { 0 };
    unsigned n;

    children_of(&all, getpid());
    for (size_t i = 0; i < all.n; i++)
        children_of(&all, all.v[i]);
    n = (unsigned)all.n;
    for (size_t i = 0; i < all.n; i++)
        kill(all.v[i], signo);
    mem_free(&all.v);
    return n;
}

enum kin_left kin_reap(void (*fn)(void *arg, pid_t pid, int wstatus), void *arg)
{
    int wstatus;
    pid_t pid;

    while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0)
        fn(arg, pid, wstatus);
    return pid < 0 && errno == ECHILD ? KIN_NONE : KIN_SOME;
}
