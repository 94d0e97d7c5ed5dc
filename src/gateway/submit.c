/* submit.c - submissions on their way to the leader, and what is said when they do not get there.
 *
 * The worker makes the task's id; it is the key of the hop (hop.c). 503 means certainly not kept: nobody got it, or
 * the only one who did refused it. A deadline that passes while somebody may have kept it is 504 with the id. */
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/request.h"

void submit_start(struct gateway *g, struct request *r, const struct hop_kind *kind, struct msg_task_submit *task)
{
    uuid_v7(&task->task_id, scheds_wall_ms(g->scheds));
    hop_start(g->hops, r, kind, &task->task_id, task);
}

/* What a refusal means to the client. */
static const struct refusal {
    const char *reason;
    unsigned status;
    const char *field;   /* of /v1's body; NULL: none is at fault */
    const char *text;    /* NULL: the scheduler's */
} refusals[] = {
    { "no_agent", 503, NULL, "No clients connected" },
    { "overloaded", 503, NULL, "the scheduler has too much to do; the task was not kept, try again" },
    { "storage_refused", 500, NULL, NULL },
    { "key_reused", 422, "Idempotency-Key", "this Idempotency-Key was used with another request" },
    { "after", 422, "after", NULL },
};

static void reply_refusal(struct request *r, const struct hop_end *end)
{
    static const struct refusal unknown = { .status = 500 };
    const struct refusal *why = &unknown;
    struct err e = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strcmp(refusals[i].reason, end->reason) == 0)
            why = &refusals[i];
    const char *text = why->text ? why->text : end->message;
    err_field(&e, why->field ? why->field : "", "%s", text ? text : end->reason);
    reply_err(r, why->status, &e);
}

void submit_failed(struct gateway *g, struct request *r, const struct hop_end *end)
{
    (void)g;
    switch (end->failure) {
    case HOP_FULL:
        reply_error(r, 503, "too many requests wait for the scheduler; the task was not kept, try again");
        break;
    case HOP_UNSENT:
        reply_error(r, 503, "no scheduler leads at the moment; the task was not kept, try again");
        break;
    case HOP_DOUBTFUL:
        reply_task_error(r, 504, end->id,
                         "the scheduler did not answer in time: the task may have been kept under this id");
        break;
    case HOP_REFUSED:
        reply_refusal(r, end);
        break;
    }
}
