/* identity.c - who this agent is: its folder, which nobody else may use at the same time, its stable id, the host
 * instance that tells a restarted agent from a copy of its folder elsewhere, its name, its slots, its runner, and how
 * often it said hello. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { LOCK_WAIT_MS = 10000, LOCK_LOOK_MS = 25, NAME_MAX_LEN = 128, HELLOS_BLOCK = 10000 };
#define HELLOS_MAX (INT64_MAX / 2)

static const char *const folders[] = { "mirror", "work", "spool", "home", "tmp", "trash" };

/* Builds of other users' repositories are what an agent is for; clean-ups belong to the fetch that caused them. Without
 * a name of its own git asks DNS for this host's, and every workspace waits for that. */
static const char git_config[] = "# Written by orion-agent at every start: changes here are lost.\n"
                                 "[safe]\n\tdirectory = *\n"
                                 "[user]\n\tname = orion\n\temail = orion@localhost\n"
                                 "[gc]\n\tautoDetach = false\n"
                                 "[maintenance]\n\tautoDetach = false\n"
                                 "[core]\n\thooksPath = /dev/null\n"
                                 "[advice]\n\tdetachedHead = false\n"
                                 "[init]\n\tdefaultBranch = main\n";

/* --- the folder ------------------------------------------------------------------------------------ */

static int folder_make(const char *path, struct err *e)
{
    char *part = mem_strdup(path);
    int rc = 0;

    for (char *at = part + 1; !rc && *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        rc = mkdir(part, 0755) < 0 && errno != EEXIST ? -1 : 0;
        *at = '/';
    }
    if (!rc && mkdir(part, 0755) < 0 && errno != EEXIST)
        rc = -1;
    mem_free(&part);
    return rc ? err_sys(e, "cannot make the folder %s", path) : 0;
}

/* A former agent may be about to leave; what it started does not have the lock. */
static int lock_take(struct identity *i, struct err *e)
{
    const struct timespec look = { .tv_nsec = LOCK_LOOK_MS * 1000 * 1000 };
    char *path = mem_printf("%s/lock", i->dir);
    uint64_t until = clock_boot_ms() + LOCK_WAIT_MS;
    int rc;

    i->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    mem_free(&path);
    if (i->lock_fd < 0)
        return err_sys(e, "cannot write in %s", i->dir);
    while ((rc = flock(i->lock_fd, LOCK_EX | LOCK_NB)) < 0 && clock_boot_ms() < until)
        nanosleep(&look, NULL);
    return rc < 0 ? err_set(e, ERR_CONFLICT, "another agent uses %s", i->dir) : 0;
}

static int file_replace(const char *dir, const char *name, const char *text, struct err *e)
{
    char *to = mem_printf("%s/%s", dir, name), *tmp = mem_printf("%s/%s.new", dir, name);
    int fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    ssize_t len = (ssize_t)strlen(text);
    int rc = fd < 0 || write(fd, text, (size_t)len) != len || fsync(fd) < 0 || rename(tmp, to) < 0 ? -1 : 0;

    if (rc)
        err_sys(e, "cannot write %s", to);
    if (fd >= 0)
        close(fd);
    mem_free(&to);
    mem_free(&tmp);
    return rc;
}

/* What a dead agent ran for itself goes with it; its runners do not. */
static void helpers_end(const char *dir)
{
    const unsigned n = stray_kill_helpers(dir);

    if (n)
        log_info("what a former agent ran for itself is ended", log_int("processes", n));
}

/* A git that was killed leaves its lock files, which no later git would touch. Nothing of it runs here now. */
static void git_locks_remove(const char *dir)
{
    char *path = mem_printf("%s/mirror", dir);
    FTS *walk = fts_open((char *const[]){ path, NULL }, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    FTSENT *at;

    while (walk && (at = fts_read(walk))) {
        if (at->fts_info == FTS_D && strcmp(at->fts_name, "objects") == 0)
            fts_set(walk, at, FTS_SKIP);
        else if (at->fts_info != FTS_D && at->fts_info != FTS_DP && at->fts_namelen > 5 &&
                 strcmp(at->fts_name + at->fts_namelen - 5, ".lock") == 0)
            unlink(at->fts_accpath);
    }
    if (walk)
        fts_close(walk);
    mem_free(&path);
}

static int folder_open(struct identity *i, const char *dir, struct err *e)
{
    char real[PATH_MAX];

    if (folder_make(dir, e))
        return -1;
    if (!realpath(dir, real))
        return err_sys(e, "cannot enter %s", dir);
    i->dir = mem_strdup(real);
    if (lock_take(i, e))
        return -1;
    for (size_t f = 0; f < ARRAY_LEN(folders); f++) {
        char *path = mem_printf("%s/%s", i->dir, folders[f]);
        int rc = folder_make(path, e);

        mem_free(&path);
        if (rc)
            return -1;
    }
    helpers_end(i->dir);
    git_locks_remove(i->dir);
    return file_replace(i->dir, "gitconfig", git_config, e);
}

/* --- who ------------------------------------------------------------------------------------------- */

/* The first line of a file; false: there is none. */
static bool line_read(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(line, (int)size, f);

    if (f)
        fclose(f);
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    return ok && *line;
}

static int id_find(struct identity *i, const char *setting, struct err *e)
{
    char *path = mem_printf("%s/id", i->dir);
    char line[128], text[UUID_TEXT_SIZE + 1];
    int rc = 0;

    if (setting) {
        if (uuid_parse(setting, strlen(setting), &i->id))
            rc = err_field(e, "ORION_WORKER_ID", "ORION_WORKER_ID: \"%.64s\" is not a UUID", setting);
    } else if (line_read(path, line, sizeof(line))) {
        if (uuid_parse(line, strlen(line), &i->id))
            rc = err_set(e, ERR_INVALID, "%s does not hold a UUID; remove it to become a new agent", path);
    } else {
        uuid_v7(&i->id, clock_wall_ms());
        uuid_format(&i->id, text);
        rc = file_replace(i->dir, "id", strcat(text, "\n"), e);
    }
    mem_free(&path);
    return rc;
}

/* The same after a restart, another one for a copy of the folder on another host or at another place. */
static int instance_find(struct identity *i, struct err *e)
{
    char host[128];
    struct hash h;
    char *path = mem_printf("%s/instance", i->dir), *text;
    int rc = 0;

    if (!line_read("/etc/machine-id", host, sizeof(host)) && !line_read(path, host, sizeof(host))) {
        hash_random(h.b, sizeof(h.b));
        hash_format(&h, host);
        rc = file_replace(i->dir, "instance", host, e);
    }
    text = mem_printf("%s %s", host, i->dir);
    hash_bytes(&h, text, strlen(text));
    memcpy(i->instance.b, h.b, sizeof(i->instance.b));
    i->instance.b[6] = (uint8_t)((i->instance.b[6] & 0x0f) | 0x80); /* version 8: made by the application */
    i->instance.b[8] = (uint8_t)((i->instance.b[8] & 0x3f) | 0x80);
    mem_free(&text);
    mem_free(&path);
    return rc;
}

static void boot_find(struct identity *i)
{
    if (!line_read("/proc/sys/kernel/random/boot_id", i->boot, sizeof(i->boot)) || strchr(i->boot, ' '))
        snprintf(i->boot, sizeof(i->boot), "unknown");
}

/* --- hellos ---------------------------------------------------------------------------------------- */

/* A hello with a count that is not above the last one's is void, so an agent whose count went back would not be heard
 * any more. The wall clock alone goes back when somebody sets it; a file alone is gone with the folder, while the id
 * may be given by a setting. So: the file, and never less than the clock. The file is ahead of what is used, by a
 * block, so that a hello touches no disk. */
static int hellos_keep(struct identity *i, struct err *e)
{
    char text[32];

    i->hellos_kept = i->hellos + HELLOS_BLOCK;
    snprintf(text, sizeof(text), "%lld\n", (long long)i->hellos_kept);
    return file_replace(i->dir, "hellos", text, e);
}

static int hellos_find(struct identity *i, struct err *e)
{
    char *path = mem_printf("%s/hellos", i->dir), line[32];
    const int64_t now = clock_wall_ms();

    if (line_read(path, line, sizeof(line)))
        i->hellos = strtoll(line, NULL, 10);
    mem_free(&path);
    if (i->hellos < now)
        i->hellos = now;
    if (i->hellos > HELLOS_MAX)
        return err_set(e, ERR_INVALID, "%s/hellos does not hold a count of hellos; remove it", i->dir);
    return hellos_keep(i, e);
}

int64_t identity_hello(struct identity *i)
{
    struct err e = { 0 };

    if (++i->hellos == i->hellos_kept && hellos_keep(i, &e))
        log_error("the count of hellos is not kept", log_err(&e));
    return i->hellos;
}

/* --- the rest -------------------------------------------------------------------------------------- */

static int name_find(struct identity *i, const char *setting, struct err *e)
{
    char host[HOST_NAME_MAX + 1] = "";

    if (!setting && gethostname(host, sizeof(host) - 1) < 0)
        return err_sys(e, "cannot find the host's name; give one with --name");
    i->name = mem_strdup(setting ? setting : host);
    if (!*i->name || strlen(i->name) > NAME_MAX_LEN)
        return err_field(e, "ORION_NODE_NAME", "ORION_NODE_NAME: a name has 1 to %d bytes", NAME_MAX_LEN);
    return 0;
}

/* --- with what ------------------------------------------------------------------------------------- */

static int runner_find(struct identity *i, const char *setting, struct err *e)
{
    char exe[PATH_MAX] = "";
    char *dir, *tried[3];

    if (setting) {
        i->runner = mem_strdup(setting);
        return access(setting, X_OK) ? err_sys(e, "ORION_RUNNER: cannot run %s", setting) : 0;
    }
    if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
        return err_sys(e, "cannot find this program; name the runner with --runner");
    dir = exe;
    *strrchr(dir, '/') = '\0';
    tried[0] = mem_printf("%s/orion-runner", dir);
    tried[1] = mem_printf("%s/runner/orion-runner", dir);
    tried[2] = mem_strdup(ORION_LIBEXECDIR "/orion-runner");
    for (size_t t = 0; t < ARRAY_LEN(tried); t++) {
        if (!i->runner && access(tried[t], X_OK) == 0)
            i->runner = mem_strdup(tried[t]);
        mem_free(&tried[t]);
    }
    return i->runner ? 0 : err_set(e, ERR_NOT_FOUND, "orion-runner is not beside %s; name it with --runner", exe);
}

static void cores_count(struct identity *i, int64_t slots)
{
    cpu_set_t set;

    i->cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    i->slots = slots ? (unsigned)slots : i->cores;
}

int identity_open(struct identity *i, const struct agent_settings *s, struct err *e)
{
    *i = (struct identity){ .lock_fd = -1 };
    cores_count(i, s->slots);
    boot_find(i);
    if (folder_open(i, s->dir, e) || id_find(i, s->id, e) || instance_find(i, e) || hellos_find(i, e) ||
        name_find(i, s->name, e) || runner_find(i, s->runner, e))
        return -1;
    return 0;
}

void identity_close(struct identity *i)
{
    if (i->lock_fd >= 0)
        close(i->lock_fd);
    i->lock_fd = -1;
    mem_free(&i->dir);
    mem_free(&i->name);
    mem_free(&i->runner);
}
