/* v1_tasks.c - the native API, reading tasks: one with its attempts and why it waits, and pages of them.
 *
 * Rows come from the database; why a task waits only the leading scheduler knows. Unknown query parameters are refused
 * with the nearest known name. */
#include <stdio.h>
#include <string.h>

#include "gateway/request.h"
#include "gateway/resource.h"
#include "proto/state.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 500, WHY_MS = 1000 };

/* --- GET /v1/tasks/{id} ---------------------------------------------------------------------------------------- */

struct why {
    struct msg_task_why question;
    const struct msg_v1_task *task;
};

static void on_reason(struct gateway *g, struct request *r, const void *answer)
{
    const struct why *why = r->ctx;
    const struct msg_task_reason *reason = answer;
    struct msg_v1_task t = *why->task;

    (void)g;
    t.reason = reason->reason;
    t.position = reason->position;
    t.has.position = reason->has.position;
    reply_message(r, 200, MSG_V1_TASK, &t);
}

/* Nobody could say in time: the task without it. */
static void on_no_reason(struct gateway *g, struct request *r, const struct hop_end *end)
{
    const struct why *why = r->ctx;

    (void)g;
    (void)end;
    reply_message(r, 200, MSG_V1_TASK, why->task);
}

static void ask_why(struct gateway *g, struct request *r, const struct msg_v1_task *t)
{
    static const struct hop_kind kind = { .question = MSG_TASK_WHY, .answer = MSG_TASK_REASON, .deadline_ms = WHY_MS,
                                          .is_optional = true, .answered = on_reason, .failed = on_no_reason };
    struct why *why = arena_alloc(&r->arena, sizeof(*why));

    why->task = t;
    why->question.task_id = t->id;
    uuid_v7(&why->question.request_id, scheds_wall_ms(g->scheds));
    r->ctx = why;
    hop_start(g->hops, r, &kind, &why->question.request_id, &why->question);
}

static void on_task(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);

    if (!r)
        return;
    if (a->end == DB_NONE) {
        resource_missing(r, MSG_V1_TASK);
        return;
    }
    const struct msg_v1_task *t = a->message;
    int state = task_state_by_name(t->state);
    if (state != TASK_WAITING && state != TASK_QUEUED) {
        reply_message(r, 200, MSG_V1_TASK, t);
        return;
    }
    arena_move(&r->arena, a->arena);
    ask_why(r->ctx, r, t);
}

void v1_get_task(struct gateway *g, struct request *r)
{
    struct uuid id;
    const char *key = resource_id(r, "a task's", &id);

    if (!key || !resource_takes_no_query(r))
        return;
    r->ctx = g;
    db_get(g->db, MSG_V1_TASK, key, on_task, request_wait(r));
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

static void on_tasks(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);

    if (!r)
        return;
    struct msg_v1_tasks page = *(const struct msg_v1_tasks *)a->message;
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
