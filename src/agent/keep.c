/* keep.c - finished workspaces stay until newer ones push them out, so that people can look at what was built.
 * A workspace's age is its folder's modification time, which the agent sets when the attempt ends. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/trash.h"
#include "lib/mem.h"

struct entry {
    struct timespec at;
    char *name;
};

static int by_age(const void *a, const void *b) /* newest first */
{
    const struct entry *x = a, *y = b;

    if (x->at.tv_sec != y->at.tv_sec)
        return x->at.tv_sec < y->at.tv_sec ? 1 : -1;
    return (x->at.tv_nsec < y->at.tv_nsec) - (x->at.tv_nsec > y->at.tv_nsec);
}

static struct entry *entries_read(DIR *d, bool (*is_used)(void *arg, const char *name), void *arg, size_t *n_r)
{
    struct entry *v = NULL;
    size_t n = 0, cap = 0;
    struct dirent *e;
    struct stat st;

    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' || is_used(arg, e->d_name) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 32;
            v = mem_resize(v, cap, sizeof(*v));
        }
        v[n++] = (struct entry){ .at = st.st_mtim, .name = mem_strdup(e->d_name) };
    }
    *n_r = n;
    return v;
}

void keep_newest(const char *dir, size_t keep, struct trash *trash, bool (*is_used)(void *arg, const char *name),
                 void *arg)
{
    DIR *d = opendir(dir);
    struct entry *v;
    size_t n;

    if (!d)
        return;
    v = entries_read(d, is_used, arg, &n);
    closedir(d);
    if (n > keep)
        qsort(v, n, sizeof(*v), by_age);
    for (size_t i = 0; i < n; i++) {
        if (i >= keep) {
            char *path = mem_printf("%s/%s", dir, v[i].name);

            trash_put(trash, path);
            mem_free(&path);
        }
        mem_free(&v[i].name);
    }
    mem_free(&v);
}
