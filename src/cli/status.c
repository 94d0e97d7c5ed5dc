/* status.c - `orion status`: everything that is known of one task. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/out.h"
#include "lib/clock.h"

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

static const char *numbers(struct arena *a, const struct msg_ints *v)
{
    const char *text = NULL;

    for (size_t i = 0; i < v->n; i++)
        text = arena_printf(a, "%s%s%lld", text ? text : "", text ? " " : "", (long long)v->v[i]);
    return text;
}

static void line_seconds(struct arena *a, const char *name, bool has, int64_t seconds)
{
    if (has)
        line(name, out_span(a, seconds * 1000));
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
    if (at->stopping && strcmp(at->state, "stopping") == 0)
        printf(" (%s)", at->stopping);
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

/* Why it waits, and for how long at least. */
static void print_wait(struct arena *a, const struct msg_v1_task *t)
{
    line("reason", t->reason);
    if (t->has.position)
        line("position", arena_printf(a, "%lld", (long long)t->position));
    line("not before", out_time(a, t->has.not_before, t->not_before));
}

/* What its submission said of when and how often it is built. */
static void print_policy(struct arena *a, const struct msg_v1_task *t)
{
    char id[UUID_TEXT_SIZE];

    line("priority", t->priority);
    line("group", t->concurrency_group);
    line("after", joined(a, &t->after));
    if (t->after.n > 0)
        line("condition", t->after_condition);
    line_seconds(a, "build limit", t->has.timeout_s, t->timeout_s);
    line_seconds(a, "silence", t->has.silence_timeout_s, t->silence_timeout_s);
    line_seconds(a, "queue limit", t->has.queue_timeout_s, t->queue_timeout_s);
    if (t->has.tries)
        line("tries", arena_printf(a, "%lld", (long long)t->tries));
    line("retry on", joined(a, &t->retry_on));
    line("retry codes", numbers(a, &t->retry_exit_codes));
    if (t->has.retry_of) {
        uuid_format(&t->retry_of, id);
        line("retry of", id);
    }
}

static void print_task(struct arena *a, const void *message)
{
    const struct msg_v1_task *t = message;
    char id[UUID_TEXT_SIZE];

    uuid_format(&t->id, id);
    line("task", id);
    printf("%-12s ", "state");
    out_state(t->state);
    if (t->cause && strcmp(t->state, "succeeded") != 0)
        printf(" (%s)", t->cause);
    printf("\n");
    line("message", t->message);
    print_wait(a, t);
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
    print_policy(a, t);
    line("created", out_time(a, true, t->created_at));
    line("started", out_time(a, t->has.started_at, t->started_at));
    line("ended", out_time(a, t->has.ended_at, t->ended_at));
    line("took", span_of(a, t));
    for (size_t i = 0; i < t->attempts.n; i++)
        print_attempt(a, &t->attempts.v[i]);
}

static int status(const struct cli_call *call)
{
    const char *text = cli_operand(call, "a task's id");
    struct msg_v1_task task = { 0 };
    const struct ask_answer answer = { MSG_V1_TASK, &task, print_task };
    struct err e = { 0 };

    if (!text)
        return CLI_USAGE;
    const char *id = api_task_id(call->arena, text, &e);
    return id ? ask_get(call, api_path(call->arena, "/v1/tasks/", id, ""), &answer) : cli_fail(&e);
}

static const struct opt rows[] = { CLI_SERVER_ROWS };

const struct verb status_verb = {
    .name = "status",
    .synopsis = "[OPTION]... ID",
    .summary = "show a task and its attempts",
    .rows = rows,
    .options_size = sizeof(struct ask_options),
    .run = status,
};
