/* lab_dirs.c - the lab's folder: where it is, who can reach it, what is made in it; lab.conf and agent.yaml.
 *
 * What lies directly in DIR is written by the caller (root, perhaps), what lies in its folders by the lab's user. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/lab.h"
#include "lib/buf.h"

#define ROOT_DIR "/var/lib/orion-lab"
enum { FREE_MIN_MIB = 200, TEXT_MAX = 4 * 1024 * 1024 };

const char *lab_default_dir(struct arena *a)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    struct passwd *pw;

    if (geteuid() == 0)
        return ROOT_DIR;
    if (state && state[0] == '/')
        return arena_printf(a, "%s/orion/lab", state);
    if (!home || home[0] != '/')
        home = (pw = getpwuid(geteuid())) ? pw->pw_dir : "/";
    return arena_printf(a, "%s/.local/state/orion/lab", arena_strdup(a, home));
}

/* Absolute and free of links, as far as it exists. */
const char *lab_dir_resolve(struct arena *a, const char *dir, struct err *e)
{
    char real[PATH_MAX];
    const char *rest = "";

    if (!dir)
        dir = lab_default_dir(a);
    if (!*dir || strchr(dir, '\n')) {
        err_field(e, "dir", "--dir is not a folder's name");
        return NULL;
    }
    if (dir[0] != '/') {
        if (!getcwd(real, sizeof(real))) {
            err_sys(e, "cannot tell the current folder");
            return NULL;
        }
        dir = arena_printf(a, "%s/%s", real, dir);
    }
    char *head = arena_strdup(a, dir);
    while (!realpath(head, real)) {
        char *slash = strrchr(head, '/');
        if (slash == head || !slash)
            return arena_printf(a, "/%s", dir + strspn(dir, "/"));
        rest = arena_printf(a, "%s%s%s", slash + 1, slash[1] && *rest ? "/" : "", rest);
        *slash = '\0';
    }
    if (!*rest)
        return arena_strdup(a, real);
    return arena_printf(a, "%s/%s", strcmp(real, "/") == 0 ? "" : real, rest);
}

const char *lab_path(const struct lab *lab, const char *name)
{
    return arena_printf(lab->arena, "%s/%s", lab->dir, name);
}

const char *lab_reach_stop(struct arena *a, const char *path)
{
    char *part = arena_strdup(a, path);
    struct stat st;

    for (char *slash = part + 1;; slash++) {
        slash += strcspn(slash, "/");
        char was = *slash;
        *slash = '\0';
        if (stat(part, &st) < 0)
            return errno == EACCES ? part : NULL; /* not there: nothing that could stop */
        if (S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) < 0)
            return part;
        if (!was)
            return NULL;
        *slash = was;
    }
}

static int make_dir(const struct lab *lab, const char *path, mode_t mode, bool is_users, struct err *e)
{
    struct stat st;

    if (mkdir(path, mode) < 0) {
        if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return 0;
        return err_sys(e, "cannot make the folder %s", path);
    }
    if (chmod(path, mode) < 0)
        return err_sys(e, "cannot set the mode of %s", path);
    if (is_users && lab->user.is_other && chown(path, lab->user.uid, lab->user.gid) < 0)
        return err_sys(e, "cannot give %s to %s", path, lab->user.name);
    return 0;
}

/* DIR and the folders on the way to it. */
static int make_way(const struct lab *lab, struct err *e)
{
    char *part = arena_strdup(lab->arena, lab->dir);

    for (char *slash = part + 1;; slash++) {
        slash += strcspn(slash, "/");
        char was = *slash;
        *slash = '\0';
        if (make_dir(lab, part, 0755, !was, e) < 0)
            return -1;
        if (!was)
            return 0;
        *slash = was;
    }
}

int lab_dirs_check_reach(const struct lab *lab, struct err *e)
{
    if (lab_user_assume(&lab->user, e) < 0)
        return -1;
    const char *stop = lab_reach_stop(lab->arena, lab->dir);
    lab_user_return(&lab->user);
    if (!stop)
        return 0;
    return err_set(e, ERR_DENIED, "the lab in %s would run as user %s, who may not enter %s: open that folder (chmod "
                                  "a+x) or choose another --dir", lab->dir, lab->user.name, stop);
}

int lab_dirs_make_first(struct lab *lab, struct err *e)
{
    if (lab_dirs_check_reach(lab, e) < 0 || make_way(lab, e) < 0 || lab_dirs_check_reach(lab, e) < 0)
        return -1;
    return make_dir(lab, lab_path(lab, "pid"), 0755, true, e);
}

int lab_dirs_make(struct lab *lab, struct err *e)
{
    static const char *const folders[] = { "log", "backup" };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        if (make_dir(lab, lab_path(lab, folders[i]), 0755, true, e) < 0)
            return -1;
    }
    if (make_dir(lab, lab_path(lab, "pg"), 0700, true, e) < 0)
        return -1;
    for (size_t i = 0; i < lab->n_parts; i++) {
        const struct lab_part *p = &lab->parts[i];
        const char *name = p->name + (strncmp(p->name, "logsink-", 8) == 0 ? 3 : 0); /* sink-1 */
        if (p->number > 0 && make_dir(lab, lab_path(lab, name), 0755, true, e) < 0)
            return -1;
    }
    int fd = open(lab_path(lab, "url"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, "cannot write %s/url", lab->dir);
    if (lab->user.is_other && fchown(fd, lab->user.uid, lab->user.gid) < 0)
        err_sys(e, "cannot give %s/url to %s", lab->dir, lab->user.name);
    close(fd);
    return e->kind == ERR_NONE ? 0 : -1;
}

int lab_dirs_check_space(const struct lab *lab, struct err *e)
{
    struct statvfs v;

    if (statvfs(lab->dir, &v) < 0)
        return err_sys(e, "cannot tell the space in %s", lab->dir);
    uint64_t free_mib = (uint64_t)v.f_bavail * v.f_frsize / (1024 * 1024);
    if (free_mib >= FREE_MIN_MIB)
        return 0;
    return err_set(e, ERR_UNAVAILABLE, "only %llu MiB are free in %s; a lab needs at least %d MiB: free some or choose "
                                       "another --dir", (unsigned long long)free_mib, lab->dir, FREE_MIN_MIB);
}

/* --- the sockets' folder ------------------------------------------------------------------------------------- */

static bool is_private_dir(const char *path, uid_t uid)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid && (st.st_mode & 07777) == 0700;
}

/* Short enough for the longest name in it, and plain enough for a DSN. */
static bool is_fit_for_sockets(const char *base)
{
    static const char longest[] = "/orion-XXXXXX/.s.PGSQL.5432.lock";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/";

    return base && base[0] == '/' && base[strspn(base, plain)] == '\0' &&
           strlen(base) + sizeof(longest) <= LAB_SOCKET_PATH_MAX && access(base, W_OK | X_OK) == 0;
}

int lab_sockets_make(struct lab *lab, struct err *e)
{
    const char *base = lab->user.is_other ? NULL : getenv("XDG_RUNTIME_DIR");

    if (lab->conf.sockets && is_private_dir(lab->conf.sockets, lab->user.uid))
        return 0;
    char *dir = arena_printf(lab->arena, "%s/orion-XXXXXX", is_fit_for_sockets(base) ? base : "/tmp");
    if (!mkdtemp(dir))
        return err_sys(e, "cannot make a folder for sockets in %s", dir);
    if (lab->user.is_other && chown(dir, lab->user.uid, lab->user.gid) < 0)
        return err_sys(e, "cannot give %s to %s", dir, lab->user.name);
    lab->conf.sockets = dir;
    return 0;
}

void lab_sockets_remove(const struct lab *lab)
{
    lab_pg_clean(lab);
    unlink(arena_printf(lab->arena, "%s/ctl", lab->conf.sockets));
    unlink(arena_printf(lab->arena, "%s/scheduler.sock", lab->conf.sockets));
    for (int64_t i = 1; i <= lab->conf.sinks; i++) {
        unlink(arena_printf(lab->arena, "%s/sink-%lld.sock", lab->conf.sockets, (long long)i));
        unlink(arena_printf(lab->arena, "%s/sink-%lld.live", lab->conf.sockets, (long long)i));
    }
    rmdir(lab->conf.sockets); /* stays when something is still in it */
}

/* --- files ------------------------------------------------------------------------------------------------------ */

int lab_file_write(const char *path, const struct buf *text, struct err *e)
{
    char *temporary = mem_printf("%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int rc = 0;

    if (fd < 0 || fchmod(fd, 0644) < 0 || write(fd, text->data, text->len) != (ssize_t)text->len || fsync(fd) < 0)
        rc = err_sys(e, "cannot write %s", temporary);
    if (fd >= 0)
        close(fd);
    if (rc == 0 && rename(temporary, path) < 0)
        rc = err_sys(e, "cannot write %s", path);
    mem_free(&temporary);
    return rc;
}

char *lab_file_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf text = { 0 };
    ssize_t n;

    if (fd < 0)
        return NULL;
    do {
        n = read(fd, buf_reserve(&text, 4096), 4096);
        buf_commit(&text, n > 0 ? (size_t)n : 0);
    } while (n > 0 && text.len < TEXT_MAX);
    close(fd);
    return buf_take(&text);
}

int lab_conf_load(struct lab *lab, struct err *e)
{
    const char *path = lab_path(lab, "lab.conf");
    char *text = lab_file_read(path);

    lab_conf_init(&lab->conf, lab->arena);
    if (!text && errno != ENOENT && errno != ENOTDIR)
        return err_sys(e, "cannot read %s", path);
    if (!text)
        return err_set(e, ERR_NOT_FOUND, "no lab in %s; start one with: orion lab up --dir %s", lab->dir, lab->dir);
    int rc = lab_conf_parse(&lab->conf, text, lab->arena, e);
    mem_free(&text);
    return rc < 0 ? err_prefix(e, "%s", path) : 0;
}

int lab_conf_save(const struct lab *lab, struct err *e)
{
    struct buf conf = { 0 }, yaml = { 0 };

    lab_conf_print(&lab->conf, &conf);
    lab_conf_agent_yaml(&lab->conf, &yaml);
    int rc = lab_file_write(lab_path(lab, "lab.conf"), &conf, e);
    if (rc == 0)
        rc = lab_file_write(lab_path(lab, "agent.yaml"), &yaml, e);
    buf_fini(&conf);
    buf_fini(&yaml);
    return rc;
}
