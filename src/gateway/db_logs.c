/* db_logs.c - reading what viewers follow: a task's state, its attempts, and where their logs lie. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/db_impl.h"
#include "gateway/log_state.h"

/* A log begins on the attempt's own sink; the rows of orion.log_segment are those that took over from it. */
#define IS_LOST(sink) "(EXISTS (SELECT FROM orion.log_sink l WHERE l.name = " sink " AND l.state = 'lost'))::text"
#define SEGMENTS                                                                                                      \
    "CASE WHEN a.sink IS NULL THEN '{}'::text[] ELSE ARRAY['0', '0', a.sink, " IS_LOST("a.sink") "] END || "          \
    "ARRAY(SELECT unnest(ARRAY[s.from_offset::text, s.from_chunk::text, s.sink, " IS_LOST("s.sink") "]) "             \
    "FROM orion.log_segment s WHERE s.task_id = a.task_id AND s.attempt = a.number "                                  \
    "ORDER BY s.from_offset, s.from_chunk)"

void db_logs_prepare(struct pg_stmt *s)
{
    s[TASK_LOGS] = (struct pg_stmt){
        "task_logs", "SELECT t.id, t.state, t.cause, t.message, t.exit_code, a.number, a.state, coalesce(g.name, ''), "
                     "a.log_state, a.log_bytes, a.log_lines, a.log_head, " SEGMENTS ", " MS("a.started_at") ", "
                     "left(t.repo, 400), left(t.target, 400) "
                     "FROM orion.task t LEFT JOIN orion.attempt a ON a.task_id = t.id "
                     "LEFT JOIN orion.agent g ON g.id = a.agent_id WHERE t.id = ANY ($1::uuid[]) "
                     "ORDER BY t.id, a.number" };
}

enum { SEGMENT_PARTS = 4 };

static const struct log_segment *segments_of(struct call *c, const struct pg_result *r, int row, size_t *n_r)
{
    struct msg_strs flat = strs_of(c, r, row, 12);
    struct log_segment *v = arena_alloc(&c->arena, flat.n / SEGMENT_PARTS * sizeof(*v));

    *n_r = flat.n / SEGMENT_PARTS;
    for (size_t i = 0; i < *n_r; i++) {
        const char *const *part = &flat.v[SEGMENT_PARTS * i];
        (void)sscanf(part[0], "%" SCNu64, &v[i].from);   /* the server wrote them */
        (void)sscanf(part[1], "%" SCNu64, &v[i].chunk);
        v[i].sink = part[2];
        v[i].is_lost = strcmp(part[3], "true") == 0;
    }
    return v;
}

static void log_attempt_of(struct call *c, const struct pg_result *r, int row, struct log_attempt *a)
{
    int state = attempt_state_by_name(pg_text(r, row, 6));

    a->number = pg_int(r, row, 5);
    a->state = state < 0 ? ATTEMPT_LOST : (enum attempt_state)state;
    a->agent = text_of(c, r, row, 7);
    a->log_state = text_of(c, r, row, 8);
    a->has_bytes = !pg_null(r, row, 9);
    a->bytes = (uint64_t)pg_int(r, row, 9);
    a->has_lines = !pg_null(r, row, 10);
    a->lines = (uint64_t)pg_int(r, row, 10);
    if (pg_bytes(r, row, 11, a->head, sizeof(a->head)) == sizeof(a->head))
        a->head_len = sizeof(a->head);
    a->started_ms = pg_null(r, row, 13) ? 0 : pg_int(r, row, 13);
    a->segments = segments_of(c, r, row, &a->n_segments);
}

/* Rows come by task and attempt; a task without attempts is one row with nulls. */
static void take_logs(struct call *c, const struct pg_result *r)
{
    if (!r) {
        c->fn.logs(c->arg, NULL, 0);
        return;
    }
    struct log_state *logs = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*logs));
    struct log_attempt *attempts = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*attempts));
    size_t n = 0;
    for (int row = 0; row < r->rows; row++) {
        struct uuid id = uuid_of(r, row, 0);
        if (n == 0 || uuid_cmp(&logs[n - 1].id, &id) != 0) {
            int state = task_state_by_name(pg_text(r, row, 1));
            logs[n++] = (struct log_state){ .id = id, .state = state < 0 ? TASK_LOST : (enum task_state)state,
                                            .cause = text_of(c, r, row, 2), .message = text_of(c, r, row, 3),
                                            .has_exit_code = !pg_null(r, row, 4), .exit_code = pg_int(r, row, 4),
                                            .repo = text_of(c, r, row, 14), .target = text_of(c, r, row, 15),
                                            .attempts = &attempts[row] };
        }
        if (!pg_null(r, row, 5)) {
            log_attempt_of(c, r, row, &attempts[row]);
            logs[n - 1].n_attempts++;
        }
    }
    c->fn.logs(c->arg, logs, n);
}

void db_logs(struct db *d, const struct uuid *ids, size_t n, db_logs_fn *fn, void *arg)
{
    struct call *c = call_new(d, TASK_LOGS, take_logs, arg);
    struct pg_array array = { 0 };
    char text[UUID_TEXT_SIZE];

    c->fn.logs = fn;
    pg_array_reset(&array);
    for (size_t i = 0; i < n; i++) {
        uuid_format(&ids[i], text);
        pg_array_str(&array, text);
    }
    call_send(c, (const char *const[]){ pg_array_text(&array) }, 1);
    pg_array_fini(&array);
}
