/* proc.c - posix_spawn with descriptors named one by one.
 *
 * posix_spawn shares the parent's memory until exec: no page tables are copied and it is safe beside the
 * threads of a library. The child gets default signals, an empty mask and exactly the descriptors it was
 * given. */
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Folders of the path that are not absolute are passed over: what they mean depends on where one stands. */
char *proc_find(const char *name, const char *path)
{
    if (strchr(name, '/'))
        return is_program(name) ? mem_strdup(name) : NULL;
    if (!*name)
        return NULL;
    for (const char *at = path ? path : DEFAULT_PATH; *at;) {
        size_t len = strcspn(at, ":");

        if (at[0] == '/') {
            char *full = mem_printf("%.*s/%s", (int)len, at, name);

            if (is_program(full))
                return full;
            mem_free(&full);
        }
        at += len + (at[len] == ':');
    }
    return NULL;
}

static const char *path_of(const char *const *env)
{
    for (; *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    }
    return NULL;
}

static bool fd_is_named(const struct proc_spec *spec, int child)
{
    for (unsigned i = 0; i < spec->n_fds; i++) {
        if (spec->fds[i].child == child)
            return true;
    }
    return false;
}

static int fd_highest(const struct proc_spec *spec)
{
    int highest = STDERR_FILENO;

    for (unsigned i = 0; i < spec->n_fds; i++)
        highest = spec->fds[i].child > highest ? spec->fds[i].child : highest;
    return highest;
}

/* What the child does with its descriptors. `copies` are the parent's ends, above every number of the child. */
static int actions_fill(posix_spawn_file_actions_t *actions, const struct proc_spec *spec, const int *copies)
{
    const int highest = fd_highest(spec);
    int rc = 0;

    for (unsigned i = 0; i < spec->n_fds && !rc; i++) {
        if (copies[i] >= 0)
            rc = posix_spawn_file_actions_adddup2(actions, copies[i], spec->fds[i].child);
        else
            rc = posix_spawn_file_actions_addopen(actions, spec->fds[i].child, "/dev/null", O_RDWR, 0);
    }
    for (int fd = 0; fd <= highest && !rc; fd++) {
        if (fd_is_named(spec, fd))
            continue;
        if (fd <= STDERR_FILENO)
            rc = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
        else
            rc = posix_spawn_file_actions_addclose(actions, fd);
    }
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, highest + 1);
    if (!rc && spec->cwd)
        rc = posix_spawn_file_actions_addchdir_np(actions, spec->cwd);
    return rc;
}

static int attributes_fill(posix_spawnattr_t *attributes, const struct proc_spec *spec)
{
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t all, none;
    int rc;

    sigfillset(&all);
    sigemptyset(&none);
    if (spec->new_session)
        flags |= POSIX_SPAWN_SETSID;
    else if (spec->new_group)
        flags |= POSIX_SPAWN_SETPGROUP;
    rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (!rc)
        rc = posix_spawnattr_setflags(attributes, flags);
    return rc;
}

static int spawn_with(const char *program, const struct proc_spec *spec, const int *copies, pid_t *pid_r)
{
    const char *const *env = spec->env ? spec->env : (const char *const *)environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    rc = actions_fill(&actions, spec, copies);
    if (!rc)
        rc = attributes_fill(&attributes, spec);
    if (!rc)
        rc = posix_spawn(pid_r, program, &actions, &attributes, (char *const *)(uintptr_t)spec->argv,
                         (char *const *)(uintptr_t)env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* The kernel tells neither which folder nor which file it missed; look again to say so. */
static int spawn_explain(int error, const char *program, const struct proc_spec *spec, struct err *e)
{
    struct stat st;

    if (spec->cwd && (stat(spec->cwd, &st) < 0 || access(spec->cwd, X_OK) < 0))
        return err_sys(e, "cannot enter %s", spec->cwd);
    /* a relative path is meant as the child sees it */
    char *seen = spec->cwd && *program != '/' ? mem_printf("%s/%s", spec->cwd, program) : mem_strdup(program);
    const bool is_missing = error == ENOENT && !is_program(seen);
    mem_free(&seen);
    errno = error;
    if (is_missing)
        return err_set(e, ERR_NOT_FOUND, "%s: not found", spec->argv[0]);
    return err_sys(e, "cannot start %s", program);
}

/* Copies the parent's descriptors above every number of the child: a source that carries the number of another
 * entry's target would be overwritten before its turn. */
static int copies_make(const struct proc_spec *spec, int *copies, struct err *e)
{
    const int above = fd_highest(spec) + 1;

    for (unsigned i = 0; i < spec->n_fds; i++)
        copies[i] = -1;
    for (unsigned i = 0; i < spec->n_fds; i++) {
        if (spec->fds[i].parent < 0)
            continue;
        copies[i] = fcntl(spec->fds[i].parent, F_DUPFD_CLOEXEC, above);
        if (copies[i] < 0)
            return err_sys(e, "cannot hand descriptor %d to %s", spec->fds[i].parent, spec->argv[0]);
    }
    return 0;
}

int proc_spawn(const struct proc_spec *spec, pid_t *pid_r, struct err *e)
{
    const char *const *env = spec->env ? spec->env : (const char *const *)environ;
    int *copies = mem_array(spec->n_fds, sizeof(*copies));
    bool is_path = strchr(spec->argv[0], '/') != NULL; /* as it stands, and seen from `cwd` */
    char *program =
        is_path ? mem_strdup(spec->argv[0]) : proc_find(spec->argv[0], spec->path ? spec->path : path_of(env));
    int rc, error;

    if (!program)
        rc = err_set(e, ERR_NOT_FOUND, "%s: not found", spec->argv[0]);
    else
        rc = copies_make(spec, copies, e);
    if (!rc) {
        error = spawn_with(program, spec, copies, pid_r);
        rc = error ? spawn_explain(error, program, spec, e) : 0;
    }
    for (unsigned i = 0; i < spec->n_fds; i++) {
        if (copies[i] > 0)
            close(copies[i]);
    }
    mem_free(&copies);
    mem_free(&program);
    return rc;
}
