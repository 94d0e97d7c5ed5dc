/* lab.h - a lab while a verb works on it: its folder, its user, its parts, and what is done with them. */
#ifndef ORION_CLI_LAB_H
#define ORION_CLI_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/lab_conf.h"
#include "lib/err.h"
#include "lib/mem.h"

enum {
    LAB_PARTS_MAX = 96,
    LAB_NAME_SIZE = 24,
    LAB_READY_MS = 60000,
    LAB_SOCKET_PATH_MAX = 107, /* sun_path without its NUL */
};

/* Orion's own programs, in the order of lab_programs.c. */
enum lab_program { LAB_GATEWAY, LAB_SCHEDULER, LAB_LOGSINK, LAB_AGENT, LAB_RUNNER, LAB_PROGRAMS };

struct lab_user {
    uid_t uid;
    gid_t gid;
    const char *name, *home;
    bool is_other;           /* root started the lab: everything runs as this user instead */
};

/* A process beyond any doubt: a pid alone may have been given away again. */
struct lab_proc {
    pid_t pid;               /* 0: none */
    uint64_t start;          /* clock ticks after boot */
};

struct lab;
struct lab_part;
struct lab_argv {
    struct arena *arena;
    const char *v[48];
    size_t n;                /* a NULL follows */
};

/* What all parts of a name have in common: rows of the table in lab_parts.c, in the order of starting. */
struct lab_kind {
    const char *name;
    int64_t (*count)(const struct lab_conf *c);   /* NULL: one, without a number */
    int stop_signal;
    int64_t stop_ms;         /* from that signal to SIGKILL */
    void (*command)(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv);
};

struct lab_part {
    const struct lab_kind *kind;
    int number;              /* 0: the only one */
    char name[LAB_NAME_SIZE];
    struct lab_proc proc;    /* the running one, or the last that is known of */
    bool is_ready;           /* it was; its end will be told */
    bool is_told;            /* its end is wanted */
    bool is_coming_back;     /* it is started anew: what is meant to outlive it is left alone */
    bool is_reaped;          /* it was our child; wstatus says how it ended */
    int wstatus;
};

struct lab {
    struct arena *arena;
    const char *dir;         /* absolute */
    struct lab_conf conf;
    struct lab_user user;
    const char *programs[LAB_PROGRAMS];
    const char *pg_bin;      /* folder of PostgreSQL's programs */
    struct lab_part parts[LAB_PARTS_MAX];
    size_t n_parts;
    struct lab_part tool;    /* initdb, pg_dump: waited for by lab_tool_run */
    int signals;             /* signalfd; -1: this program only looks */
    int stops;               /* how often the user asked for the end: 1 orderly, 2 at once */
    bool is_supervisor;
};

/* --- lab_dirs.c: folders and files --------------------------------------------------------------------- */
const char *lab_default_dir(struct arena *a);
const char *lab_dir_resolve(struct arena *a, const char *dir, struct err *e);   /* NULL dir: the default */
const char *lab_path(const struct lab *lab, const char *name);                  /* DIR/name, in the arena */
int lab_dirs_make_first(struct lab *lab, struct err *e);   /* DIR and where the lock is; as root or the user itself */
int lab_dirs_make(struct lab *lab, struct err *e);         /* the rest, under the lock */
int lab_dirs_check_reach(const struct lab *lab, struct err *e);
int lab_dirs_check_space(const struct lab *lab, struct err *e);
/* The first folder on the way to `path` that this process may not enter; NULL: it can be reached. */
const char *lab_reach_stop(struct arena *a, const char *path);
int lab_sockets_make(struct lab *lab, struct err *e);      /* conf.sockets: reused, or made */
void lab_sockets_remove(const struct lab *lab);
int lab_file_write(const char *path, const struct buf *text, struct err *e);    /* whole or not at all */
char *lab_file_read(const char *path);                     /* NULL: not there; the caller frees it */
int lab_conf_load(struct lab *lab, struct err *e);         /* ERR_NOT_FOUND: no lab here */
int lab_conf_save(const struct lab *lab, struct err *e);   /* lab.conf and agent.yaml */

/* --- lab_user.c: who runs everything ------------------------------------------------------------------- */
int lab_user_find(struct arena *a, const char *dir, struct lab_user *u_r, struct err *e);
int lab_user_assume(const struct lab_user *u, struct err *e);  /* for a look, until lab_user_return */
void lab_user_return(const struct lab_user *u);
int lab_user_become(const struct lab_user *u, struct err *e);  /* for good */

/* --- lab_programs.c: what is needed -------------------------------------------------------------------- */
int lab_programs_find(struct lab *lab, struct err *e);     /* names what is missing, with its Debian package */
int lab_programs_place(struct lab *lab, struct err *e);    /* copies to DIR/bin what the user cannot reach */
const char *lab_self(struct arena *a);                     /* this program's file */

/* --- lab_port.c ----------------------------------------------------------------------------------------- */
int lab_port_check(int64_t port, struct err *e);

/* --- lab_parts.c: what the parts are --------------------------------------------------------------------- */
void lab_parts_fill(struct lab *lab);                      /* from conf, with what the pid files know */
struct lab_part *lab_part_find(struct lab *lab, const char *name);
bool lab_part_is_alive(const struct lab_part *part);
void lab_part_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv);
const char *const *lab_part_env(const struct lab *lab, const struct lab_part *part, struct arena *a);
/* In the environment of the part and of most that comes from it. */
const char *lab_part_marker(const struct lab *lab, const struct lab_part *part, struct arena *a);
const char *lab_dsn(const struct lab *lab, const char *user, const char *database, struct arena *a);

/* --- lab_proc.c: starting and ending ---------------------------------------------------------------------- */
int lab_part_start(struct lab *lab, struct lab_part *part, struct err *e);      /* returns when it is ready */
int lab_parts_end(struct lab *lab, struct lab_part *const *parts, size_t n, struct err *e); /* of one kind */
int lab_end_all(struct lab *lab, struct err *e);                                /* in order */
int lab_tool_run(struct lab *lab, const char *const *argv, const char *log, struct err *e);
void lab_log_tail(const struct lab *lab, const char *name, int64_t from);       /* its last lines, to stderr */
int64_t lab_log_size(const struct lab *lab, const char *name);

/* --- lab_pid.c: pid files and locks -------------------------------------------------------------------------- */
void lab_pid_write(const struct lab *lab, const char *name, const struct lab_proc *p);
struct lab_proc lab_pid_read(const char *dir, const char *name);
void lab_pid_remove(const struct lab *lab, const char *name);
enum lab_lock { LAB_LOCK_SUPERVISOR, LAB_LOCK_CHANGE };
int lab_lock_take(const struct lab *lab, enum lab_lock which, struct err *e);   /* a descriptor, or -1 */
bool lab_lock_is_taken(const char *dir, enum lab_lock which);

/* --- lab_wait.c: the one place that waits ------------------------------------------------------------------- */
void lab_signals_open(struct lab *lab);
/* Until `fd` (-1: none) is readable, a signal was dealt with or the time is up. True: fd is readable. */
bool lab_wait(struct lab *lab, int fd, int64_t ms);

/* --- lab_pg.c -------------------------------------------------------------------------------------------------- */
int lab_pg_prepare(struct lab *lab, struct err *e);        /* initdb when there is no data yet */
void lab_pg_clean(const struct lab *lab);                   /* only when nothing of it is left */
int lab_pg_wait(struct lab *lab, struct lab_part *part, struct err *e);         /* until it takes connections */
int lab_pg_migrate(struct lab *lab, struct err *e);        /* after a dump when there is something to lose */

/* --- lab_farm.c: is the whole of it ready? since_ms: wall clock, what agents said before does not count -------- */
int lab_farm_wait(struct lab *lab, int64_t since_ms, struct err *e);
/* After a restart: the same as far as `part` goes, and only while what it takes is there. */
int lab_farm_settle(struct lab *lab, const struct lab_part *part, int64_t since_ms, struct err *e);

/* --- lab_ctl.c: asking the supervisor -------------------------------------------------------------------------- */
int lab_ctl_listen(const struct lab *lab, struct err *e);
void lab_ctl_serve(struct lab *lab, int listener);
int lab_ctl_ask(const struct lab *lab, const char *command, struct err *e);

/* --- lab_supervisor.c, lab_up.c ---------------------------------------------------------------------------------- */
int lab_supervise(struct lab *lab, int status_fd, bool json);      /* an exit code */
int lab_restart(struct lab *lab, struct lab_part *part, struct err *e);
const char *lab_url(const struct lab *lab, struct arena *a);
void lab_url_publish(const struct lab *lab, bool is_up);
const char *lab_default_url(struct arena *a);              /* of the user's running default lab; NULL: none runs */

const char *lab_repo_url(struct arena *a, const char *url);     /* a relative local path made absolute */
void lab_warn_of_repo(struct lab *lab, const struct lab_repo *r);
extern const struct verb lab_up_verb, lab_supervise_verb;

#endif
