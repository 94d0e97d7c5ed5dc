/* v1.c - the native API: submitting tasks, one task, lists of tasks and agents. Errors are problems (RFC 9457); unknown
 * fields and query parameters are refused with the nearest known name. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "lib/hash.h"
#include "proto/state.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 500, KEY_MAX = 255 };

/* --- POST /v1/tasks -------------------------------------------------------------------------------------------- */

static void answer_task(struct request *r, const struct msg_v1_task *t)
{
    char id[UUID_TEXT_SIZE], location[64];

    uuid_format(&t->id, id);
    snprintf(location, sizeof(location), "/v1/tasks/%s", id);
    request_add_header(r, "Location", location);
    reply_message(r, 201, MSG_V1_TASK, t);
}

/* The same request came before under this key: the answer is the task as it is now. */
static void on_replayed(void *arg, const struct msg_v1_tasks *tasks)
{
    struct ticket *ticket = arg;
    struct request *r = ticket_request(&ticket);

    if (!r)
        return;
    if (!tasks || tasks->tasks.n == 0) {
        reply_error(r, 503, "the task is kept, but the database does not answer; try again with the same key");
        return;
    }
    struct msg_v1_task t = tasks->tasks.v[0];
    t.attempts.n = 0;
    request_add_header(r, "Idempotent-Replayed", "true");
    answer_task(r, &t);
}

static void on_kept(struct gateway *g, struct request *r, const struct msg_task_submitted *answer)
{
    const struct msg_v1_submit *in = r->ctx;

    if (uuid_cmp(&answer->request_id, &answer->task_id) != 0) {
        db_task(g->db, &answer->task_id, on_replayed, request_wait(r));
        return;
    }
    struct msg_v1_task t = { .id = answer->task_id, .state = answer->state, .project = in->project, .repo = in->repo,
                             .target = in->target, .args = in->args, .ref = in->ref, .mr = in->mr, .driver = in->driver,
                             .labels = in->labels, .env = in->env, .separate_streams = in->separate_streams,
                             .created_at = uuid_time_ms(&answer->task_id), .attempt = answer->has.agent_id ? 1 : 0 };
    t.has.separate_streams = true;
    answer_task(r, &t);
}

/* NULL in *key_r: the request has none. */
static int read_key(const struct request *r, const char **key_r, struct err *e)
{
    const char *key = request_header(r, "Idempotency-Key");

    *key_r = key;
    if (!key)
        return 0;
    size_t len = strlen(key);
    if (len == 0 || len > KEY_MAX)
        return err_field(e, "Idempotency-Key", "Idempotency-Key must have 1 to %d characters", KEY_MAX);
    for (size_t i = 0; i < len; i++)
        if (key[i] < '!' || key[i] > '~')
            return err_field(e, "Idempotency-Key", "Idempotency-Key must be visible ASCII characters only");
    return 0;
}

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static int check_submit(struct msg_v1_submit *in, struct err *e)
{
    if (!in->repo[0])
        return err_field(e, "repo", "repo is empty: name a repository or give its URL");
    in->project = or_null(in->project) ? in->project : "default";
    in->target = or_null(in->target);
    in->ref = or_null(in->ref);
    in->mr = or_null(in->mr);
    in->driver = or_null(in->driver);
    return 0;
}

void v1_post_task(struct gateway *g, struct request *r)
{
    struct msg_v1_submit *in = arena_alloc(&r->arena, sizeof(*in));
    struct err e = { 0 };
    struct hash *hash = arena_alloc(&r->arena, sizeof(*hash));
    const char *key;

    if (msg_from_json(MSG_V1_SUBMIT, r->body.data ? r->body.data : "", r->body.len, &r->arena, in, &e) < 0 ||
        check_submit(in, &e) < 0 || read_key(r, &key, &e) < 0) {
        reply_undecodable(r, &e);
        return;
    }
    struct msg_task_submit task = { .project = in->project, .repo = in->repo, .target = in->target, .args = in->args,
                                    .ref = in->ref, .mr = in->mr, .driver = in->driver, .labels = in->labels,
                                    .env = in->env, .separate_streams = in->separate_streams, .force = in->force };
    task.has.separate_streams = in->separate_streams;
    task.has.force = in->force;
    if (key) {
        hash_bytes(hash, r->body.data, r->body.len);
        task.idempotency_key = arena_strdup(&r->arena, key);
        task.body_hash = (struct msg_bytes){ hash->b, sizeof(hash->b) };
    }
    r->ctx = in;
    submit_start(g->submits, r, &task, on_kept);
}

/* --- GET /v1/tasks/{id} ---------------------------------------------------------------------------------------- */

static void on_task(void *arg, const struct msg_v1_tasks *tasks)
{
    struct ticket *ticket = arg;
    struct request *r = ticket_request(&ticket);

    if (!r)
        return;
    if (!tasks)
        reply_error(r, 503, "the database does not answer; try again");
    else if (tasks->tasks.n == 0)
        reply_error(r, 404, "there is no task with this id");
    else
        reply_message(r, 200, MSG_V1_TASK, &tasks->tasks.v[0]);
}

void v1_get_task(struct gateway *g, struct request *r)
{
    static const char *const known[] = { NULL };
    struct err e = { 0 };
    struct uuid id;

    if (uuid_parse(r->param, strlen(r->param), &id) < 0)
        reply_error(r, 400, "a task's id is a UUID, such as 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90");
    else if (query_check(&r->query, known, &e) < 0)
        reply_err(r, 400, &e);
    else
        db_task(g->db, &id, on_task, request_wait(r));
}

/* --- GET /v1/tasks --------------------------------------------------------------------------------------------- */

/* The cursor is the last task of the page before, as 32 digits behind a letter that names this form. */
static const char *cursor_format(const struct uuid *id, struct arena *a)
{
    char *text = arena_alloc(a, 34);

    text[0] = 'a';
    for (size_t i = 0; i < sizeof(id->b); i++)
        snprintf(text + 1 + 2 * i, 3, "%02x", id->b[i]);
    return text;
}

static int cursor_parse(const char *text, struct uuid *id_r, struct err *e)
{
    if (text[0] != 'a' || strlen(text) != 33 || uuid_parse(text + 1, 32, id_r) < 0)
        return err_field(e, "cursor", "cursor must be what `next` of the page before said");
    return 0;
}

static void on_tasks(void *arg, const struct msg_v1_tasks *tasks)
{
    struct ticket *ticket = arg;
    struct request *r = ticket_request(&ticket);

    if (!r)
        return;
    if (!tasks) {
        reply_error(r, 503, "the database does not answer; try again");
        return;
    }
    struct msg_v1_tasks page = *tasks;
    size_t limit = (size_t)*(const int64_t *)r->ctx;
    if (page.tasks.n > limit) {   /* one more was asked for, to know whether there is more */
        page.tasks.n = limit;
        page.next = cursor_format(&page.tasks.v[limit - 1].id, &r->arena);
    }
    reply_message(r, 200, MSG_V1_TASKS, &page);
}

static int read_filter(struct request *r, struct db_filter *f, struct uuid *before, struct err *e)
{
    static const char *const known[] = { "state", "project", "repo", "mr", "limit", "cursor", NULL };
    const char *cursor = query_get(&r->query, "cursor");

    f->state = query_get(&r->query, "state");
    f->project = query_get(&r->query, "project");
    f->repo = query_get(&r->query, "repo");
    f->mr = query_get(&r->query, "mr");
    if (query_check(&r->query, known, e) < 0 ||
        query_number(&r->query, "limit", LIMIT_MAX, LIMIT_DEFAULT, &f->limit, e) < 0)
        return -1;
    if (f->limit == 0)
        return err_field(e, "limit", "limit must be a number from 1 to %d", LIMIT_MAX);
    if (f->state && task_state_by_name(f->state) < 0)
        return err_field(e, "state", "%.32s is no state of a task (waiting, queued, assigned, running, succeeded, "
                         "failed, cancelled, superseded, timed_out, lost)", f->state);
    if (cursor && cursor_parse(cursor, before, e) < 0)
        return -1;
    f->before = cursor ? before : NULL;
    return 0;
}

void v1_get_tasks(struct gateway *g, struct request *r)
{
    struct db_filter filter = { 0 };
    struct uuid before;
    struct err e = { 0 };

    if (read_filter(r, &filter, &before, &e) < 0) {
        reply_err(r, 400, &e);
        return;
    }
    r->ctx = arena_dup(&r->arena, &filter.limit, sizeof(filter.limit));
    filter.limit++;
    db_tasks(g->db, &filter, on_tasks, request_wait(r));
}

/* --- GET /v1/agents -------------------------------------------------------------------------------------------- */

static void on_agents(void *arg, const struct msg_v1_agents *agents)
{
    struct ticket *ticket = arg;
    struct request *r = ticket_request(&ticket);

    if (!r)
        return;
    if (!agents)
        reply_error(r, 503, "the database does not answer; try again");
    else
        reply_message(r, 200, MSG_V1_AGENTS, agents);
}

void v1_get_agents(struct gateway *g, struct request *r)
{
    static const char *const known[] = { NULL };
    struct err e = { 0 };

    if (query_check(&r->query, known, &e) < 0)
        reply_err(r, 400, &e);
    else
        db_agents(g->db, on_agents, request_wait(r));
}
