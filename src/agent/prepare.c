/* prepare.c - from an assignment to a running runner: repository, ref, workspace, driver, tools, environment, first
 * lines of the log. Whatever is missing ends the attempt as `failed` with a sentence for the task; that sentence is
 * its log, written by a runner that has no command to run, so that every log is made and sealed the same way. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attempts.h"
#include "agent/drivers.h"
#include "agent/gitref.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/proc.h"

enum { KILL_MS = 3000, NOTES_MAX = 60000, MESSAGE_MAX = 4000, OUTPUT_MAX = 16000 };

/* --- the runner ------------------------------------------------------------------------------------ */

static int folder_make(const char *path, struct err *e)
{
    return mkdir(path, 0755) < 0 && errno != EEXIST ? err_sys(e, "cannot make the folder %s", path) : 0;
}

static int runner_start(struct attempt *a, const char *notes, struct msg_command_list commands, struct msg_pairs env,
                        struct err *e)
{
    struct agent *agent = a->all->agent;
    struct msg_runner_job job = {
        .task_id = a->order.task_id,
        .attempt = a->order.attempt,
        .spool = a->spool,
        .spool_max = agent->settings->spool_max,
        .cwd = commands.n ? a->workspace : agent->identity.dir,
        .notes = notes,
        .commands = commands,
        .env = env,
        .separate_streams = a->order.separate_streams,
        .kill_ms = KILL_MS,
        .silence_timeout_ms = a->order.silence_timeout_ms,
        .log_max = a->order.log_max,
    };
    const struct run_spec spec = { agent->identity.runner, &job };

    job.has.separate_streams = true;
    job.has.silence_timeout_ms = job.silence_timeout_ms > 0;
    job.has.log_max = job.log_max > 0;
    if (!a->ship.reader)
        ship_init(a);
    a->run = run_start(agent->runs, &spec, &finish_run_hooks, a, e);
    if (!a->run)
        return -1;
    attempt_hold(a, HOLD_RUNNING);
    return 0;
}

/* --- ending without a command ---------------------------------------------------------------------- */

static void result_decide(struct attempt *a, const struct verdict *v, const char *notes)
{
    struct msg_pair path = { "PATH", a->all->agent->path };
    struct err e = { 0 };

    a->is_decided = true;
    finish_set(a, v);
    attempt_keep(a, RECORD_STARTED, false);
    if (runner_start(a, notes, (struct msg_command_list){ 0 }, (struct msg_pairs){ &path, 1 }, &e)) {
        log_error("no log of what was not built", log_str("attempt", a->name), log_err(&e));
        finish_without_run(a);
    }
}

void prepare_fail(struct attempt *a, const char *cause, const char *message, const char *output)
{
    struct arena *arena = &a->arena;
    const struct verdict v = { "failed", cause, text_clean(message, MESSAGE_MAX, arena) };

    log_info("setup failed", log_str("attempt", a->name), log_str("cause", cause), log_str("message", v.message));
    result_decide(a, &v,
                  arena_printf(arena, "orion: %s\n%s", v.message, text_clean(output ? output : "", OUTPUT_MAX, arena)));
}

void prepare_decided(struct attempt *a)
{
    const struct verdict v = { a->result.outcome, a->result.cause, a->result.message };

    result_decide(a, &v, arena_printf(&a->arena, "orion: %s\n", v.message ? v.message : v.outcome));
}

/* Nothing of the preparation runs. What is given back is begun anew elsewhere: its log would be of no use. */
static void prepare_stopped(struct attempt *a)
{
    const struct verdict *v = &a->verdict;

    if (strcmp(v->outcome, "lost") == 0) {
        finish_set(a, v);
        finish_without_run(a);
    } else {
        result_decide(a, v, arena_printf(&a->arena, "orion: %s: stopped\n", v->message));
    }
}

/* --- driver, tools, environment, notes ------------------------------------------------------------- */

static bool probe_root(void *arg, const char *name, bool is_executable)
{
    const struct attempt *a = arg;
    char *path = mem_printf("%s/%s", a->workspace, name);
    struct stat st;
    bool found = stat(path, &st) == 0 && S_ISREG(st.st_mode) && (!is_executable || st.st_mode & S_IXUSR);

    mem_free(&path);
    return found;
}

/* Every tool has to be there before anything starts: the sentence says how to get it. */
static int tools_check(struct attempt *a, const struct drivers_plan *plan, struct msg_pairs env, struct err *e)
{
    const char *path = buildenv_get(env, "PATH");

    for (const struct drivers_tool *tool = plan->tools; tool->program; tool++) {
        char *found = proc_find(tool->program, path);

        if (!found)
            return err_set(e, ERR_NOT_FOUND, "%s: not found on %s (%s)", tool->program, a->all->agent->identity.name,
                           tool->hint);
        mem_free(&found);
    }
    return 0;
}

static struct msg_pairs env_make(struct attempt *a)
{
    const struct msg_task_assign *o = &a->order;
    const struct agent *agent = a->all->agent;
    struct buildenv b = {
        .path = agent->path,
        .home = arena_printf(&a->arena, "%s/home", agent->identity.dir),
        .tmp = a->tmp,
        .attempt = o->attempt,
        .repo = o->repo,
        .commit = a->commit,
        .ref = a->ref,
        .mr = o->mr,
        .target = o->target,
        .own = o->env,
    };
    char id[UUID_TEXT_SIZE];

    uuid_format(&o->task_id, id);
    b.task_id = arena_strdup(&a->arena, id);
    return buildenv_make(&b, &a->arena);
}

static const char *notes_make(struct attempt *a, const struct drivers_plan *plan)
{
    const size_t each = NOTES_MAX / (plan->commands.n ? plan->commands.n : 1);
    struct arena *arena = &a->arena;
    const char *notes = arena_printf(arena, "orion: driver %s, commit %s, agent %s\n", plan->driver, a->commit,
                                     a->all->agent->identity.name);

    for (size_t i = 0; i < plan->commands.n; i++) {
        const char *line = text_command(plan->commands.v[i].argv, arena);
        const bool is_cut = strlen(line) > each;

        notes = arena_printf(arena, "%sorion: %s%s\n", notes, text_clean(line, each, arena), is_cut ? " ..." : "");
    }
    return notes;
}

static const char *driver_wanted(const struct attempt *a)
{
    return a->order.driver && *a->order.driver ? a->order.driver : a->row_driver;
}

static void build_start(struct attempt *a)
{
    const struct identity *i = &a->all->agent->identity;
    const struct drivers_order order = {
        .driver = driver_wanted(a),
        .target = a->order.target,
        .args = a->order.args,
        .jobs = i->cores > i->slots ? i->cores / i->slots : 1,
    };
    const struct msg_pairs env = env_make(a);
    struct drivers_plan plan;
    struct err e = { 0 };

    if (drivers_plan(&order, probe_root, a, &a->arena, &plan, &e) || tools_check(a, &plan, env, &e)) {
        prepare_fail(a, "setup", e.text, NULL);
        return;
    }
    a->driver = plan.driver;
    a->stage = RECORD_STARTED;
    if (folder_make(a->tmp, &e) || attempt_save(a, false, &e)) {
        prepare_fail(a, "infrastructure", e.text, NULL);
        return;
    }
    facts_tell(a, FACT_PREPARED);
    if (runner_start(a, notes_make(a, &plan), plan.commands, env, &e))
        prepare_fail(a, e.kind == ERR_TOO_LARGE ? "setup" : "infrastructure", e.text, NULL);
}

/* --- the workspace --------------------------------------------------------------------------------- */

static void on_workspace(void *arg, const struct workspace_end *end)
{
    struct attempt *a = arg;

    a->op = NULL;
    if (a->hold == HOLD_DROPPED) {
        attempt_hold(a, HOLD_GONE);
        return;
    }
    if (a->verdict.outcome) {
        prepare_stopped(a);
        return;
    }
    if (!end->commit) {
        prepare_fail(a, end->cause, end->message, end->output);
        return;
    }
    a->commit = arena_strdup(&a->arena, end->commit);
    build_start(a);
}

/* What the task asks for, as ARCHITECTURE "What is built" says. */
static int ref_find(struct attempt *a, const struct repos_row *row, struct err *e)
{
    const struct msg_task_assign *o = &a->order;

    if (o->commit && !gitref_is_id(o->commit))
        return err_set(e, ERR_INVALID, "%s: not a commit id", o->commit);
    if (o->ref && *o->ref) {
        a->ref = o->ref;
        return gitref_check(o->ref, e);
    }
    if (!o->mr || !*o->mr || !row->mr_ref)
        return 0;
    a->ref = gitref_of_mr(row->mr_ref, o->mr, &a->arena, e);
    return a->ref ? 0 : -1;
}

void prepare_start(struct attempt *a)
{
    struct agent *agent = a->all->agent;
    struct workspace_order order = { .commit = a->order.commit, .path = a->workspace };
    struct repos_row row;
    struct err e = { 0 };

    if (repos_refresh(agent->repos, &e))
        log_error("the repository table is as it was before", log_err(&e));
    err_clear(&e);
    if (repos_find(agent->repos, a->order.repo, &row, &e) || ref_find(a, &row, &e)) {
        prepare_fail(a, "setup", e.text, NULL);
        return;
    }
    a->row_driver = arena_strdup(&a->arena, row.driver);
    order.repo = row.name;
    order.url = row.url;
    order.ref = a->ref;
    a->op = workspace_prepare(agent->workspaces, &order, on_workspace, a);
}

void prepare_stop(struct attempt *a)
{
    a->is_waiting = false;
    if (workspace_stop(&a->op))
        prepare_stopped(a);
}

void prepare_cancel(struct attempt *a)
{
    workspace_cancel(&a->op);
}
