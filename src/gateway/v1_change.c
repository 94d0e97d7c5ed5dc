/* v1_change.c - what people change: cancelling a task, draining an agent, setting projects, groups and the queue.
 *
 * Every call says what shall be, so that twice is once. It goes to the leader like a submission (hop.c); after the
 * commit the thing is read from the database and is the answer. 503 means that certainly nothing changed; 504 that it
 * may have, and that asking again is safe. */
#include <string.h>

#include "gateway/key.h"
#include "gateway/request.h"
#include "gateway/resource.h"
#include "gateway/submission.h"

enum { WEIGHT_MAX = 1000 };

/* On its way; what it is about is what is answered. */
struct change {
    struct resource what;    /* first: also the request's context while it is read */
    struct uuid id;          /* of the request */
    struct key key;
};

/* --- answers --------------------------------------------------------------------------------------------------- */

static void on_done(struct gateway *g, struct request *r, const void *answer)
{
    const struct msg_change_done *done = answer;
    struct change *c = r->ctx;

    if (done->replayed)
        request_add_header(r, "Idempotent-Replayed", "true");
    resource_answer(g, r, &c->what);
}

/* The leader knows open tasks and those that ended a moment ago; an older one is as it ended. */
static void on_unknown_task(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);
    const struct msg_v1_task *t = a->message;

    if (!r)
        return;
    if (a->end == DB_NONE)
        resource_missing(r, MSG_V1_TASK);
    else if (t->has.ended_at)
        reply_message(r, 200, MSG_V1_TASK, t);
    else
        reply_error(r, 503, "the scheduler does not know this task yet; nothing changed, try again");
}

static const struct refusal {
    const char *reason;
    unsigned status;
    const char *text;    /* NULL: the scheduler's */
} refusals[] = {
    { "overloaded", 503, "the scheduler has too much to do; nothing changed, try again" },
    { "storage_refused", 500, NULL },
    { "key_reused", 422, "this Idempotency-Key was used with another request" },
};

static void reply_refusal(struct gateway *g, struct request *r, const struct hop_end *end)
{
    static const struct refusal unknown = { .status = 500 };
    const struct change *c = r->ctx;
    const struct refusal *why = &unknown;

    if (strcmp(end->reason, "not_found") == 0) {
        if (c->what.type == MSG_V1_TASK)
            db_get(g->db, MSG_V1_TASK, c->what.key, on_unknown_task, request_wait(r));
        else
            resource_missing(r, c->what.type);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strcmp(refusals[i].reason, end->reason) == 0)
            why = &refusals[i];
    const char *text = why->text ? why->text : end->message;
    reply_error(r, why->status, "%s", text ? text : end->reason);
}

static void on_failed(struct gateway *g, struct request *r, const struct hop_end *end)
{
    switch (end->failure) {
    case HOP_FULL:
        reply_error(r, 503, "too many requests wait for the scheduler; nothing changed, try again");
        break;
    case HOP_UNSENT:
        reply_error(r, 503, "no scheduler leads at the moment; nothing changed, try again");
        break;
    case HOP_DOUBTFUL:
        reply_error(r, 504, "the scheduler did not answer in time: the change may have been made; it is safe to ask "
                    "again");
        break;
    case HOP_REFUSED:
        reply_refusal(g, r, end);
        break;
    }
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

#define CHANGE(type) { .question = (type), .answer = MSG_CHANGE_DONE, .answered = on_done, .failed = on_failed }

static const struct hop_kind cancel_kind = CHANGE(MSG_TASK_CANCEL);
static const struct hop_kind agent_kind = CHANGE(MSG_AGENT_SET);
static const struct hop_kind project_kind = CHANGE(MSG_PROJECT_SET);
static const struct hop_kind group_kind = CHANGE(MSG_GROUP_SET);
static const struct hop_kind queue_kind = CHANGE(MSG_QUEUE_SET);

/* A change of the thing that db_get finds by type and key. NULL: the request is wrong, and that is answered. */
static struct change *change_new(struct gateway *g, struct request *r, enum msg_type type, const char *key)
{
    struct change *c = arena_alloc(&r->arena, sizeof(*c));
    struct err e = { 0 };

    if (key_read(r, KEY_CALL, &c->key, &e) < 0) {
        reply_err(r, 400, &e);
        return NULL;
    }
    c->what = (struct resource){ .type = type, .key = key };
    uuid_v7(&c->id, scheds_wall_ms(g->scheds));
    r->ctx = c;
    return c;
}

static bool read_body(struct request *r, enum msg_type type, void *message_r)
{
    struct err e = { 0 };

    if (!resource_takes_no_query(r))
        return false;
    if (msg_from_json(type, r->body.data ? r->body.data : "", r->body.len, &r->arena, message_r, &e) == 0)
        return true;
    reply_undecodable(r, &e);
    return false;
}

/* --- tasks ----------------------------------------------------------------------------------------------------- */

static unsigned cancel_status(const void *message)
{
    const struct msg_v1_task *t = message;

    return t->has.ended_at ? 200 : 202;
}

void v1_cancel_task(struct gateway *g, struct request *r)
{
    struct msg_v1_cancel in = { 0 };
    struct uuid id;
    const char *key = resource_id(r, "a task's", &id);

    if (!key || (r->body.len > 0 ? !read_body(r, MSG_V1_CANCEL, &in) : !resource_takes_no_query(r)))
        return;
    struct change *c = change_new(g, r, MSG_V1_TASK, key);
    if (!c)
        return;
    c->what.status = cancel_status;
    const struct msg_task_cancel m = { .request_id = c->id, .task_id = id, .reason = in.reason,
                                       .idempotency_key = c->key.text, .body_hash = c->key.hash };
    hop_start(g->hops, r, &cancel_kind, &c->id, arena_dup(&r->arena, &m, sizeof(m)));
}

/* --- agents ---------------------------------------------------------------------------------------------------- */

static void set_draining(struct gateway *g, struct request *r, bool is_draining)
{
    struct uuid id;
    const char *key = resource_id(r, "an agent's", &id);

    if (!key || !resource_takes_nothing(r))
        return;
    struct change *c = change_new(g, r, MSG_V1_AGENT, key);
    if (!c)
        return;
    struct msg_agent_set m = { .request_id = c->id, .agent_id = id, .draining = is_draining,
                               .idempotency_key = c->key.text, .body_hash = c->key.hash };
    m.has.draining = true;
    hop_start(g->hops, r, &agent_kind, &c->id, arena_dup(&r->arena, &m, sizeof(m)));
}

void v1_drain_agent(struct gateway *g, struct request *r)
{
    set_draining(g, r, true);
}

void v1_resume_agent(struct gateway *g, struct request *r)
{
    set_draining(g, r, false);
}

/* --- projects -------------------------------------------------------------------------------------------------- */

static void set_project(struct gateway *g, struct request *r, struct msg_project_set m)
{
    const char *name = resource_name(r);
    struct change *c = name ? change_new(g, r, MSG_V1_PROJECT, name) : NULL;

    if (!c)
        return;
    m.request_id = c->id;
    m.name = name;
    m.idempotency_key = c->key.text;
    m.body_hash = c->key.hash;
    hop_start(g->hops, r, &project_kind, &c->id, arena_dup(&r->arena, &m, sizeof(m)));
}

static int check_project(const struct msg_v1_project_set *in, struct err *e)
{
    if (in->has.weight && (in->weight < 1 || in->weight > WEIGHT_MAX))
        return err_field(e, "weight", "weight must be from 1 to %d; to stop a project, pause it", WEIGHT_MAX);
    return submission_check_supersede(in->supersede, e);
}

void v1_put_project(struct gateway *g, struct request *r)
{
    struct msg_v1_project_set in = { 0 };
    struct err e = { 0 };

    if (!read_body(r, MSG_V1_PROJECT_SET, &in))
        return;
    if (check_project(&in, &e) < 0) {
        reply_err(r, 400, &e);
        return;
    }
    struct msg_project_set m = { .weight = in.weight, .paused = in.paused, .supersede = in.supersede };
    m.has.weight = in.has.weight;
    m.has.paused = in.has.paused;
    m.log_max = in.log_max_bytes;
    m.has.log_max = in.has.log_max_bytes;
    m.log_keep_ms = in.log_keep_s * 1000;
    m.has.log_keep_ms = in.has.log_keep_s;
    set_project(g, r, m);
}

static void set_project_paused(struct gateway *g, struct request *r, bool is_paused)
{
    struct msg_project_set m = { .paused = is_paused };

    m.has.paused = true;
    if (resource_takes_nothing(r))
        set_project(g, r, m);
}

void v1_pause_project(struct gateway *g, struct request *r)
{
    set_project_paused(g, r, true);
}

void v1_resume_project(struct gateway *g, struct request *r)
{
    set_project_paused(g, r, false);
}

/* --- groups ---------------------------------------------------------------------------------------------------- */

static void set_group(struct gateway *g, struct request *r, const struct msg_v1_group_set *in)
{
    const char *name = resource_name(r);
    struct change *c = name ? change_new(g, r, MSG_V1_GROUP, name) : NULL;

    if (!c)
        return;
    struct msg_group_set m = { .request_id = c->id, .name = name, .idempotency_key = c->key.text,
                               .body_hash = c->key.hash };
    if (in) {
        m.capacity = in->capacity;
        m.has.capacity = true;
    }
    hop_start(g->hops, r, &group_kind, &c->id, arena_dup(&r->arena, &m, sizeof(m)));
}

void v1_put_group(struct gateway *g, struct request *r)
{
    struct msg_v1_group_set in = { 0 };

    if (read_body(r, MSG_V1_GROUP_SET, &in))
        set_group(g, r, &in);
}

/* Nobody sets it any more: it has its capacity by default again. */
void v1_delete_group(struct gateway *g, struct request *r)
{
    if (resource_takes_nothing(r))
        set_group(g, r, NULL);
}

/* --- the queue ------------------------------------------------------------------------------------------------- */

static void set_queue_paused(struct gateway *g, struct request *r, bool is_paused)
{
    struct change *c = resource_takes_nothing(r) ? change_new(g, r, MSG_V1_QUEUE, NULL) : NULL;

    if (!c)
        return;
    struct msg_queue_set m = { .request_id = c->id, .paused = is_paused, .idempotency_key = c->key.text,
                               .body_hash = c->key.hash };
    m.has.paused = true;
    hop_start(g->hops, r, &queue_kind, &c->id, arena_dup(&r->arena, &m, sizeof(m)));
}

void v1_pause_queue(struct gateway *g, struct request *r)
{
    set_queue_paused(g, r, true);
}

void v1_resume_queue(struct gateway *g, struct request *r)
{
    set_queue_paused(g, r, false);
}
