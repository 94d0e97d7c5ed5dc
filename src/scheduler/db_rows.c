/* db_rows.c - results of the database as the rows a core is made from. The columns are those of db.c's statements.
 *
 * Everything is copied into the caller's arena. What the server wrote is believed: the schema's checks name the
 * words. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/db.h"

/* --- values ----------------------------------------------------------------------------------------------------- */

static struct uuid read_id(const struct pg_result *r, int row, int col)
{
    struct uuid id = { 0 };
    const char *text = pg_text(r, row, col);

    if (text)
        uuid_parse(text, strlen(text), &id);
    return id;
}

static const char *read_text(const struct pg_result *r, struct arena *a, int row, int col)
{
    return arena_strdup(a, pg_text(r, row, col));
}

static struct msg_strs read_strs(const struct pg_result *r, struct arena *a, int row, int col)
{
    const char *text = pg_text(r, row, col);
    struct msg_strs strs = { 0 };

    if (text && strcmp(text, "{}") != 0)
        (void)pg_array_read(text, a, &strs.v, &strs.n);
    return strs;
}

static struct msg_pairs read_pairs(const struct pg_result *r, struct arena *a, int row, int col)
{
    struct msg_strs keys = read_strs(r, a, row, col);
    struct msg_strs values = read_strs(r, a, row, col + 1);
    struct msg_pair *pairs = keys.n ? arena_alloc(a, keys.n * sizeof *pairs) : NULL;

    for (size_t i = 0; i < keys.n && i < values.n; i++)
        pairs[i] = (struct msg_pair){ keys.v[i], values.v[i] };
    return (struct msg_pairs){ pairs, keys.n };
}

/* The place of a word in the order of its enum; words are given from 0 on. */
static int read_word(const struct pg_result *r, int row, int col, const char *const *words, size_t n)
{
    const char *text = pg_text(r, row, col);

    for (size_t i = 0; text && i < n; i++)
        if (words[i] && strcmp(words[i], text) == 0)
            return (int)i;
    return 0;
}

/* --- tasks ----------------------------------------------------------------------------------------------------- */

enum { TASK_SPEC = 1, TASK_STATE = 13, TASK_POLICY = 23, TASK_COLUMNS_END = 33 };

static unsigned read_retry_on(const struct pg_result *r, struct arena *a, int row, int col)
{
    struct msg_strs causes = read_strs(r, a, row, col);
    unsigned bits = 0;

    if (pg_null(r, row, col))
        return RETRY_AGENT | RETRY_INFRASTRUCTURE;
    for (size_t i = 0; i < causes.n; i++)
        bits |= strcmp(causes.v[i], "agent") == 0 ? RETRY_AGENT : RETRY_INFRASTRUCTURE;
    return bits;
}

static struct msg_ints read_ints(const struct pg_result *r, struct arena *a, int row, int col)
{
    struct msg_strs texts = read_strs(r, a, row, col);
    int64_t *v = texts.n ? arena_alloc(a, texts.n * sizeof *v) : NULL;

    for (size_t i = 0; i < texts.n; i++)
        v[i] = strtoll(texts.v[i], NULL, 10);
    return (struct msg_ints){ v, texts.n };
}

/* NULL: nothing is said, as most submissions do. */
static const struct policy *read_policy(const struct pg_result *r, struct arena *a, int row)
{
    int col = TASK_POLICY;
    struct msg_strs after;
    struct policy *p;
    struct uuid *ids;

    while (col < TASK_COLUMNS_END && pg_null(r, row, col))
        col++;
    if (col == TASK_COLUMNS_END)
        return NULL;
    p = arena_alloc(a, sizeof *p);
    after = read_strs(r, a, row, TASK_POLICY + 1);
    ids = after.n ? arena_alloc(a, after.n * sizeof *ids) : NULL;
    for (size_t i = 0; i < after.n; i++)
        uuid_parse(after.v[i], strlen(after.v[i]), &ids[i]);
    *p = (struct policy){
        .group = read_text(r, a, row, TASK_POLICY),
        .after = ids,
        .n_after = after.n,
        .condition = (enum after)read_word(r, row, TASK_POLICY + 2, db_conditions, ARRAY_LEN(db_conditions)),
        .timeout_ms = pg_int(r, row, TASK_POLICY + 3),
        .silence_timeout_ms = pg_int(r, row, TASK_POLICY + 4),
        .queue_timeout_ms = pg_int(r, row, TASK_POLICY + 5),
        .tries = pg_int(r, row, TASK_POLICY + 6),
        .retry_on = read_retry_on(r, a, row, TASK_POLICY + 7),
        .retry_exit_codes = read_ints(r, a, row, TASK_POLICY + 8),
        .retry_of = read_id(r, row, TASK_POLICY + 9),
    };
    return p;
}

static const struct spec *read_spec(const struct pg_result *r, struct arena *a, int row)
{
    struct spec *spec = arena_alloc(a, sizeof *spec);

    *spec = (struct spec){
        .project = read_text(r, a, row, TASK_SPEC),
        .repo = read_text(r, a, row, TASK_SPEC + 1),
        .target = read_text(r, a, row, TASK_SPEC + 2),
        .args = read_strs(r, a, row, TASK_SPEC + 3),
        .ref = read_text(r, a, row, TASK_SPEC + 4),
        .mr = read_text(r, a, row, TASK_SPEC + 5),
        .driver = read_text(r, a, row, TASK_SPEC + 6),
        .labels = read_strs(r, a, row, TASK_SPEC + 7),
        .env = read_pairs(r, a, row, TASK_SPEC + 8),
        .separate_streams = pg_bool(r, row, TASK_SPEC + 10),
        .priority = (enum priority)read_word(r, row, TASK_SPEC + 11, db_priorities, ARRAY_LEN(db_priorities)),
        .policy = read_policy(r, a, row),
    };
    return spec;
}

void db_read_tasks(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_task *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->tasks = v;
    rows->n_tasks = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        v[i] = (struct row_task){
            .id = read_id(r, i, 0),
            .spec = read_spec(r, a, i),
            .state = (enum task_state)task_state_by_name(pg_text(r, i, TASK_STATE)),
            .commit = read_text(r, a, i, TASK_STATE + 1),
            .cause = read_text(r, a, i, TASK_STATE + 2),
            .message = read_text(r, a, i, TASK_STATE + 3),
            .exit_code = pg_int(r, i, TASK_STATE + 4),
            .attempt = pg_int(r, i, TASK_STATE + 5),
            .created_ms = pg_int(r, i, TASK_STATE + 6),
            .started_ms = pg_int(r, i, TASK_STATE + 7),
            .ended_ms = pg_int(r, i, TASK_STATE + 8),
            .not_before_ms = pg_int(r, i, TASK_STATE + 9),
        };
}

/* --- attempts -------------------------------------------------------------------------------------------------- */

enum { ATTEMPT_SEGMENT = 24 };

static const struct row_segment *read_segment(const struct pg_result *r, struct arena *a, int i)
{
    struct row_segment *row;

    if (pg_null(r, i, ATTEMPT_SEGMENT))
        return NULL;
    row = arena_alloc(a, sizeof *row);
    row->offset = pg_int(r, i, ATTEMPT_SEGMENT);
    row->chunk = pg_int(r, i, ATTEMPT_SEGMENT + 1);
    pg_bytes(r, i, ATTEMPT_SEGMENT + 2, row->head.b, sizeof row->head.b);
    row->sink = read_text(r, a, i, ATTEMPT_SEGMENT + 3);
    return row;
}

static void read_attempt(const struct pg_result *r, struct arena *a, int i, struct row_attempt *row)
{
    const char *late = pg_text(r, i, 5);

    *row = (struct row_attempt){
        .task_id = read_id(r, i, 0),
        .number = pg_int(r, i, 1),
        .agent_id = read_id(r, i, 2),
        .session = pg_int(r, i, 3),
        .state = (enum attempt_state)attempt_state_by_name(pg_text(r, i, 4)),
        .late_state = late ? attempt_state_by_name(late) : -1,
        .cause = read_text(r, a, i, 6),
        .message = read_text(r, a, i, 7),
        .exit_code = pg_int(r, i, 8),
        .signal = pg_int(r, i, 9),
        .commit = read_text(r, a, i, 10),
        .driver = read_text(r, a, i, 11),
        .workspace = read_text(r, a, i, 12),
        .log_state = (enum log_state)read_word(r, i, 13, db_log_states, ARRAY_LEN(db_log_states)),
        .log_bytes = pg_int(r, i, 14),
        .log_lines = pg_int(r, i, 15),
        .log_chunks = pg_int(r, i, 16),
        .assigned_ms = pg_int(r, i, 18),
        .started_ms = pg_int(r, i, 19),
        .ended_ms = pg_int(r, i, 20),
        .sink = read_text(r, a, i, 21),
        .stop = (enum stop)read_word(r, i, 22, db_stops, ARRAY_LEN(db_stops)),
        .is_wanted = pg_bool(r, i, 23),
        .segment = read_segment(r, a, i),
    };
    row->has_head = pg_bytes(r, i, 17, row->log_head.b, sizeof row->log_head.b) == sizeof row->log_head.b;
}

void db_read_attempts(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_attempt *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->attempts = v;
    rows->n_attempts = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        read_attempt(r, a, i, &v[i]);
}

/* --- the others ------------------------------------------------------------------------------------------------ */

void db_read_agents(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_agent *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->agents = v;
    rows->n_agents = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        v[i] = (struct row_agent){
            .id = read_id(r, i, 0),
            .instance = read_id(r, i, 1),
            .name = read_text(r, a, i, 2),
            .version = read_text(r, a, i, 3),
            .labels = read_strs(r, a, i, 4),
            .slots = pg_int(r, i, 5),
            .session = pg_int(r, i, 6),
            .is_up = pg_bool(r, i, 7),
            .seen_ms = pg_int(r, i, 8),
            .is_draining = pg_bool(r, i, 9),
            .hello = pg_int(r, i, 10),
        };
}

void db_read_projects(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_project *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->projects = v;
    rows->n_projects = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        v[i] = (struct row_project){
            .name = read_text(r, a, i, 0),
            .weight = pg_int(r, i, 1),
            .is_paused = pg_bool(r, i, 2),
            .supersede = (enum supersede)read_word(r, i, 3, db_supersedes, ARRAY_LEN(db_supersedes)),
            .log_max = pg_int(r, i, 4),
            .log_keep_ms = pg_int(r, i, 5),
        };
}

void db_read_groups(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_group *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->groups = v;
    rows->n_groups = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        v[i] = (struct row_group){ .name = read_text(r, a, i, 0), .capacity = pg_int(r, i, 1) };
}

void db_read_sinks(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_sink *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->sinks = v;
    rows->n_sinks = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++)
        v[i] = (struct row_sink){
            .name = read_text(r, a, i, 0),
            .state = (enum sink_state)read_word(r, i, 1, db_sink_states, ARRAY_LEN(db_sink_states)),
            .since_ms = pg_int(r, i, 2),
        };
}

void db_read_keys(const struct pg_result *r, struct arena *a, struct core_rows *rows)
{
    struct row_key *v = arena_alloc(a, ((size_t)r->rows + 1) * sizeof *v);

    rows->keys = v;
    rows->n_keys = (size_t)r->rows;
    for (int i = 0; i < r->rows; i++) {
        const char *state = pg_text(r, i, 5);
        v[i] = (struct row_key){
            .project = read_text(r, a, i, 0),
            .key = read_text(r, a, i, 1),
            .task_id = read_id(r, i, 3),
            .created_ms = pg_int(r, i, 4),
            .end_state = state ? task_state_by_name(state) : -1,
            .is_joined = pg_bool(r, i, 6),
        };
        pg_bytes(r, i, 2, v[i].body.b, sizeof v[i].body.b);
    }
}
