/* lab_up.c - `orion lab up`: everything that is checked and prepared before the first process is started, then the
 * supervisor, in this process or (--detach) in one of its own session.
 *
 * Rules: man/orion-lab.1. Order: options, programs, folder, lock, leftovers, port, space, sockets, lab.conf, user. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab.h"
#include "cli/lab_left.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/proc.h"

enum { STATUS_FD = 3, LOOK_MS = 50, CORES_MAX = 4096 };

struct up_options {
    struct cli_common common;
    const char *dir, *path;
    struct opt_int port, workers, agents, slots, sinks;
    struct opt_list repos, sets;
    bool detach;
};

/* --- options and lab.conf --------------------------------------------------------------------------------- */

static const char *absolute(struct arena *a, const char *path)
{
    char *real = realpath(path, NULL);
    const char *kept = real ? arena_strdup(a, real) : NULL;

    free(real);
    return kept;
}

/* "." means the folder one stands in: the agents stand elsewhere. */
const char *lab_repo_url(struct arena *a, const char *url)
{
    const char *local = url[0] != '/' && !strchr(url, ':') ? absolute(a, url) : NULL;

    return local ? local : url;
}

static int take_repo(struct lab *lab, const char *word, struct err *e)
{
    const char *equals = strchr(word, '=');

    if (equals)
        word = arena_printf(lab->arena, "%.*s=%s", (int)(equals - word), word, lab_repo_url(lab->arena, equals + 1));
    return lab_conf_repo_word(&lab->conf, word, lab->arena, e);
}

static int take_port(struct lab_conf *c, const struct opt_int *flag, struct err *e)
{
    const char *text = getenv("ORION_PORT");
    char *end = NULL;

    if (flag->is_given) {
        c->port = flag->value;
    } else if (text && *text) {
        long port = strtol(text, &end, 10);
        if (*end != '\0' || port < 1 || port > 65535)
            return err_field(e, "ORION_PORT", "ORION_PORT is not a port: %s", text);
        c->port = port;
    }
    return 0;
}

static void take(int64_t *value, const struct opt_int *flag)
{
    if (flag->is_given)
        *value = flag->value;
}

/* What was said last time holds until something else is said. */
static int merge_options(struct lab *lab, const struct up_options *o, struct err *e)
{
    struct lab_conf *c = &lab->conf;
    struct err none = { 0 };

    if (lab_conf_load(lab, &none) < 0 && none.kind != ERR_NOT_FOUND)
        return err_set(e, none.kind, "%s", none.text);
    take(&c->workers, &o->workers);
    take(&c->agents, &o->agents);
    take(&c->slots, &o->slots);
    take(&c->sinks, &o->sinks);
    if (o->path) {
        c->path = absolute(lab->arena, o->path);
        if (!c->path)
            return err_field(e, "path", "--path %s: %s", o->path, strerror(errno));
    }
    for (size_t i = 0; i < o->repos.n; i++) {
        if (take_repo(lab, o->repos.v[i], e) < 0)
            return -1;
    }
    for (size_t i = 0; i < o->sets.n; i++) {
        if (lab_conf_set_word(c, o->sets.v[i], lab->arena, e) < 0)
            return -1;
    }
    return take_port(c, &o->port, e);
}

static bool has_options(const struct up_options *o)
{
    return o->path || o->port.is_given || o->workers.is_given || o->agents.is_given || o->slots.is_given ||
           o->sinks.is_given || o->repos.n > 0 || o->sets.n > 0;
}

/* --- a lab that runs already ---------------------------------------------------------------------------------- */

static int print_running(struct lab *lab, const struct up_options *o, const char *text)
{
    char *url = arena_strndup(lab->arena, text, strcspn(text, "\n"));

    if (has_options(o))
        fprintf(stderr, "orion lab: it runs already: the options of this call are ignored\n");
    if (o->common.json)
        printf("{\"ready\":true,\"url\":\"%s\"}\n", url);
    else
        printf("ready %s\nexport ORION_URL=%s\n", url, url);
    return CLI_OK;
}

/* Another supervisor has the lock: it is ready, or will be. */
static int join_running(struct lab *lab, const struct up_options *o)
{
    int64_t until = (int64_t)clock_boot_ms() + 2 * LAB_READY_MS;

    while (lab_lock_is_taken(lab->dir, LAB_LOCK_SUPERVISOR) && (int64_t)clock_boot_ms() < until) {
        char *text = lab_file_read(lab_path(lab, "url"));
        bool is_ready = text && *text;
        if (is_ready)
            print_running(lab, o, text);
        mem_free(&text);
        if (is_ready)
            return CLI_OK;
        lab_wait(lab, -1, LOOK_MS);
    }
    fprintf(stderr, "orion lab: another orion lab up works on %s and did not get ready\n", lab->dir);
    return CLI_FAILED;
}

/* --- what comes before the first process ------------------------------------------------------------------------ */

/* A supervisor that was killed leaves its parts running: they end before others take their place. */
static int end_leftovers(struct lab *lab, struct err *e)
{
    for (size_t i = 0; i < lab->n_parts; i++) {
        if (lab_part_is_alive(&lab->parts[i])) {
            fprintf(stderr, "orion lab: ending what a killed supervisor left behind\n");
            break;
        }
    }
    return lab_end_all(lab, e);
}

/* A repository the agents cannot read is no reason not to start, but a good one to speak. */
void lab_warn_of_repo(struct lab *lab, const struct lab_repo *r)
{
    const char *path = strncmp(r->url, "file://", 7) == 0 ? r->url + 7 : r->url;
    struct err e = { 0 };

    if (path[0] != '/' || lab_user_assume(&lab->user, &e) < 0)
        return;
    const char *stop = lab_reach_stop(lab->arena, path);
    lab_user_return(&lab->user);
    if (stop)
        fprintf(stderr, "orion lab: repository %s: user %s may not enter %s; its builds will fail\n", r->name,
                lab->user.name, stop);
}

static int prepare_locked(struct lab *lab, const struct up_options *o, struct err *e)
{
    /* Leftovers were started with the options of lab.conf, which this call may change. */
    struct err none = { 0 };
    if (lab_conf_load(lab, &none) == 0) {
        lab_parts_fill(lab);
        if (end_leftovers(lab, e) < 0)
            return -1;
    }
    if (merge_options(lab, o, e) < 0)
        return -1;
    lab_parts_fill(lab);
    if (lab_port_check(lab->conf.port, e) < 0 || lab_dirs_check_space(lab, e) < 0 || lab_dirs_make(lab, e) < 0 ||
        lab_programs_place(lab, e) < 0 || lab_sockets_make(lab, e) < 0)
        return -1;
    if (lab_conf_save(lab, e) < 0)
        return -1;
    for (size_t i = 0; i < lab->conf.n_repos; i++)
        lab_warn_of_repo(lab, &lab->conf.repos[i]);
    return 0;
}

static int prepare(struct lab *lab, const struct up_options *o, struct err *e)
{
    lab->dir = lab_dir_resolve(lab->arena, o->dir, e);
    if (!lab->dir)
        return -1;
    if (lab_user_find(lab->arena, lab->dir, &lab->user, e) < 0 || lab_dirs_check_reach(lab, e) < 0 ||
        merge_options(lab, o, e) < 0 || lab_programs_find(lab, e) < 0)
        return -1;
    lab_parts_fill(lab);
    return 0;
}

/* Whatever is not the fault of the words on the command line is 1. */
static int up_fail(const struct err *e)
{
    fprintf(stderr, "orion lab: %s\n", e->text);
    return e->kind == ERR_INVALID ? CLI_USAGE : CLI_FAILED;
}

/* The exit code. The lock is held by this process until it ends. */
static int up_here(struct lab *lab, const struct up_options *o, int status_fd)
{
    struct err e = { 0 };

    umask(022);
    if (prepare(lab, o, &e) < 0)
        return up_fail(&e);
    if (lab_lock_is_taken(lab->dir, LAB_LOCK_SUPERVISOR))
        return join_running(lab, o);
    if (lab_dirs_make_first(lab, &e) < 0)
        return up_fail(&e);
    int lock = lab_lock_take(lab, LAB_LOCK_SUPERVISOR, &e);
    if (lock < 0)
        return e.kind == ERR_CONFLICT ? join_running(lab, o) : up_fail(&e);
    if (prepare_locked(lab, o, &e) < 0 || lab_user_become(&lab->user, &e) < 0 || chdir(lab->dir) < 0) {
        if (e.kind == ERR_NONE)
            err_sys(&e, "cannot enter %s", lab->dir);
        return up_fail(&e);
    }
    int rc = lab_supervise(lab, status_fd, o->common.json);
    close(lock);
    return rc;
}

/* --- --detach --------------------------------------------------------------------------------------------------- */

/* The same words to this program again, in a session of its own. It borrows stdout and stderr until it is ready. */
static int spawn_supervisor(const struct cli_call *call, int status_fd, pid_t *pid_r, struct err *e)
{
    const char **argv = arena_alloc(call->arena, ((size_t)call->argc + 4) * sizeof(*argv));
    const struct proc_fd fds[] = { { STDOUT_FILENO, STDOUT_FILENO },
                                   { STDERR_FILENO, STDERR_FILENO },
                                   { STATUS_FD, status_fd } };
    struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = ARRAY_LEN(fds), .new_session = true };
    size_t n = 0;

    argv[n++] = lab_self(call->arena);
    argv[n++] = "lab";
    argv[n++] = "supervise";
    for (int i = 0; i < call->argc; i++)
        argv[n++] = call->argv[i];
    return proc_spawn(&spec, pid_r, e);
}

static int up_detached(const struct cli_call *call)
{
    struct err e = { 0 };
    int ends[2], wstatus = 0;
    pid_t pid;
    char word;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        err_sys(&e, "cannot make a pipe");
        return cli_fail(&e);
    }
    int rc = spawn_supervisor(call, ends[1], &pid, &e);
    close(ends[1]);
    if (rc < 0)
        return cli_fail(&e);
    ssize_t n = read(ends[0], &word, 1);
    close(ends[0]);
    if (n == 1)
        return CLI_OK;
    waitpid(pid, &wstatus, 0);
    return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : CLI_FAILED;
}

/* --- the verbs -------------------------------------------------------------------------------------------------- */

static int up_with(const struct cli_call *call, int status_fd)
{
    struct lab *lab = arena_alloc(call->arena, sizeof(*lab));

    lab->arena = call->arena;
    lab->signals = -1;
    return up_here(lab, call->options, status_fd);
}

static int up(const struct cli_call *call)
{
    const struct up_options *o = call->options;

    if (call->args.operands.n > 0 || call->args.rest.n > 0)
        return cli_usage(call, "takes no argument");
    return o->detach ? up_detached(call) : up_with(call, -1);
}

static int supervise(const struct cli_call *call)
{
    fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC);
    return up_with(call, STATUS_FD);
}

#define AT(member) offsetof(struct up_options, member)
static const struct opt rows[] = {
    { OPT_STR, 0, "dir", AT(dir), "DIR", "where everything is kept", 0, 0 },
    { OPT_INT, 0, "port", AT(port), "PORT", "of the gateway (ORION_PORT; 8004)", 1, 65535 },
    { OPT_INT, 0, "workers", AT(workers), "N", "processes of the gateway (2)", 1, 64 },
    { OPT_INT, 0, "agents", AT(agents), "N", "agents on this machine (1)", 0, 64 },
    { OPT_INT, 0, "slots", AT(slots), "N", "attempts that each agent runs at once (the cores)", 1, CORES_MAX },
    { OPT_INT, 0, "sinks", AT(sinks), "N", "log sinks (1)", 1, 16 },
    { OPT_LIST, 0, "repo", AT(repos), "NAME=URL", "a repository the agents may build", 0, 0 },
    { OPT_STR, 0, "path", AT(path), "DIR", "goes first in the builds' PATH", 0, 0 },
    { OPT_LIST, 0, "set", AT(sets), "NAME=VALUE", "a setting of the daemons, such as ORION_RETRY_DELAY=5s", 0, 0 },
    { OPT_FLAG, 0, "detach", AT(detach), NULL, "return when it is ready", 0, 0 },
    CLI_COMMON_ROWS,
};

const struct verb lab_up_verb = {
    .name = "lab up",
    .synopsis = "[OPTION]...",
    .summary = "start a whole farm on this machine",
    .details = "Needs no configuration and no root. Ctrl-C stops it in order, a second one at once. Options are\n"
               "kept in DIR/lab.conf and hold until others are given.",
    .rows = rows,
    .options_size = sizeof(struct up_options),
    .run = up,
};

/* Not for people: what --detach starts. */
const struct verb lab_supervise_verb = {
    .name = "lab supervise",
    .synopsis = "[OPTION]...",
    .rows = rows,
    .options_size = sizeof(struct up_options),
    .run = supervise,
};
