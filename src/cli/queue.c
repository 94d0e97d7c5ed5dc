/* queue.c - `orion queue`: what waits in the whole farm, and its pause. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/out.h"
#include "lib/clock.h"

static void print_queue(struct arena *a, const void *message)
{
    const struct msg_v1_queue *q = message;

    printf("queue    %s\n", q->paused ? "paused" : "open");
    printf("waiting  %lld\n", (long long)q->waiting);
    printf("queued   %lld", (long long)q->queued);
    if (q->has.oldest)
        printf(" (the oldest for %s)", out_span(a, clock_wall_ms() > q->oldest ? clock_wall_ms() - q->oldest : 0));
    printf("\nrunning  %lld\nslots    %lld\n", (long long)q->running, (long long)q->slots);
}

static int show(const struct cli_call *call)
{
    struct msg_v1_queue queue = { 0 };
    const struct ask_answer answer = { MSG_V1_QUEUE, &queue, print_queue };

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    return ask_get(call, "/v1/queue", &answer);
}

static int change(const struct cli_call *call, const char *path)
{
    struct msg_v1_queue queue = { 0 };
    const struct ask_answer answer = { MSG_V1_QUEUE, &queue, print_queue };
    const struct api_change c = { .method = "POST", .path = path };

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    return ask_change(call, &c, &answer);
}

static int pause_queue(const struct cli_call *call)
{
    return change(call, "/v1/queue/pause");
}

static int resume(const struct cli_call *call)
{
    return change(call, "/v1/queue/resume");
}

static const struct opt rows[] = { CLI_SERVER_ROWS };
static const struct opt change_rows[] = { ASK_CHANGE_ROWS };

static const struct verb show_sub = { .name = "queue show",
                                      .synopsis = "[OPTION]...",
                                      .summary = "show how much waits and runs",
                                      .rows = rows,
                                      .options_size = sizeof(struct ask_options),
                                      .run = show };
static const struct verb pause_sub = { .name = "queue pause",
                                       .synopsis = "[OPTION]...",
                                       .summary = "start nothing new; what runs goes on",
                                       .rows = change_rows,
                                       .options_size = sizeof(struct ask_options),
                                       .run = pause_queue };
static const struct verb resume_sub = { .name = "queue resume",
                                        .synopsis = "[OPTION]...",
                                        .summary = "start tasks again",
                                        .rows = change_rows,
                                        .options_size = sizeof(struct ask_options),
                                        .run = resume };
static const struct verb *const subs[] = { &show_sub, &pause_sub, &resume_sub, NULL };

const struct verb queue_verb = { .name = "queue",
                                 .synopsis = "[show | pause | resume] [OPTION]...",
                                 .summary = "the farm's queue: how much waits, pause, resume",
                                 .rows = rows,
                                 .options_size = sizeof(struct ask_options),
                                 .run = show,
                                 .subs = subs };
