/* run.c - `orion run`: submit, follow the log on standard output, end with the build's outcome.
 *
 * Exit codes: docs/ARCHITECTURE.md "Names that users meet". Ctrl-C leaves the task alone. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/follow.h"
#include "cli/out.h"
#include "cli/outlet.h"
#include "cli/submit.h"
#include "lib/clock.h"
#include "proto/state.h"

struct run_options {
    struct submit_options submit;
    bool propagate;
};

static const char *how_to_attach(struct arena *a, const char *id)
{
    return arena_printf(a, "\norion: the task goes on; to see it again: orion logs -f %s\n", id);
}

static int exit_by_cause(const struct msg_v1_task *t, bool propagate)
{
    if (t->cause && (strcmp(t->cause, "infrastructure") == 0 || strcmp(t->cause, "agent") == 0))
        return CLI_INFRASTRUCTURE;
    if (propagate && t->has.exit_code && t->exit_code != 0)
        return (int)t->exit_code;
    return CLI_FAILED;
}

static int exit_by_state(const struct msg_v1_task *t, bool propagate)
{
    switch (task_state_by_name(t->state)) {
    case TASK_SUCCEEDED:
        return CLI_OK;
    case TASK_CANCELLED:
    case TASK_SUPERSEDED:
        return CLI_CANCELLED;
    case TASK_LOST:
        return CLI_INFRASTRUCTURE;
    default:
        return exit_by_cause(t, propagate);
    }
}

static void tell_outcome(const struct msg_v1_task *t)
{
    fprintf(stderr, "orion: %s", t->state);
    if (t->has.exit_code)
        fprintf(stderr, ", exit code %lld", (long long)t->exit_code);
    if (t->message)
        fprintf(stderr, ": %s", t->message);
    fputc('\n', stderr);
}

static int follow_to_end(const struct api *api, const struct run_options *o, const char *id, int64_t until_ms)
{
    bool json = o->submit.server.common.json;
    struct outlet to = { .fd = json ? STDERR_FILENO : STDOUT_FILENO };
    struct arena scratch = { 0 };
    struct follow f = { .api = api, .scratch = &scratch, .id = id, .until_ms = until_ms, .write = outlet_write,
                        .arg = &to };
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    int rc;

    switch (follow_task(&f, &task, &body, &e)) {
    case FOLLOW_ENDED:
        tell_outcome(&task);
        if (json)
            out_document(&body);
        rc = exit_by_state(&task, o->propagate);
        break;
    case FOLLOW_TOO_LONG:
        fprintf(stderr, "orion: waited too long%s", how_to_attach(api->arena, id));
        rc = CLI_TOO_LONG;
        break;
    case FOLLOW_STOPPED:
        fprintf(stderr, "orion: standard output is closed%s", how_to_attach(api->arena, id));
        rc = CLI_FAILED;
        break;
    default:
        rc = cli_fail(&e);
        fprintf(stderr, "%s", how_to_attach(api->arena, id) + 1);
    }
    buf_fini(&body);
    arena_fini(&scratch);
    return rc;
}

static int run(const struct cli_call *call)
{
    const struct run_options *o = call->options;
    int64_t until_ms = o->submit.timeout.is_given ? (int64_t)clock_boot_ms() + o->submit.timeout.value : 0;
    int64_t patience_ms = ask_patience(&o->submit.timeout);
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    char id[UUID_TEXT_SIZE];
    int rc;

    if (call->args.operands.n == 0)
        return cli_usage(call, "needs a repository");
    if (api_open(&api, &o->submit.server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (patience_ms > ASK_PATIENCE_MS)
        patience_ms = ASK_PATIENCE_MS;
    rc = submit_send(&api, call, patience_ms, &task, &body, &e);
    buf_fini(&body);
    if (rc < 0)
        return cli_fail(&e);
    uuid_format(&task.id, id);
    fprintf(stderr, task.joined ? "orion: joined task %s, which builds the same\n" : "orion: task %s\n", id);
    cli_on_interrupt(how_to_attach(call->arena, id));
    rc = follow_to_end(&api, o, id, until_ms);
    cli_on_interrupt(NULL);
    return rc;
}

static const struct opt rows[] = {
    SUBMIT_ROWS,
    { OPT_FLAG, 0, "propagate", offsetof(struct run_options, propagate), NULL, "end with the build's own exit code", 0,
      0 },
    { OPT_MS, 0, "timeout", offsetof(struct submit_options, timeout), "TIME",
      "stop waiting after this long, with exit code 124 (for ever)", 0, 0 },
    CLI_SERVER_ROWS,
};

const struct verb run_verb = {
    .name = "run",
    .synopsis = "[OPTION]... REPO [TARGET]... [-- ARG...]",
    .summary = "submit a task, follow its log, end as it ends",
    .details = "Exit codes: 0 succeeded; 1 failed (--propagate: the build's own); 6 cancelled or superseded;\n"
               "7 infrastructure or lost; 124 waited too long; 130 interrupted (the task goes on).\n"
               "With --json the log goes to standard error and the task's document to standard output.",
    .rows = rows,
    .options_size = sizeof(struct run_options),
    .run = run,
};
