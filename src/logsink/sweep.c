/* sweep.c - walks DIR/log/XX/TASK. Given the sink's folder; changes nothing. */
#include "logsink/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

#define PREFIXES 256

struct sweep {
    int dir_fd;
    unsigned prefix;            /* the next one, when `tasks` is NULL */
    DIR *tasks;                 /* of the prefix before */
    struct sweep_item *items;   /* of one task */
    size_t n;
};

static const struct {
    const char *suffix;
    enum sweep_file file;
} suffixes[] = {
    { "log", SWEEP_LOG }, { "zst", SWEEP_PACKED }, { "chunks", SWEEP_CHUNKS }, { "seal", SWEEP_SEAL },
    { "seal-new", SWEEP_LEFT }, { "zst-new", SWEEP_LEFT }, { "log-new", SWEEP_LEFT }, { "chunks-new", SWEEP_LEFT },
};

struct sweep *sweep_new(int dir_fd)
{
    struct sweep *s = mem_zalloc(sizeof(*s));
    s->dir_fd = dir_fd;
    return s;
}

void sweep_free(struct sweep **s)
{
    if (!*s)
        return;
    if ((*s)->tasks)
        closedir((*s)->tasks);
    mem_free(&(*s)->items);
    mem_free(s);
}

static DIR *open_dir(int at_fd, const char *name)
{
    int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* "N.SUFFIX"; 0: not one of ours. */
static unsigned parse_name(const char *name, uint32_t *attempt_r)
{
    char *end;
    unsigned long n = strtoul(name, &end, 10);
    if (name[0] < '1' || name[0] > '9' || *end != '.' || n > UINT32_MAX)
        return 0;
    *attempt_r = (uint32_t)n;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (strcmp(end + 1, suffixes[i].suffix) == 0)
            return suffixes[i].file;
    return 0;
}

static struct sweep_item *item_of(struct sweep *s, const struct uuid *task, uint32_t attempt)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].key.attempt == attempt)
            return &s->items[i];
    s->items = mem_resize(s->items, s->n + 1, sizeof(*s->items));
    s->items[s->n] = (struct sweep_item){ .key = { *task, attempt } };
    return &s->items[s->n++];
}

static void note_file(struct sweep *s, int fd, const struct uuid *task, const char *name)
{
    struct stat st;
    uint32_t attempt;
    unsigned file = parse_name(name, &attempt);
    if (!file || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    struct sweep_item *item = item_of(s, task, attempt);
    uint64_t at_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    item->files |= file;
    item->bytes += (uint64_t)st.st_blocks * 512;
    if (file & (SWEEP_LOG | SWEEP_CHUNKS) && at_ms > item->touched_ms)
        item->touched_ms = at_ms;
    if (file == SWEEP_SEAL)
        item->seal_ms = at_ms;
}

static void visit(struct sweep *s, const char *name, sweep_fn *fn, void *arg)
{
    struct uuid task;
    DIR *dir = uuid_parse(name, strlen(name), &task) == 0 ? open_dir(dirfd(s->tasks), name) : NULL;
    if (!dir)
        return;
    s->n = 0;
    for (const struct dirent *d; (d = readdir(dir));)
        note_file(s, dirfd(dir), &task, d->d_name);
    closedir(dir);
    for (size_t i = 0; i < s->n; i++)
        fn(arg, &s->items[i]);
}

/* The next folder "log/XX" that is there. false: there is none. */
static bool open_prefix(struct sweep *s)
{
    char name[16];
    while (!s->tasks && s->prefix < PREFIXES) {
        snprintf(name, sizeof(name), "log/%02x", s->prefix++);
        s->tasks = open_dir(s->dir_fd, name);
    }
    return s->tasks != NULL;
}

bool sweep_step(struct sweep *s, sweep_fn *fn, void *arg)
{
    if (!open_prefix(s)) {
        s->prefix = 0;
        return false;
    }
    const struct dirent *d = readdir(s->tasks);
    if (d) {
        visit(s, d->d_name, fn, arg);
        return true;
    }
    closedir(s->tasks);
    s->tasks = NULL;
    return true;
}
