/* retry.c - `orion retry`: the same again, as a new task; its id on standard output. */
#include <stdio.h>

#include "cli/ask.h"

static void print_id(struct arena *a, const void *message)
{
    char id[UUID_TEXT_SIZE];

    (void)a;
    uuid_format(&((const struct msg_v1_task *)message)->id, id);
    printf("%s\n", id);
}

static int retry(const struct cli_call *call)
{
    const char *text = cli_operand(call, "a task's id");
    struct msg_v1_task task = { 0 };
    const struct ask_answer answer = { MSG_V1_TASK, &task, print_id };
    struct err e = { 0 };

    if (!text)
        return CLI_USAGE;
    const char *id = api_task_id(call->arena, text, &e);
    if (!id)
        return cli_fail(&e);
    const struct api_change c = { .method = "POST", .path = api_path(call->arena, "/v1/tasks/", id, "/retry") };
    return ask_change(call, &c, &answer);
}

static const struct opt rows[] = { ASK_CHANGE_ROWS };

const struct verb retry_verb = {
    .name = "retry",
    .synopsis = "[OPTION]... ID",
    .summary = "submit an ended task again and print the new id",
    .rows = rows,
    .options_size = sizeof(struct ask_options),
    .run = retry,
};
