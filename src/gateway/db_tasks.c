/* db_tasks.c - reading tasks with their attempts: one, a page of them, and how far some have come. */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/db_impl.h"

#define TASK_COLUMNS                                                                                                  \
    "t.id, t.state, t.cause, t.message, t.exit_code, t.project, t.repo, t.target, t.args, t.ref, t.commit, t.mr, "    \
    "t.driver, t.labels, ARRAY(SELECT unnest(ARRAY[e.key, e.value]) FROM jsonb_each_text(t.env) e ORDER BY e.key), "  \
    "t.separate_streams, " MS("t.created_at") ", " MS("t.started_at") ", " MS("t.ended_at") ", t.attempt, "           \
    "t.priority, t.concurrency_group, t.after, t.after_condition, t.timeout_ms / 1000, t.silence_timeout_ms / 1000, " \
    "t.queue_timeout_ms / 1000, t.tries, t.retry_on, t.retry_exit_codes, t.retry_of, " MS("t.not_before")
/* As in the view orion_api_v1.attempts, sql/0003_logs.sql. */
#define LOG_LOST                                                                                                      \
    "a.log_chunks IS DISTINCT FROM 0 AND EXISTS (SELECT FROM orion.log_sink l WHERE l.state = 'lost' AND ("           \
    "(l.name = a.sink AND NOT EXISTS (SELECT FROM orion.log_segment s "                                               \
    "WHERE s.task_id = a.task_id AND s.attempt = a.number AND s.from_offset = 0)) "                                   \
    "OR l.name IN (SELECT s.sink FROM orion.log_segment s WHERE s.task_id = a.task_id AND s.attempt = a.number)))"
#define ATTEMPT_COLUMNS                                                                                               \
    "a.number, a.state, a.late_state, a.cause, a.agent_id, coalesce(g.name, ''), a.commit, a.driver, a.workspace, "   \
    "a.exit_code, a.message, a.log_state, a.log_bytes, a.log_lines, a.log_head, " MS("a.assigned_at") ", "            \
    MS("a.started_at") ", " MS("a.ended_at") ", a.stopping, " LOG_LOST

enum { TASK_COLUMNS_N = 32 };

void db_tasks_prepare(struct pg_stmt *s)
{
    s[TASK_GET] = (struct pg_stmt){
        "task_get", "SELECT " TASK_COLUMNS ", " ATTEMPT_COLUMNS " FROM orion.task t "
                    "LEFT JOIN orion.attempt a ON a.task_id = t.id LEFT JOIN orion.agent g ON g.id = a.agent_id "
                    "WHERE t.id = $1::uuid ORDER BY a.number" };
    s[TASK_LIST] = (struct pg_stmt){
        "task_list", "SELECT " TASK_COLUMNS " FROM orion.task t WHERE ($1::text IS NULL OR t.state = $1) "
                     "AND ($2::text IS NULL OR t.project = $2) AND ($3::text IS NULL OR t.repo = $3) "
                     "AND ($4::uuid IS NULL OR t.id < $4) ORDER BY t.id DESC LIMIT $5::bigint" };
    s[TASK_LIST_MR] = (struct pg_stmt){
        "task_list_mr", "SELECT " TASK_COLUMNS " FROM orion.task t WHERE t.mr = $6 "
                        "AND ($1::text IS NULL OR t.state = $1) AND ($2::text IS NULL OR t.project = $2) "
                        "AND ($3::text IS NULL OR t.repo = $3) AND ($4::uuid IS NULL OR t.id < $4) "
                        "ORDER BY t.id DESC LIMIT $5::bigint" };
    s[TASK_STATE_LIST] = (struct pg_stmt){
        "task_state_list", "SELECT t.id, t.state FROM orion.task t WHERE t.id = ANY ($1::uuid[])" };
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static struct msg_pairs pairs_of(struct call *c, const struct pg_result *r, int row, int col)
{
    struct msg_strs flat = strs_of(c, r, row, col);
    struct msg_pair *v = arena_alloc(&c->arena, flat.n / 2 * sizeof(*v));

    for (size_t i = 0; i < flat.n / 2; i++)
        v[i] = (struct msg_pair){ flat.v[2 * i], flat.v[2 * i + 1] };
    return (struct msg_pairs){ v, flat.n / 2 };
}

static struct msg_bytes bytes_of(struct call *c, const struct pg_result *r, int row, int col)
{
    uint8_t *data = arena_alloc(&c->arena, 32);
    size_t len = pg_bytes(r, row, col, data, 32);

    return (struct msg_bytes){ data, len == 32 ? len : 0 };
}

static struct msg_ints ints_of(struct call *c, const struct pg_result *r, int row, int col)
{
    struct msg_strs texts = strs_of(c, r, row, col);
    int64_t *v = arena_alloc(&c->arena, texts.n * sizeof(*v));

    for (size_t i = 0; i < texts.n; i++)
        (void)sscanf(texts.v[i], "%" SCNd64, &v[i]);   /* the server wrote it */
    return (struct msg_ints){ v, texts.n };
}

/* SQL NULL is "as the farm does"; an empty list is none, which a message cannot say without a word. */
static struct msg_strs retry_words_of(struct call *c, const struct pg_result *r, int row, int col)
{
    static const char *const none[] = { "none" };
    struct msg_strs words = strs_of(c, r, row, col);

    return !pg_null(r, row, col) && words.n == 0 ? (struct msg_strs){ none, 1 } : words;
}

/* The columns of sql/0002_scheduling.sql. */
static void scheduling_of(struct call *c, const struct pg_result *r, int row, struct msg_v1_task *t)
{
    t->priority = text_of(c, r, row, 20);
    t->concurrency_group = text_of(c, r, row, 21);
    t->after = strs_of(c, r, row, 22);
    t->after_condition = text_of(c, r, row, 23);
    number_of(r, row, 24, &t->timeout_s, &t->has.timeout_s);
    number_of(r, row, 25, &t->silence_timeout_s, &t->has.silence_timeout_s);
    number_of(r, row, 26, &t->queue_timeout_s, &t->has.queue_timeout_s);
    number_of(r, row, 27, &t->tries, &t->has.tries);
    t->retry_on = retry_words_of(c, r, row, 28);
    t->retry_exit_codes = ints_of(c, r, row, 29);
    t->retry_of = uuid_of(r, row, 30);
    t->has.retry_of = !pg_null(r, row, 30);
    number_of(r, row, 31, &t->not_before, &t->has.not_before);
}

static void task_of(struct call *c, const struct pg_result *r, int row, struct msg_v1_task *t)
{
    t->id = uuid_of(r, row, 0);
    t->state = text_of(c, r, row, 1);
    t->cause = text_of(c, r, row, 2);
    t->message = text_of(c, r, row, 3);
    number_of(r, row, 4, &t->exit_code, &t->has.exit_code);
    t->project = text_of(c, r, row, 5);
    t->repo = text_of(c, r, row, 6);
    t->target = text_of(c, r, row, 7);
    t->args = strs_of(c, r, row, 8);
    t->ref = text_of(c, r, row, 9);
    t->commit = text_of(c, r, row, 10);
    t->mr = text_of(c, r, row, 11);
    t->driver = text_of(c, r, row, 12);
    t->labels = strs_of(c, r, row, 13);
    t->env = pairs_of(c, r, row, 14);
    t->has.separate_streams = t->separate_streams = pg_bool(r, row, 15);
    t->created_at = pg_int(r, row, 16);
    number_of(r, row, 17, &t->started_at, &t->has.started_at);
    number_of(r, row, 18, &t->ended_at, &t->has.ended_at);
    t->attempt = pg_int(r, row, 19);
    scheduling_of(c, r, row, t);
}

static void attempt_of(struct call *c, const struct pg_result *r, int row, struct msg_v1_attempt *a)
{
    int col = TASK_COLUMNS_N;

    a->number = pg_int(r, row, col);
    a->state = text_of(c, r, row, col + 1);
    a->late_state = text_of(c, r, row, col + 2);
    a->cause = text_of(c, r, row, col + 3);
    a->agent_id = uuid_of(r, row, col + 4);
    a->agent = text_of(c, r, row, col + 5);
    a->commit = text_of(c, r, row, col + 6);
    a->driver = text_of(c, r, row, col + 7);
    a->workspace = text_of(c, r, row, col + 8);
    number_of(r, row, col + 9, &a->exit_code, &a->has.exit_code);
    a->message = text_of(c, r, row, col + 10);
    a->log_state = text_of(c, r, row, col + 11);
    number_of(r, row, col + 12, &a->log_bytes, &a->has.log_bytes);
    number_of(r, row, col + 13, &a->log_lines, &a->has.log_lines);
    a->log_head = bytes_of(c, r, row, col + 14);
    a->assigned_at = pg_int(r, row, col + 15);
    number_of(r, row, col + 16, &a->started_at, &a->has.started_at);
    number_of(r, row, col + 17, &a->ended_at, &a->has.ended_at);
    a->stopping = text_of(c, r, row, col + 18);
    a->log_lost = a->has.log_lost = pg_bool(r, row, col + 19);
}

/* --- one task -------------------------------------------------------------------------------------------------- */

/* One row per attempt; a task without attempts is one row with nulls. */
static void take_task(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    struct msg_v1_task *task = arena_alloc(&c->arena, sizeof(*task));
    struct msg_v1_attempt *attempts = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*attempts));
    size_t n = 0;
    if (r->rows > 0)
        task_of(c, r, 0, task);
    for (int row = 0; row < r->rows; row++)
        if (!pg_null(r, row, TASK_COLUMNS_N))
            attempt_of(c, r, row, &attempts[n++]);
    task->attempts.v = attempts;
    task->attempts.n = n;
    call_answer(c, r->rows > 0 ? task : NULL);
}

const struct db_kind db_task_kind = { MSG_V1_TASK, TASK_GET, take_task, true };

/* --- several --------------------------------------------------------------------------------------------------- */

static void answer_tasks(struct call *c, const struct msg_v1_task *v, int n)
{
    const struct msg_v1_tasks tasks = { .tasks = { v, (size_t)n } };

    call_answer(c, arena_dup(&c->arena, &tasks, sizeof(tasks)));
}

static void take_tasks(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    struct msg_v1_task *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));
    for (int row = 0; row < r->rows; row++)
        task_of(c, r, row, &v[row]);
    answer_tasks(c, v, r->rows);
}

void db_tasks(struct db *d, const struct db_filter *f, db_fn *fn, void *arg)
{
    struct call *c = call_new(d, f->mr ? TASK_LIST_MR : TASK_LIST, take_tasks, arg);
    char before[UUID_TEXT_SIZE], limit[24];

    c->fn.rows = fn;
    if (f->before)
        uuid_format(f->before, before);
    snprintf(limit, sizeof(limit), "%" PRId64, f->limit);
    call_send(c, (const char *const[]){ f->state, f->project, f->repo, f->before ? before : NULL, limit, f->mr },
              f->mr ? 6 : 5);
}

static void take_states(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    struct msg_v1_task *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));
    for (int row = 0; row < r->rows; row++) {
        v[row].id = uuid_of(r, row, 0);
        v[row].state = text_of(c, r, row, 1);
    }
    answer_tasks(c, v, r->rows);
}

void db_states(struct db *d, const struct msg_pairs *ids, db_fn *fn, void *arg)
{
    struct call *c = call_new(d, TASK_STATE_LIST, take_states, arg);
    struct pg_array array = { 0 };

    c->fn.rows = fn;
    pg_array_reset(&array);
    for (size_t i = 0; i < ids->n; i++)
        pg_array_str(&array, ids->v[i].key);
    call_send(c, (const char *const[]){ pg_array_text(&array) }, 1);
    pg_array_fini(&array);
}
