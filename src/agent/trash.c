/* trash.c - removes folders with one `rm -rf` at a time. Moving is atomic, so the old name is free at once and a
 * folder is never half there; what is left in the trash when the agent dies goes at its next start. */
#include "agent/trash.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { REMOVE_MS = 3600 * 1000 };

struct trash {
    struct helpers *helpers;
    char *dir;
    struct helper *running;
    char *path;              /* that is being removed */
    char *stuck;             /* could not be removed: not tried again before the next start */
};

static void trash_next(struct trash *t);

static void on_removed(void *arg, const struct helper_end *end)
{
    struct trash *t = arg;

    t->running = NULL;
    if (end->ok) {
        mem_free(&t->path);
    } else {
        log_warn("cannot remove a folder", log_str("path", t->path), log_str("error", end->err));
        mem_free(&t->stuck);
        t->stuck = t->path;
        t->path = NULL;
        return;
    }
    trash_next(t);
}

static char *trash_first(const struct trash *t)
{
    DIR *d = opendir(t->dir);
    char *path = NULL;
    struct dirent *entry;

    while (d && !path && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        path = mem_printf("%s/%s", t->dir, entry->d_name);
        if (t->stuck && strcmp(path, t->stuck) == 0)
            mem_free(&path);
    }
    if (d)
        closedir(d);
    return path;
}

static void trash_next(struct trash *t)
{
    const char *argv[] = { "rm", "-rf", "--", NULL, NULL };
    const struct helper_spec spec = { .argv = argv, .timeout_ms = REMOVE_MS };

    if (t->running)
        return;
    t->path = trash_first(t);
    argv[3] = t->path;
    if (t->path)
        t->running = helper_start(t->helpers, &spec, on_removed, t);
}

struct trash *trash_new(struct helpers *hs, const char *dir)
{
    struct trash *t = mem_zalloc(sizeof(*t));

    *t = (struct trash){ .helpers = hs, .dir = mem_strdup(dir) };
    mkdir(dir, 0700);
    trash_next(t);
    return t;
}

void trash_put(struct trash *t, const char *path)
{
    struct hash random;
    char name[HASH_TEXT_SIZE];
    char *to;

    hash_random(random.b, sizeof(random.b));
    hash_format(&random, name);
    to = mem_printf("%s/%.16s", t->dir, name);
    if (rename(path, to) == 0)
        trash_next(t);
    else if (errno != ENOENT)
        log_warn("cannot move a folder away", log_str("path", path), log_str("error", strerror(errno)));
    mem_free(&to);
}

void trash_free(struct trash **t)
{
    if (*t) {
        helper_cancel(&(*t)->running);
        mem_free(&(*t)->dir);
        mem_free(&(*t)->path);
        mem_free(&(*t)->stuck);
    }
    mem_free(t);
}
