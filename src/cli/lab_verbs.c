/* lab_verbs.c - `orion lab` but for up: status, down, restart, repo add, psql. Each works whether the supervisor
 * lives or was killed. Rules: man/orion-lab.1. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab.h"
#include "cli/lab_left.h"
#include "cli/out.h"
#include "lib/clock.h"
#include "lib/proc.h"

enum { DOWN_MS = 25000, LOOK_MS = 50 };

struct lab_options {
    struct cli_common common;
    const char *dir;
};
struct repo_options {
    struct lab_options lab;
    const char *driver, *mr_ref;
};

static struct lab *lab_open(struct arena *a, const char *dir, struct err *e)
{
    struct lab *lab = arena_alloc(a, sizeof(*lab));

    lab->arena = a;
    lab->signals = -1;
    lab->dir = lab_dir_resolve(a, dir, e);
    if (!lab->dir || lab_conf_load(lab, e) < 0 || lab_user_find(a, lab->dir, &lab->user, e) < 0)
        return NULL;
    lab_parts_fill(lab);
    return lab;
}

static int lab_fail(const struct err *e)
{
    fprintf(stderr, "orion lab: %s\n", e->text);
    return cli_exit_code(e->kind);
}

static bool is_supervised(const struct lab *lab)
{
    return lab_lock_is_taken(lab->dir, LAB_LOCK_SUPERVISOR);
}

static size_t count_alive(const struct lab *lab)
{
    size_t n = 0;

    for (size_t i = 0; i < lab->n_parts; i++)
        n += lab_part_is_alive(&lab->parts[i]);
    return n;
}

/* --- status ------------------------------------------------------------------------------------------------------ */

static const char *part_state(const struct lab_part *p)
{
    if (lab_part_is_alive(p))
        return "running";
    return p->proc.pid > 0 ? "ended" : "stopped"; /* an orderly stop takes the pid file away */
}

static const char *pid_text(const struct lab *lab, const struct lab_proc *p)
{
    return lab_proc_is_alive(p) ? arena_printf(lab->arena, "%d", (int)p->pid) : NULL;
}

static void status_human(const struct lab *lab, const struct lab_proc *supervisor)
{
    static const char *const heads[] = { "PART", "PID", "STATE", "LOG" };
    struct out_table t = { .arena = lab->arena, .columns = ARRAY_LEN(heads) };
    const char *first[] = { "supervisor", pid_text(lab, supervisor), is_supervised(lab) ? "running" : "stopped", NULL };

    printf("dir  %s\nurl  %s\n\n", lab->dir, lab_url(lab, lab->arena));
    out_row(&t, heads);
    out_row(&t, first);
    for (size_t i = 0; i < lab->n_parts; i++) {
        const struct lab_part *p = &lab->parts[i];
        const char *cells[] = { p->name, pid_text(lab, &p->proc), part_state(p),
                                arena_printf(lab->arena, "log/%s.log", p->name) };
        out_row(&t, cells);
    }
    out_table_print(&t);
}

static void put_part(struct buf *out, const char *name, const char *pid, const char *state)
{
    buf_printf(out, "{\"name\":\"%s\",\"pid\":%s,\"state\":\"%s\"}", name, pid ? pid : "null", state);
}

static void status_json(const struct lab *lab, const struct lab_proc *supervisor)
{
    struct buf out = { 0 };

    buf_puts(&out, "{\"dir\":");
    out_json_text(&out, lab->dir);
    buf_puts(&out, ",\"url\":");
    out_json_text(&out, lab_url(lab, lab->arena));
    buf_puts(&out, ",\"supervisor\":");
    put_part(&out, "supervisor", pid_text(lab, supervisor), is_supervised(lab) ? "running" : "stopped");
    buf_puts(&out, ",\"parts\":[");
    for (size_t i = 0; i < lab->n_parts; i++) {
        buf_puts(&out, i > 0 ? "," : "");
        put_part(&out, lab->parts[i].name, pid_text(lab, &lab->parts[i].proc), part_state(&lab->parts[i]));
    }
    printf("%s]}\n", out.data);
    buf_fini(&out);
}

static int status(const struct cli_call *call)
{
    const struct lab_options *o = call->options;
    struct err e = { 0 };
    struct lab *lab = lab_open(call->arena, o->dir, &e);

    if (!lab)
        return lab_fail(&e);
    struct lab_proc supervisor = lab_pid_read(lab->dir, "supervisor");
    if (o->common.json)
        status_json(lab, &supervisor);
    else
        status_human(lab, &supervisor);
    return CLI_OK;
}

/* --- down ------------------------------------------------------------------------------------------------------- */

static void end_supervisor(struct lab *lab)
{
    struct lab_proc p = lab_pid_read(lab->dir, "supervisor");
    int64_t until = (int64_t)clock_boot_ms() + DOWN_MS;

    lab_proc_kill(&p, SIGTERM);
    while (is_supervised(lab) && (int64_t)clock_boot_ms() < until)
        lab_wait(lab, -1, LOOK_MS);
    if (is_supervised(lab)) {
        lab_proc_kill(&p, SIGKILL);
        for (int i = 0; i < DOWN_MS / LOOK_MS && is_supervised(lab); i++)
            lab_wait(lab, -1, LOOK_MS);
    }
}

/* With the supervisor gone: what it left, in its order. */
static int end_rest(struct lab *lab, struct err *e)
{
    int lock = lab_lock_take(lab, LAB_LOCK_SUPERVISOR, e);

    if (lock < 0)
        return -1;
    lab_url_publish(lab, false);
    lab_parts_fill(lab);
    int rc = lab_end_all(lab, e);
    lab_pid_remove(lab, "supervisor");
    if (lab->conf.sockets)
        lab_sockets_remove(lab);
    close(lock);
    return rc;
}

static int down(const struct cli_call *call)
{
    const struct lab_options *o = call->options;
    struct err e = { 0 };
    struct lab *lab = lab_open(call->arena, o->dir, &e);

    if (!lab && e.kind == ERR_NOT_FOUND) {
        fprintf(stderr, "orion lab: nothing runs: %s\n", e.text);
        return CLI_OK;
    }
    if (!lab)
        return lab_fail(&e);
    bool was_running = is_supervised(lab) || count_alive(lab) > 0;
    if (is_supervised(lab))
        end_supervisor(lab);
    if (end_rest(lab, &e) < 0)
        return lab_fail(&e);
    if (o->common.json)
        printf("{\"stopped\":%s}\n", was_running ? "true" : "false");
    else
        fprintf(stderr, "orion lab: %s\n", was_running ? "stopped" : "nothing runs");
    return CLI_OK;
}

/* --- restart ---------------------------------------------------------------------------------------------------- */

static int unknown_part(const struct lab *lab, const char *name)
{
    const char *names[LAB_PARTS_MAX];

    for (size_t i = 0; i < lab->n_parts; i++)
        names[i] = lab->parts[i].name;
    const char *near = opts_nearest(name, names, lab->n_parts);
    fprintf(stderr, "orion lab: no part %s%s%s%s; `orion lab status` lists them\n", name, near ? " (did you mean " : "",
            near ? near : "", near ? "?)" : "");
    return CLI_NOT_FOUND;
}

/* The supervisor was killed: the new process has no parent but init, and its own session. */
static int restart_alone(struct lab *lab, struct lab_part *part, struct err *e)
{
    int lock = lab_lock_take(lab, LAB_LOCK_CHANGE, e), rc = -1;

    if (lock < 0)
        return -1;
    if (count_alive(lab) == 0)
        err_set(e, ERR_UNAVAILABLE, "nothing runs in %s; start it with: orion lab up --dir %s", lab->dir, lab->dir);
    else if (lab_user_become(&lab->user, e) == 0) {
        lab_signals_open(lab);
        rc = lab_restart(lab, part, e);
    }
    close(lock);
    return rc;
}

static int restart(const struct cli_call *call)
{
    const struct lab_options *o = call->options;
    const char *name = cli_operand(call, "a part's name");
    struct err e = { 0 };
    int rc;

    if (!name)
        return CLI_USAGE;
    struct lab *lab = lab_open(call->arena, o->dir, &e);
    if (!lab)
        return lab_fail(&e);
    struct lab_part *part = lab_part_find(lab, name);
    if (!part)
        return unknown_part(lab, name);
    /* Programs that were built anew are taken: as root into DIR/bin, where the supervisor finds them. */
    if (lab_programs_find(lab, &e) < 0 || lab_programs_place(lab, &e) < 0)
        return lab_fail(&e);
    if (is_supervised(lab))
        rc = lab_ctl_ask(lab, arena_printf(call->arena, "restart %s", name), &e);
    else
        rc = restart_alone(lab, part, &e);
    if (rc < 0) {
        fprintf(stderr, "orion lab: %s\n", e.text);
        return CLI_FAILED;
    }
    if (o->common.json)
        printf("{\"restarted\":\"%s\",\"pid\":%d}\n", name, (int)lab_pid_read(lab->dir, name).pid);
    return CLI_OK;
}

/* --- repo add --------------------------------------------------------------------------------------------------- */

static int repo_add(const struct cli_call *call)
{
    const struct repo_options *o = call->options;
    struct err e = { 0 };

    if (call->args.operands.n != 2)
        return cli_usage(call, "needs a name and a URL");
    struct lab *lab = lab_open(call->arena, o->lab.dir, &e);
    if (!lab)
        return lab_fail(&e);
    int lock = lab_lock_take(lab, LAB_LOCK_CHANGE, &e);
    if (lock < 0)
        return lab_fail(&e);
    struct lab_repo r = { call->args.operands.v[0], lab_repo_url(call->arena, call->args.operands.v[1]), o->driver,
                          o->mr_ref };
    /* read again under the lock: somebody may have added another meanwhile */
    int rc = lab_conf_load(lab, &e) < 0 || lab_conf_repo(&lab->conf, &r, &e) < 0 || lab_conf_save(lab, &e) < 0;
    close(lock);
    if (rc)
        return lab_fail(&e);
    lab_warn_of_repo(lab, &r);
    if (o->lab.common.json)
        printf("{\"repositories\":%zu}\n", lab->conf.n_repos);
    return CLI_OK;
}

/* --- psql ------------------------------------------------------------------------------------------------------- */

/* --dir is ours wherever it stands; every other word is psql's. */
static const char *take_dir(const struct cli_call *call, const char **argv, size_t *n)
{
    const char *dir = NULL;

    for (int i = 0; i < call->argc; i++) {
        if (strcmp(call->argv[i], "--dir") == 0 && i + 1 < call->argc)
            dir = call->argv[++i];
        else if (strncmp(call->argv[i], "--dir=", 6) == 0)
            dir = call->argv[i] + 6;
        else
            argv[(*n)++] = call->argv[i];
    }
    return dir;
}

static int wait_for_psql(pid_t pid)
{
    int wstatus = 0;

    signal(SIGINT, SIG_IGN); /* Ctrl-C is for psql */
    signal(SIGQUIT, SIG_IGN);
    waitpid(pid, &wstatus, 0);
    return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 128 + WTERMSIG(wstatus);
}

static int psql(const struct cli_call *call)
{
    static const struct proc_fd fds[] = { { 0, 0 }, { 1, 1 }, { 2, 2 } };
    const char **argv = arena_alloc(call->arena, ((size_t)call->argc + 2) * sizeof(*argv));
    struct err e = { 0 };
    size_t n = 1;
    pid_t pid;
    struct lab *lab = lab_open(call->arena, take_dir(call, argv, &n), &e);

    if (!lab)
        return lab_fail(&e);
    if (!lab->conf.sockets || !lab_part_is_alive(lab_part_find(lab, "postgres"))) {
        fprintf(stderr, "orion lab: PostgreSQL does not run in %s\n", lab->dir);
        return CLI_UNREACHABLE;
    }
    if (lab_programs_find(lab, &e) < 0)
        return lab_fail(&e);
    argv[0] = arena_printf(call->arena, "%s/psql", lab->pg_bin);
    setenv("PGHOST", lab->conf.sockets, 1);
    setenv("PGUSER", "orion", 1);
    setenv("PGDATABASE", "orion", 1);
    unsetenv("PGPORT");
    struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = ARRAY_LEN(fds) };
    return proc_spawn(&spec, &pid, &e) < 0 ? lab_fail(&e) : wait_for_psql(pid);
}

/* --- the table -------------------------------------------------------------------------------------------------- */

#define DIR_ROW { OPT_STR, 0, "dir", offsetof(struct lab_options, dir), "DIR", "the lab's folder", 0, 0 }

static const struct opt rows[] = { DIR_ROW, CLI_COMMON_ROWS };
static const struct opt repo_rows[] = {
    DIR_ROW,
    { OPT_STR, 0, "driver", offsetof(struct repo_options, driver), "NAME", "build tool, if not the first that fits", 0,
      0 },
    { OPT_STR, 0, "mr-ref", offsetof(struct repo_options, mr_ref), "REF",
      "what a merge request builds, such as refs/merge-requests/{mr}/head", 0, 0 },
    CLI_COMMON_ROWS,
};

static const struct verb status_sub = { .name = "lab status",
                                        .synopsis = "[--dir DIR]",
                                        .summary = "show the parts of a lab",
                                        .rows = rows,
                                        .options_size = sizeof(struct lab_options),
                                        .run = status };
static const struct verb down_sub = { .name = "lab down",
                                      .synopsis = "[--dir DIR]",
                                      .summary = "stop a lab in order; its data stays",
                                      .rows = rows,
                                      .options_size = sizeof(struct lab_options),
                                      .run = down };
static const struct verb restart_sub = { .name = "lab restart",
                                         .synopsis = "[--dir DIR] NAME",
                                         .summary = "end a part and start it again",
                                         .details = "NAME is postgres, scheduler, logsink-N, gateway or agent-N.",
                                         .rows = rows,
                                         .options_size = sizeof(struct lab_options),
                                         .run = restart };
static const struct verb repo_add_sub = { .name = "lab repo add",
                                          .synopsis = "[OPTION]... NAME URL",
                                          .summary = "let the agents build a repository",
                                          .details = "Adds or replaces; the agents see it with their next task.",
                                          .rows = repo_rows,
                                          .options_size = sizeof(struct repo_options),
                                          .run = repo_add };
static const struct verb *const repo_subs[] = { &repo_add_sub, NULL };
static const struct verb repo_sub = { .name = "lab repo",
                                      .synopsis = "add [OPTION]... NAME URL",
                                      .summary = "the repositories of a lab",
                                      .subs = repo_subs };
static const struct verb psql_sub = { .name = "lab psql",
                                      .synopsis = "[--dir DIR] [PSQL-ARGUMENT]...",
                                      .summary = "look into a lab's database",
                                      .run = psql };
static const struct verb *const subs[] = { &lab_up_verb,  &status_sub,         &down_sub, &restart_sub, &repo_sub,
                                           &psql_sub, &lab_supervise_verb, NULL };

const struct verb lab_verb = { .name = "lab",
                               .synopsis = "up | status | down | restart | repo add | psql [OPTION]...",
                               .summary = "a whole farm on this machine",
                               .subs = subs };
