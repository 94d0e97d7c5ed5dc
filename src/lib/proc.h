/* proc.h - starting other programs: posix_spawn, descriptors named one by one, nothing inherited. */
#ifndef ORION_LIB_PROC_H
#define ORION_LIB_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct proc_fd {
    int child;   /* number in the child */
    int parent;  /* descriptor here; -1: /dev/null */
};

struct proc_spec {
    const char *const *argv;    /* argv[0] is looked up in `path` when it has no slash */
    const char *const *env;     /* whole environment, NULL-terminated; NULL: the caller's */
    const char *path;           /* search path; NULL: PATH of `env` */
    const char *cwd;            /* NULL: the caller's */
    const struct proc_fd *fds;  /* every other descriptor is closed in the child; 0-2 default to /dev/null */
    unsigned n_fds;
    bool new_session;           /* setsid */
    bool new_group;             /* own process group */
};

/* Starts the program with default signal dispositions and an empty signal mask.
 * ERR_NOT_FOUND when argv[0] is not there, ERR_SYSTEM otherwise. */
int proc_spawn(const struct proc_spec *spec, pid_t *pid_r, struct err *e);

/* The program's full path in a search path, or NULL; the caller frees it. */
char *proc_find(const char *name, const char *path);

#endif
