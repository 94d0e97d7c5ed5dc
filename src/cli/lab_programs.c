/* lab_programs.c - where the programs are that a lab needs: ours beside this one (build tree or installation),
 * PostgreSQL's and git's from Debian. Whatever is missing is named with its package. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"
#include "lib/buf.h"
#include "lib/proc.h"

#define PG_ROOT "/usr/lib/postgresql"

/* In the order of enum lab_program: the file's name, and its place in a build tree as seen from src/cli. */
static const struct {
    const char *name, *built;
} ours[LAB_PROGRAMS] = {
    { "orion-gateway", "../gateway/orion-gateway" },
    { "orion-scheduler", "../scheduler/orion-scheduler" },
    { "orion-logsink", "../logsink/orion-logsink" },
    { "orion-agent", "../agent/orion-agent" },
    { "orion-runner", "../agent/runner/orion-runner" },
};

const char *lab_self(struct arena *a)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    return n > 0 ? arena_strndup(a, path, (size_t)n) : "/usr/bin/orion";
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static const char *find_ours(struct arena *a, enum lab_program which)
{
    const char *self = lab_self(a), *name = ours[which].name;
    int len = (int)(strrchr(self, '/') - self);
    const char *const places[] = {
        arena_printf(a, "%.*s/%s", len, self, ours[which].built),
        arena_printf(a, "%.*s/%s", len, self, name),
        arena_printf(a, "%.*s/../sbin/%s", len, self, name),
        arena_printf(a, "%.*s/../libexec/orion/%s", len, self, name),
        arena_printf(a, ORION_LIBEXECDIR "/%s", name),
    };
    char real[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (is_program(places[i]) && realpath(places[i], real))
            return arena_strdup(a, real);
    }
    return NULL;
}

static bool has_postgres(struct arena *a, const char *major)
{
    return is_program(arena_printf(a, PG_ROOT "/%s/bin/postgres", major)) &&
           is_program(arena_printf(a, PG_ROOT "/%s/bin/initdb", major));
}

static const char *newest_postgres(struct arena *a)
{
    DIR *d = opendir(PG_ROOT);
    struct dirent *entry;
    const char *best = NULL;

    while (d && (entry = readdir(d))) {
        if (atoi(entry->d_name) > (best ? atoi(best) : 0) && has_postgres(a, entry->d_name))
            best = arena_strdup(a, entry->d_name);
    }
    if (d)
        closedir(d);
    return best;
}

/* The major version that made the data, else the newest installed. */
static const char *wanted_postgres(const struct lab *lab, struct buf *missing)
{
    char *text = lab_file_read(lab_path(lab, "pg/PG_VERSION"));
    const char *major = NULL;

    if (text) {
        text[strcspn(text, "\n")] = '\0';
        major = arena_strdup(lab->arena, text);
        mem_free(&text);
        if (has_postgres(lab->arena, major))
            return major;
        buf_printf(missing, "\n  PostgreSQL %s, which made %s/pg (apt-get install postgresql-%s)", major, lab->dir,
                   major);
        return NULL;
    }
    major = newest_postgres(lab->arena);
    if (!major)
        buf_puts(missing, "\n  PostgreSQL's server (apt-get install postgresql-15)");
    return major;
}

static void require(struct lab *lab, const char *name, const char *package, struct buf *missing)
{
    char *found = proc_find(name, getenv("PATH"));

    (void)lab;
    if (!found)
        buf_printf(missing, "\n  %s (apt-get install %s)", name, package);
    mem_free(&found);
}

static void find_postgres(struct lab *lab, struct buf *missing)
{
    static const char *const clients[] = { "psql", "pg_dump" };
    const char *major = wanted_postgres(lab, missing);

    if (!major)
        return;
    lab->pg_bin = arena_printf(lab->arena, PG_ROOT "/%s/bin", major);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        if (!is_program(arena_printf(lab->arena, "%s/%s", lab->pg_bin, clients[i])))
            buf_printf(missing, "\n  %s %s (apt-get install postgresql-client-%s)", clients[i], major, major);
    }
}

int lab_programs_find(struct lab *lab, struct err *e)
{
    struct buf missing = { 0 };
    int rc = 0;

    for (size_t i = 0; i < LAB_PROGRAMS; i++) {
        lab->programs[i] = find_ours(lab->arena, (enum lab_program)i);
        if (!lab->programs[i])
            buf_printf(&missing, "\n  %s, which belongs beside %s (make, or apt-get install orion)", ours[i].name,
                       lab_self(lab->arena));
    }
    find_postgres(lab, &missing);
    if (lab->conf.agents > 0)
        require(lab, "git", "git", &missing);
    if (missing.len > 0)
        rc = err_set(e, ERR_NOT_FOUND, "missing:%s", missing.data);
    buf_fini(&missing);
    return rc;
}

static bool can_run_all(const struct lab *lab)
{
    for (size_t i = 0; i < LAB_PROGRAMS; i++) {
        if (faccessat(AT_FDCWD, lab->programs[i], X_OK, AT_EACCESS) < 0)
            return false;
    }
    return true;
}

/* To a new file, then into place: a running program's file cannot be written to. */
static int copy_program(const char *from, const char *to, struct err *e)
{
    char *temporary = mem_printf("%s.new", to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0755);
    ssize_t n = in < 0 || out < 0 ? -1 : 1;
    int rc = 0;

    while (n > 0)
        n = sendfile(out, in, NULL, 1 << 20);
    if (n < 0 || fchmod(out, 0755) < 0 || rename(temporary, to) < 0)
        rc = err_sys(e, "cannot copy %s to %s", from, to);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    mem_free(&temporary);
    return rc;
}

int lab_programs_place(struct lab *lab, struct err *e)
{
    const char *bin = lab_path(lab, "bin");

    if (lab_user_assume(&lab->user, e) < 0)
        return -1;
    bool can = can_run_all(lab);
    lab_user_return(&lab->user);
    if (can)
        return 0;
    if (!lab->user.is_other && geteuid() != 0)
        return err_set(e, ERR_DENIED, "the programs beside %s may not be run by user %s", lab_self(lab->arena),
                       lab->user.name);
    if (mkdir(bin, 0755) < 0 && errno != EEXIST)
        return err_sys(e, "cannot make the folder %s", bin);
    if (chmod(bin, 0755) < 0)
        return err_sys(e, "cannot set the mode of %s", bin);
    for (size_t i = 0; i < LAB_PROGRAMS; i++) {
        const char *to = arena_printf(lab->arena, "%s/%s", bin, ours[i].name);
        if (copy_program(lab->programs[i], to, e) < 0)
            return -1;
        lab->programs[i] = to;
    }
    return 0;
}
