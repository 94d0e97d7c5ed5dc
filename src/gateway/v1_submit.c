/* v1_submit.c - POST /v1/tasks and POST /v1/tasks/{id}/retry: from a body, or the row of an ended task, to a
 * submission; and from the scheduler's answer to the task that is shown.
 *
 * Tasks that are waited for are looked up first: the scheduler forgets an ended task, the database does not. */
#include <stdio.h>
#include <string.h>

#include "gateway/key.h"
#include "gateway/request.h"
#include "gateway/resource.h"
#include "gateway/submission.h"
#include "proto/state.h"

/* --- the answer ------------------------------------------------------------------------------------------------ */

/* What the scheduler said of a task that is not (only) this request's. */
struct existing {
    bool is_joined;
    bool is_replayed;
};

static void answer_task(struct request *r, unsigned status, const struct msg_v1_task *t)
{
    char id[UUID_TEXT_SIZE], location[64];

    uuid_format(&t->id, id);
    snprintf(location, sizeof(location), "/v1/tasks/%s", id);
    request_add_header(r, "Location", location);
    reply_message(r, status, MSG_V1_TASK, t);
}

/* The task as it is now. */
static void on_existing(void *arg, const struct db_answer *a)
{
    struct ticket *ticket = arg;
    struct request *r = ticket_request(&ticket);

    if (!r)
        return;
    if (a->end != DB_FOUND) {
        reply_error(r, 503, "the task is kept, but the database does not answer; try again with the same key");
        return;
    }
    const struct existing *how = r->ctx;
    struct msg_v1_task t = *(const struct msg_v1_task *)a->message;
    t.attempts.n = 0;
    t.joined = t.has.joined = how->is_joined;
    if (how->is_replayed)
        request_add_header(r, "Idempotent-Replayed", "true");
    answer_task(r, how->is_joined ? 200 : 201, &t);
}

/* Is what was asked for all there is to say of it? */
static bool is_just_begun(const char *state)
{
    int known = task_state_by_name(state);

    return known == TASK_WAITING || known == TASK_QUEUED || known == TASK_ASSIGNED;
}

static void on_kept(struct gateway *g, struct request *r, const void *answer)
{
    const struct msg_task_submitted *kept = answer;
    const struct msg_task_submit *task = r->ctx;
    const struct existing how = { .is_joined = kept->joined, .is_replayed = kept->existed && !kept->joined };
    bool is_ours = uuid_cmp(&kept->request_id, &kept->task_id) == 0;
    char id[UUID_TEXT_SIZE];
    struct msg_v1_task t;

    if (is_ours && is_just_begun(kept->state)) {
        submission_show(task, &r->arena, &t);
        t.state = kept->state;
        t.attempt = kept->has.agent_id ? 1 : 0;
        answer_task(r, 201, &t);
        return;
    }
    struct existing *ctx = arena_dup(&r->arena, &how, sizeof(how));
    ctx->is_replayed = ctx->is_replayed && !is_ours;   /* ours: this very request was sent twice */
    r->ctx = ctx;
    uuid_format(&kept->task_id, id);
    db_get(g->db, MSG_V1_TASK, id, on_existing, request_wait(r));
}

static const struct hop_kind submit_kind = { .question = MSG_TASK_SUBMIT, .answer = MSG_TASK_SUBMITTED,
                                             .answered = on_kept, .failed = submit_failed };

/* --- on its way ------------------------------------------------------------------------------------------------ */

/* What lies between a request and its submission. */
struct plan {
    struct gateway *g;
    struct key key;
    struct msg_task_submit task;
};

static void plan_send(struct request *r)
{
    struct plan *p = r->ctx;

    p->task.idempotency_key = p->key.text;
    p->task.body_hash = p->key.hash;
    r->ctx = &p->task;
    submit_start(p->g, r, &submit_kind, &p->task);
}

static void on_states(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);

    if (!r)
        return;
    struct plan *p = r->ctx;
    submission_after(&p->task, a->message, &r->arena);
    plan_send(r);
}

static void plan_go(struct request *r)
{
    struct plan *p = r->ctx;

    if (p->task.after.n > 0)
        db_states(p->g->db, &p->task.after, on_states, request_wait(r));
    else
        plan_send(r);
}

static struct plan *plan_new(struct gateway *g, struct request *r)
{
    struct plan *p = arena_alloc(&r->arena, sizeof(*p));

    p->g = g;
    r->ctx = p;
    return p;
}

/* --- POST /v1/tasks -------------------------------------------------------------------------------------------- */

void v1_post_task(struct gateway *g, struct request *r)
{
    struct plan *p = plan_new(g, r);
    struct msg_v1_submit in = { 0 };
    struct err e = { 0 };

    if (msg_from_json(MSG_V1_SUBMIT, r->body.data ? r->body.data : "", r->body.len, &r->arena, &in, &e) < 0 ||
        submission_read(&in, &r->arena, &p->task, &e) < 0 || key_read(r, KEY_BODY, &p->key, &e) < 0)
        reply_undecodable(r, &e);
    else
        plan_go(r);
}

/* --- POST /v1/tasks/{id}/retry --------------------------------------------------------------------------------- */

static void on_ended(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);
    const struct msg_v1_task *t = a->message;

    if (!r)
        return;
    if (a->end == DB_NONE) {
        resource_missing(r, MSG_V1_TASK);
        return;
    }
    if (!t->has.ended_at) {
        reply_error(r, 409, "the task is %s: only one that has ended can be retried; cancel it first, or wait",
                    t->state);
        return;
    }
    struct plan *p = r->ctx;
    arena_move(&r->arena, a->arena);
    submission_again(t, &r->arena, &p->task);
    plan_go(r);
}

void v1_retry_task(struct gateway *g, struct request *r)
{
    struct plan *p = plan_new(g, r);
    struct err e = { 0 };
    struct uuid uuid;
    const char *id = resource_id(r, "a task's", &uuid);

    if (!id || !resource_takes_nothing(r))
        return;
    if (key_read(r, KEY_CALL, &p->key, &e) < 0)
        reply_err(r, 400, &e);
    else
        db_get(g->db, MSG_V1_TASK, id, on_ended, request_wait(r));
}
