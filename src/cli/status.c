/* status.c - `orion status`: everything that is known of one task. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/out.h"
#include "lib/clock.h"

struct status_options {
    struct cli_server server;
};

static void line(const char *name, const char *text)
{
    if (text && *text)
        printf("%-12s %s\n", name, text);
}

static const char *joined(struct arena *a, const struct msg_strs *v)
{
    const char *text = NULL;

    for (size_t i = 0; i < v->n; i++)
        text = arena_printf(a, "%s%s%s", text ? text : "", text ? " " : "", v->v[i]);
    return text;
}

static const char *span_of(struct arena *a, const struct msg_v1_task *t)
{
    if (!t->has.started_at)
        return NULL;
    return out_span(a, (t->has.ended_at ? t->ended_at : clock_wall_ms()) - t->started_at);
}

static void print_attempt(struct arena *a, const struct msg_v1_attempt *at)
{
    printf("\nattempt %lld: %s", (long long)at->number, at->state);
    if (at->cause && strcmp(at->state, "succeeded") != 0)
        printf(" (%s)", at->cause);
    printf(" on %s\n", at->agent);
    line("  assigned", out_time(a, true, at->assigned_at));
    line("  started", out_time(a, at->has.started_at, at->started_at));
    line("  ended", out_time(a, at->has.ended_at, at->ended_at));
    line("  commit", at->commit);
    line("  driver", at->driver);
    line("  workspace", at->workspace);
    if (at->has.exit_code)
        line("  exit code", arena_printf(a, "%lld", (long long)at->exit_code));
    line("  message", at->message);
    line("  late", at->late_state);
    if (at->has.log_bytes)
        line("  log", arena_printf(a, "%s, %lld bytes, %lld lines", at->log_state, (long long)at->log_bytes,
                                   (long long)at->log_lines));
    else
        line("  log", at->log_state);
}

static void print_task(struct arena *a, const struct msg_v1_task *t)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&t->id, id);
    line("task", id);
    printf("%-12s ", "state");
    out_state(t->state);
    if (t->cause && strcmp(t->state, "succeeded") != 0)
        printf(" (%s)", t->cause);
    printf("\n");
    line("message", t->message);
    if (t->has.exit_code)
        line("exit code", arena_printf(a, "%lld", (long long)t->exit_code));
    line("project", t->project);
    line("repo", t->repo);
    line("target", t->target);
    line("args", joined(a, &t->args));
    line("ref", t->ref);
    line("commit", t->commit);
    line("mr", t->mr);
    line("driver", t->driver);
    line("labels", joined(a, &t->labels));
    line("created", out_time(a, true, t->created_at));
    line("started", out_time(a, t->has.started_at, t->started_at));
    line("ended", out_time(a, t->has.ended_at, t->ended_at));
    line("took", span_of(a, t));
    for (size_t i = 0; i < t->attempts.n; i++)
        print_attempt(a, &t->attempts.v[i]);
}

static int status(const struct cli_call *call)
{
    const struct status_options *o = call->options;
    const char *text = cli_operand(call, "a task's id");
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    int rc = CLI_OK;

    if (!text)
        return CLI_USAGE;
    const char *id = api_task_id(call->arena, text, &e);
    if (!id || api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (api_read_task(&api, id, &task, &body, &e) < 0)
        rc = cli_fail(&e);
    else if (o->server.common.json)
        out_document(&body);
    else
        print_task(call->arena, &task);
    buf_fini(&body);
    return rc;
}

static const struct opt rows[] = { CLI_SERVER_ROWS };

const struct verb status_verb = {
    .name = "status",
    .synopsis = "[OPTION]... ID",
    .summary = "show a task and its attempts",
    .rows = rows,
    .options_size = sizeof(struct status_options),
    .run = status,
};
