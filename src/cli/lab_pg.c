/* lab_pg.c - the lab's private PostgreSQL: made once, waited for, migrated after a dump.
 *
 * Its data is DIR/pg; it listens on a unix socket only, in the lab's private folder, and trusts whoever gets there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/db.h"
#include "cli/lab.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/pg.h"

enum { LOOK_MS = 50, OPEN_FILES = 16 };

static bool is_empty_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;
    bool empty = d != NULL;

    while (d && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    }
    if (d)
        closedir(d);
    return empty;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level > 0 ? remove(path) : 0; /* not the folder itself: its user may not be able to make it anew */
}

static int run_initdb(struct lab *lab, const char *data, struct err *e)
{
    const char *argv[] = { arena_printf(lab->arena, "%s/initdb", lab->pg_bin), "-D", data, "-A", "trust",
                           "--auth-local=trust", "-U", "orion", "-E", "UTF8", "--locale=C.UTF-8", NULL };

    return lab_tool_run(lab, argv, "postgres", e);
}

/* A killed server's files name its pid, which PostgreSQL takes for a living one while init has not reaped it, or when
 * another process has got the number. */
void lab_pg_clean(const struct lab *lab)
{
    unlink(lab_path(lab, "pg/postmaster.pid"));
    unlink(arena_printf(lab->arena, "%s/.s.PGSQL.5432", lab->conf.sockets));
    unlink(arena_printf(lab->arena, "%s/.s.PGSQL.5432.lock", lab->conf.sockets));
}

/* pid/initdb stands while initdb runs: what it left half made can be thrown away, anything else in DIR/pg cannot. */
int lab_pg_prepare(struct lab *lab, struct err *e)
{
    const char *data = lab_path(lab, "pg"), *mark = lab_path(lab, "pid/initdb");
    bool was_cut = access(mark, F_OK) == 0;

    if (access(lab_path(lab, "pg/PG_VERSION"), F_OK) == 0 && !was_cut) {
        lab_pg_clean(lab);
        return 0;
    }
    if (was_cut)
        nftw(data, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (!is_empty_dir(data))
        return err_set(e, ERR_CONFLICT, "%s holds something that is not a lab's database; choose another --dir", data);
    int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, "cannot write %s", mark);
    close(fd);
    if (run_initdb(lab, data, e) < 0)
        return -1;
    return unlink(mark) < 0 ? err_sys(e, "cannot remove %s", mark) : 0;
}

int lab_pg_wait(struct lab *lab, struct lab_part *part, struct err *e)
{
    int64_t until = (int64_t)clock_boot_ms() + LAB_READY_MS;
    struct arena a = { 0 };
    const char *dsn = lab_dsn(lab, "orion", "postgres", &a);
    struct err last = { 0 };
    int rc = -1;

    while (rc < 0 && !part->is_reaped && lab->stops == 0 && (int64_t)clock_boot_ms() < until) {
        last = (struct err){ 0 };
        struct pg_admin *admin = pg_admin_open(dsn, "orion lab", &last);
        rc = admin ? 0 : -1;
        pg_admin_close(&admin);
        if (rc < 0)
            lab_wait(lab, -1, LOOK_MS);
    }
    if (rc < 0)
        err_set(e, ERR_SYSTEM, "postgres %s: %s", part->is_reaped ? "ended before it was ready" : "is not ready",
                last.text);
    arena_fini(&a);
    return rc;
}

static int dump(struct lab *lab, const char *dsn, int version, struct err *e)
{
    const char *file = arena_printf(lab->arena, "%s/backup/%04d.sql", lab->dir, version);

    for (int i = 1; access(file, F_OK) == 0; i++)
        file = arena_printf(lab->arena, "%s/backup/%04d-%d.sql", lab->dir, version, i);
    const char *temporary = arena_printf(lab->arena, "%s.new", file);
    const char *argv[] = { arena_printf(lab->arena, "%s/pg_dump", lab->pg_bin), "-f", temporary, "-d", dsn, NULL };
    if (lab_tool_run(lab, argv, "postgres", e) < 0)
        return -1;
    if (rename(temporary, file) < 0)
        return err_sys(e, "cannot write %s", file);
    fprintf(stderr, "orion lab: migrating schema %d to %d; the dump is %s\n", version, db_newest(), file);
    return 0;
}

int lab_pg_migrate(struct lab *lab, struct err *e)
{
    const char *dsn = lab_dsn(lab, "orion", "orion", lab->arena);
    struct db_migrated m = { 0 };
    bool made = false;
    int version = 0;

    if (db_create(dsn, &made, e) < 0 || db_version(dsn, &version, e) < 0)
        return -1;
    if (version > 0 && version < db_newest() && dump(lab, dsn, version, e) < 0)
        return -1;
    return db_migrate(dsn, &m, e);
}
