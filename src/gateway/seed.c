/* seed.c - the older API, as its users know it: POST /task, /task-status, /mr-task, /task-output.
 *
 * Bodies, codes and words are those of the seed's documentation; `Pending` is the one word added. Unknown fields are
 * ignored. A log's public path stands where the seed had a file of the server's. */
#include <stdio.h>
#include <string.h>

#include "gateway/key.h"
#include "gateway/request.h"
#include "gateway/resource.h"
#include "gateway/viewer.h"
#include "proto/state.h"

enum { MR_ROWS_MAX = 1000 };

/* --- POST /task ------------------------------------------------------------------------------------------------ */

static void on_kept(struct gateway *g, struct request *r, const void *answer)
{
    const struct msg_task_submitted *kept = answer;
    struct msg_seed_submitted out = { .task_id = kept->task_id, .client_id = kept->agent_id };

    (void)g;
    out.has.client_id = kept->has.agent_id;
    if (!kept->has.agent_id)
        out.status = "queued";
    if (uuid_cmp(&kept->request_id, &kept->task_id) != 0)
        request_add_header(r, "Idempotent-Replayed", "true");
    reply_message(r, 200, MSG_SEED_SUBMITTED, &out);
}

void seed_post_task(struct gateway *g, struct request *r)
{
    static const struct hop_kind kind = { .question = MSG_TASK_SUBMIT, .answer = MSG_TASK_SUBMITTED,
                                          .answered = on_kept, .failed = submit_failed };
    struct msg_task_submit *task = arena_alloc(&r->arena, sizeof(*task));
    struct msg_seed_submit in = { 0 };
    struct err e = { 0 };
    struct key key;

    if (msg_from_json(MSG_SEED_SUBMIT, r->body.data ? r->body.data : "", r->body.len, &r->arena, &in, &e) < 0) {
        reply_undecodable(r, &e);
        return;
    }
    if (key_read(r, KEY_CALL, &key, &e) < 0) {
        reply_err(r, 400, &e);
        return;
    }
    *task = (struct msg_task_submit){ .project = "default", .repo = in.repo, .target = in.target, .args = in.args,
                                      .mr = in.mr && in.mr[0] ? in.mr : NULL, .need_agent = true,
                                      .idempotency_key = key.text, .body_hash = key.hash };
    task->has.need_agent = true;
    submit_start(g, r, &kind, task);
}

/* --- GET /task-status/{id} ------------------------------------------------------------------------------------- */

static void reply_not_found(struct request *r, unsigned status, const char *text)
{
    const struct msg_seed_status out = { .status = "NotFound", .message = text };

    reply_message(r, status, MSG_SEED_STATUS, &out);
}

/* The seed's words do not say why a build was interrupted: the message does. */
static const char *status_message(const struct msg_v1_task *t, enum task_state state, struct arena *a)
{
    if (!task_is_terminal(state) || state == TASK_SUCCEEDED)
        return NULL;
    if (state == TASK_FAILED)
        return t->message;
    const char *cause = t->cause ? arena_printf(a, " (%s)", t->cause) : "";
    return arena_printf(a, "%s%s%s%s", t->state, cause, t->message ? ": " : "", t->message ? t->message : "");
}

static void on_status(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);

    if (!r)
        return;
    if (a->end == DB_NONE) {
        reply_not_found(r, 404, "Build task not found");
        return;
    }
    const struct msg_v1_task *t = a->message;
    int known = task_state_by_name(t->state);
    enum task_state state = known < 0 ? TASK_LOST : (enum task_state)known;
    struct msg_seed_status out = { .status = task_state_seed_word(state), .exit_code = t->exit_code };
    out.has.exit_code = t->has.exit_code;
    out.message = status_message(t, state, &r->arena);
    reply_message(r, 200, MSG_SEED_STATUS, &out);
}

void seed_get_status(struct gateway *g, struct request *r)
{
    char key[UUID_TEXT_SIZE];
    struct uuid id;

    if (uuid_parse(r->param, strlen(r->param), &id) < 0) {
        reply_not_found(r, 400, "Invalid build id");
        return;
    }
    uuid_format(&id, key);
    db_get(g->db, MSG_V1_TASK, key, on_status, request_wait(r));
}

/* --- GET /mr-task/{mr} ----------------------------------------------------------------------------------------- */

static void put_build(struct buf *out, const struct msg_v1_task *t, struct arena *a)
{
    struct buf arguments = { 0 };
    char id[UUID_TEXT_SIZE];

    for (size_t i = 0; i < t->args.n; i++) {
        buf_puts(&arguments, i ? " " : "");
        buf_puts(&arguments, t->args.v[i]);
    }
    uuid_format(&t->id, id);
    struct msg_seed_build build = {
        .build_id = t->id,
        .output_file = arena_printf(a, "/task-output/%s", id),
        .exit_code = t->exit_code,
        .start_at = t->created_at,
        .end_at = t->ended_at,
        .repo_name = t->repo,
        .target = t->target ? t->target : "",
        .arguments = arguments.data ? arguments.data : "",
        .mr = t->mr ? t->mr : "",
    };
    build.has.exit_code = t->has.exit_code;
    build.has.end_at = t->has.ended_at;
    msg_to_json(MSG_SEED_BUILD, &build, false, out);
    buf_fini(&arguments);
}

/* Rows come newest first; the seed's callers get them in the order of submission. */
static void on_builds(void *arg, const struct db_answer *a)
{
    struct ticket *ticket = arg;
    struct request *r = ticket_request(&ticket);
    const struct msg_v1_tasks *tasks = a->message;
    struct buf body = { 0 };

    if (!r)
        return;
    if (!tasks) {
        reply_error(r, 500, "Internal server error");
        return;
    }
    if (tasks->tasks.n == 0) {
        reply_error(r, 404, "No builds found for the given MR");
        return;
    }
    buf_putc(&body, '[');
    for (size_t i = tasks->tasks.n; i > 0; i--) {
        put_build(&body, &tasks->tasks.v[i - 1], &r->arena);
        buf_puts(&body, i > 1 ? "," : "]\n");
    }
    request_answer(r, 200, "application/json", &body);
}

/* The newest MR_ROWS_MAX of them: the rest is /v1/tasks?mr= with its pages. */
void seed_get_mr(struct gateway *g, struct request *r)
{
    const struct db_filter filter = { .mr = r->param, .limit = MR_ROWS_MAX };

    db_tasks(g->db, &filter, on_builds, request_wait(r));
}

/* --- GET /task-output/{id} ------------------------------------------------------------------------------------- */

/* An id that is none names no task either: the nil id stands for it, and the answer is the seed's event. */
void seed_get_output(struct gateway *g, struct request *r)
{
    struct viewer_spec spec = { .kind = VIEWER_SEED };
    const char *last = request_header(r, "Last-Event-ID");
    int64_t attempt, offset;

    if (!last)
        last = query_get(&r->query, "last_event_id");
    if (uuid_parse(r->param, strlen(r->param), &spec.id) < 0)
        memset(&spec.id, 0, sizeof(spec.id));
    if (last && query_position(last, &attempt, &offset) == 0) {
        spec.is_resumed = true;
        spec.attempt = attempt;
        spec.offset = (uint64_t)offset;
    }
    viewer_open(g->viewers, r, &spec);
}
