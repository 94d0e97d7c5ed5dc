/* lab_left.c - finds all processes of a part, so that a new one is started only when nothing of the old is left. An
 * agent's runners, and the builds below them, are left to the next process of an agent that comes back.
 *
 * Given: /proc. Changes nothing but by lab_proc_kill. A pid is never trusted without its start time. */
#include "cli/lab_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab_stat.h"

enum { STAT_SIZE = 1024, ENVIRON_MAX = 256 * 1024 };

static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t n;
    while (len + 1 < size && (n = read(fd, out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    out[len] = '\0';
    return (ssize_t)len;
}

static int read_stat(pid_t pid, struct lab_stat *s_r)
{
    char text[STAT_SIZE];

    return read_proc(pid, "stat", text, sizeof(text)) > 0 ? lab_stat_parse(text, s_r) : -1;
}

static bool is_gone(const struct lab_stat *s)
{
    return s->state == 'Z' || s->state == 'X' || s->state == 'x';
}

uint64_t lab_proc_start(pid_t pid)
{
    struct lab_stat s;

    return pid > 0 && read_stat(pid, &s) == 0 && !is_gone(&s) ? s.start : 0;
}

bool lab_proc_is_alive(const struct lab_proc *p)
{
    return p->pid > 0 && p->start != 0 && lab_proc_start(p->pid) == p->start;
}

/* The pidfd holds on to the process that is looked at: what it names cannot change between look and signal. */
void lab_proc_kill(const struct lab_proc *p, int signo)
{
    int fd = p->pid > 1 ? pidfd_open(p->pid, 0) : -1;

    if (fd < 0)
        return;
    if (lab_proc_is_alive(p))
        pidfd_send_signal(fd, signo, NULL, 0);
    close(fd);
}

/* --- one look at all processes --------------------------------------------------------------------------- */

struct seen {
    pid_t pid;
    struct lab_stat stat;
    bool belongs;
    bool is_spared;
};

struct look {
    struct seen *v;
    size_t n;
};

static void look_at_all(struct look *k, uid_t uid)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;
    struct stat st;

    while (d && (entry = readdir(d))) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        struct lab_stat s;
        if (pid <= 1 || pid == getpid() || fstatat(dirfd(d), entry->d_name, &st, 0) < 0 || st.st_uid != uid)
            continue;
        if (read_stat(pid, &s) < 0 || is_gone(&s))
            continue;
        k->v = mem_resize(k->v, k->n + 1, sizeof(*k->v));
        k->v[k->n++] = (struct seen){ pid, s, false, false };
    }
    if (d)
        closedir(d);
}

static bool has_marker(pid_t pid, const char *marker)
{
    char *text = mem_alloc(ENVIRON_MAX);
    ssize_t len = read_proc(pid, "environ", text, ENVIRON_MAX);
    bool found = false;

    for (ssize_t at = 0; at < len && !found; at += (ssize_t)strlen(text + at) + 1)
        found = strcmp(text + at, marker) == 0;
    mem_free(&text);
    return found;
}

/* PostgreSQL's helpers make sessions of their own and write over their environment: but they all stand in the data
 * folder. */
static bool is_postgres_in(pid_t pid, const char *data)
{
    char path[64], name[64], target[4096];

    if (read_proc(pid, "comm", name, sizeof(name)) <= 0 || strncmp(name, "postgres", 8) != 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    return strcmp(target, data) == 0;
}

struct mark {
    struct lab_proc proc;    /* the part's own process */
    bool is_session_ours;    /* nobody else got that number for a session */
    const char *environment; /* NULL: look at `folder` instead */
    const char *folder;
};

static struct mark mark_of(const struct lab *lab, const struct lab_part *part, struct arena *a)
{
    struct mark m = { .proc = part->proc };
    uint64_t now = lab_proc_start(part->proc.pid);

    m.is_session_ours = part->proc.pid > 0 && (now == 0 || now == part->proc.start);
    if (strcmp(part->kind->name, "postgres") == 0)
        m.folder = arena_printf(a, "%s/pg", lab->dir);
    else
        m.environment = lab_part_marker(lab, part, a);
    return m;
}

static bool is_of_part(const struct seen *s, const struct mark *m)
{
    if (m->proc.pid > 0 && s->pid == m->proc.pid)
        return s->stat.start == m->proc.start;
    if (m->is_session_ours && s->stat.session == m->proc.pid && s->stat.start >= m->proc.start)
        return true;
    return m->environment ? has_marker(s->pid, m->environment) : is_postgres_in(s->pid, m->folder);
}

static bool is_runner(pid_t pid)
{
    char name[64];

    return read_proc(pid, "comm", name, sizeof(name)) > 0 && strcmp(name, "orion-runner\n") == 0;
}

static bool parent_belongs(const struct look *k, pid_t parent)
{
    for (size_t i = 0; i < k->n; i++) {
        if (k->v[i].pid == parent)
            return k->v[i].belongs;
    }
    return false;
}

static void spread_to_children(struct look *k)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = 0; i < k->n; i++) {
            if (!k->v[i].belongs && !k->v[i].is_spared && parent_belongs(k, k->v[i].stat.parent))
                changed = k->v[i].belongs = true;
        }
    }
}

static void add(struct lab_left *l, pid_t pid, uint64_t start)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].pid == pid && l->v[i].start == start)
            return;
    }
    l->v = mem_resize(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = (struct lab_proc){ pid, start };
}

void lab_left_look(struct lab_left *l, const struct lab *lab, const struct lab_part *part)
{
    struct arena a = { 0 };
    struct look k = { 0 };
    struct mark m = mark_of(lab, part, &a);

    look_at_all(&k, lab->user.uid);
    for (size_t i = 0; i < k.n; i++) {
        k.v[i].is_spared = part->is_coming_back && is_runner(k.v[i].pid);
        k.v[i].belongs = !k.v[i].is_spared && is_of_part(&k.v[i], &m);
    }
    spread_to_children(&k);
    for (size_t i = 0; i < k.n; i++) {
        if (k.v[i].belongs)
            add(l, k.v[i].pid, k.v[i].stat.start);
    }
    mem_free(&k.v);
    arena_fini(&a);
}

size_t lab_left_living(struct lab_left *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (lab_proc_is_alive(&l->v[i]))
            l->v[kept++] = l->v[i];
    }
    l->n = kept;
    return kept;
}

void lab_left_kill(const struct lab_left *l, int signo)
{
    for (size_t i = 0; i < l->n; i++)
        lab_proc_kill(&l->v[i], signo);
}

void lab_left_fini(struct lab_left *l)
{
    mem_free(&l->v);
    l->n = 0;
}
