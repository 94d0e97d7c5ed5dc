/* lab_user.c - as whom everything runs: the caller, or an unprivileged user when the caller is root.
 *
 * Changes the process's ids. Rules: man/orion-lab.1. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"

static int fill(struct arena *a, const struct passwd *pw, struct lab_user *u_r)
{
    *u_r = (struct lab_user){ .uid = pw->pw_uid,
                              .gid = pw->pw_gid,
                              .name = arena_strdup(a, pw->pw_name),
                              .home = arena_strdup(a, pw->pw_dir),
                              .is_other = geteuid() == 0 && pw->pw_uid != 0 };
    return 0;
}

/* Root goes on as whoever owns the lab's data; a new lab belongs to `orion`, else to `postgres`. */
static int find_for_root(struct arena *a, const char *dir, struct lab_user *u_r, struct err *e)
{
    static const char *const names[] = { "orion", "postgres" };
    struct stat st;
    struct passwd *pw;

    if (stat(arena_printf(a, "%s/pg", dir), &st) == 0 && st.st_uid != 0 && (pw = getpwuid(st.st_uid)))
        return fill(a, pw, u_r);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        pw = getpwnam(names[i]);
        if (pw && pw->pw_uid != 0)
            return fill(a, pw, u_r);
    }
    return err_set(e, ERR_NOT_FOUND, "started as root, a lab runs as the user orion or postgres, and neither exists "
                                     "(apt-get install postgresql-15)");
}

int lab_user_find(struct arena *a, const char *dir, struct lab_user *u_r, struct err *e)
{
    struct passwd *pw;

    if (geteuid() == 0)
        return find_for_root(a, dir, u_r, e);
    pw = getpwuid(geteuid());
    if (pw)
        return fill(a, pw, u_r);
    *u_r = (struct lab_user){ .uid = geteuid(), .gid = getegid(), .name = "", .home = dir };
    return 0;
}

int lab_user_assume(const struct lab_user *u, struct err *e)
{
    if (!u->is_other)
        return 0;
    if (initgroups(u->name, u->gid) < 0 || setegid(u->gid) < 0 || seteuid(u->uid) < 0) {
        err_sys(e, "cannot become %s", u->name);
        lab_user_return(u);
        return -1;
    }
    return 0;
}

void lab_user_return(const struct lab_user *u)
{
    static const gid_t none[] = { 0 };

    if (!u->is_other)
        return;
    /* Only root gets here, and back to root is always allowed; with other ids nothing that follows would be right. */
    if (seteuid(0) < 0 || setegid(0) < 0 || setgroups(1, none) < 0)
        abort();
}

int lab_user_become(const struct lab_user *u, struct err *e)
{
    if (!u->is_other)
        return 0;
    if (initgroups(u->name, u->gid) < 0 || setgid(u->gid) < 0 || setuid(u->uid) < 0)
        return err_sys(e, "cannot become %s", u->name);
    /* A change of ids hides the process from its own user; nothing of root's is in its memory. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}
