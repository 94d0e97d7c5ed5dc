/* cancel.c - `orion cancel`: ends tasks, and (--wait) sees them ended. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/out.h"
#include "proto/state.h"

enum { PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 500 };

struct cancel_options {
    struct ask_options ask;
    const char *reason;
    bool wait;
};

static bool is_over(const struct msg_v1_task *t)
{
    int state = task_state_by_name(t->state);

    return state >= 0 && task_is_terminal((enum task_state)state);
}

static int send_cancel(const struct api *api, const struct cancel_options *o, const char *id,
                       struct msg_v1_task *task_r, struct buf *body_r, struct err *e)
{
    struct msg_v1_cancel m = { .reason = o->reason };
    struct buf json = { 0 };

    msg_to_json(MSG_V1_CANCEL, &m, false, &json);
    const struct api_change c = { .method = "POST", .path = api_path(api->arena, "/v1/tasks/", id, "/cancel"),
                                  .body = &json, .patience_ms = ask_patience(&o->ask.timeout) };
    int rc = api_change(api, &c, body_r, e);
    if (rc == 0)
        rc = api_decode(api, c.path, body_r, MSG_V1_TASK, task_r, e);
    buf_fini(&json);
    return rc;
}

/* Looks until the task is at its end; the farm's stop deadline sees to it that it comes. */
static int wait_for_end(const struct api *api, const struct cancel_options *o, const char *id,
                        struct msg_v1_task *task, struct buf *body, struct err *e)
{
    const char *path = api_path(api->arena, "/v1/tasks/", id, "");

    for (int64_t pause = PAUSE_FIRST_MS; !is_over(task); pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
        api_pause(pause);
        buf_fini(body);
        *task = (struct msg_v1_task){ 0 };
        if (api_get_patiently(api, path, ask_patience(&o->ask.timeout), body, e) < 0 ||
            api_decode(api, path, body, MSG_V1_TASK, task, e) < 0)
            return -1;
    }
    return 0;
}

static void print_task(const char *id, const struct msg_v1_task *t)
{
    printf("%s ", id);
    out_state(is_over(t) ? t->state : "stopping");
    printf("\n");
}

/* One task: its document is printed behind `separator` (--json). */
static int cancel_one(const struct cli_call *call, const struct api *api, const char *text, const char *separator)
{
    const struct cancel_options *o = call->options;
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    int rc = CLI_OK;
    const char *id = api_task_id(call->arena, text, &e);

    if (!id || send_cancel(api, o, id, &task, &body, &e) < 0 ||
        (o->wait && wait_for_end(api, o, id, &task, &body, &e) < 0)) {
        rc = cli_fail(&e);
    } else if (o->ask.server.common.json) {
        fputs(separator, stdout);
        out_document(&body);
    } else {
        print_task(id, &task);
    }
    buf_fini(&body);
    return rc;
}

/* All are tried, whatever becomes of one; the first failure is the exit code. */
static int cancel(const struct cli_call *call)
{
    const struct cancel_options *o = call->options;
    const struct opt_list *ids = &call->args.operands;
    bool is_array = o->ask.server.common.json && ids->n > 1;
    const char *separator = is_array ? "[" : "";
    struct err e = { 0 };
    struct api api;
    int rc = CLI_OK;

    if (ids->n == 0)
        return cli_usage(call, "needs a task's id");
    if (api_open(&api, &o->ask.server, call->arena, &e) < 0)
        return cli_fail(&e);
    for (size_t i = 0; i < ids->n; i++) {
        int one = cancel_one(call, &api, ids->v[i], separator);
        if (one == CLI_OK && is_array)
            separator = ",";
        rc = rc == CLI_OK ? one : rc;
    }
    if (is_array)
        puts(*separator == ',' ? "]" : "[]");
    return rc;
}

static const struct opt rows[] = {
    { OPT_STR, 0, "reason", offsetof(struct cancel_options, reason), "TEXT", "why, for the task's message", 0, 0 },
    { OPT_FLAG, 0, "wait", offsetof(struct cancel_options, wait), NULL, "return when they have ended", 0, 0 },
    ASK_CHANGE_ROWS,
};

const struct verb cancel_verb = {
    .name = "cancel",
    .synopsis = "[--reason TEXT] [--wait] ID...",
    .summary = "end tasks",
    .details = "Prints each task's state: cancelled, or stopping while its build is being ended, or the state it had\n"
               "ended in before.",
    .rows = rows,
    .options_size = sizeof(struct cancel_options),
    .run = cancel,
};
