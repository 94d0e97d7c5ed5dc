/* db_write.c - the rows of a batch as array parameters, one statement per kind of row, in one transaction.
 *
 * A new row is inserted with what every new row has; one that got further in the same batch is updated behind that.
 * Fields of an attempt that is young are set and never unset, so an update that says nothing of most of them need not
 * name them. */
#include <string.h>

#include "lib/mem.h"
#include "scheduler/db.h"
#include "scheduler/db_columns.h"

/* --- tasks ------------------------------------------------------------------------------------------------------- */

static void put_after(struct columns *c, const struct policy *p)
{
    struct pg_array list = { 0 };
    char id[UUID_TEXT_SIZE];

    for (size_t i = 0; i < p->n_after; i++) {
        uuid_format(&p->after[i], id);
        pg_array_str(&list, id);
    }
    put_list(c, &list);
    put_text(c, p->n_after ? db_conditions[p->condition] : NULL);
}

/* NULL: both causes, as for everybody. */
static void put_retry_on(struct columns *c, unsigned causes)
{
    static const char *const lists[] = { "{}", [RETRY_AGENT] = "{agent}", [RETRY_INFRASTRUCTURE] = "{infrastructure}",
                                         [RETRY_AGENT | RETRY_INFRASTRUCTURE] = NULL };

    put_text(c, lists[causes & (RETRY_AGENT | RETRY_INFRASTRUCTURE)]);
}

static void put_ints(struct columns *c, struct msg_ints ints)
{
    struct pg_array list = { 0 };

    for (size_t i = 0; i < ints.n; i++)
        pg_array_int(&list, ints.v[i]);
    put_list(c, &list);
}

static void put_policy(struct columns *c, const struct spec *spec)
{
    static const struct policy none = { .retry_on = RETRY_AGENT | RETRY_INFRASTRUCTURE };
    const struct policy *p = spec->policy ? spec->policy : &none;

    put_pairs(c, spec->env.v, spec->env.n);
    put_text(c, db_priorities[spec->priority]);
    put_text(c, p->group);
    put_after(c, p);
    put_positive(c, PG_INT8, p->timeout_ms);
    put_positive(c, PG_INT8, p->silence_timeout_ms);
    put_positive(c, PG_INT8, p->queue_timeout_ms);
    put_positive(c, PG_INT4, p->tries);
    put_retry_on(c, p->retry_on);
    put_ints(c, p->retry_exit_codes);
    put_id(c, &p->retry_of);
}

static bool is_plain(const struct spec *spec)
{
    return !spec->policy && !spec->env.n && spec->priority == PRIORITY_NORMAL;
}

static void write_new_tasks(struct pg *pg, const struct effects *fx)
{
    struct columns plain = { 0 }, full = { 0 };

    for (size_t i = 0; i < fx->tasks.n; i++) {
        const struct row_task *row = &fx->tasks.v[i];
        struct columns *c = row->is_new && is_plain(row->spec) ? &plain : &full;
        if (!row->is_new)
            continue;
        row_begin(c);
        put_id(c, &row->id);
        put_text(c, row->spec->project);
        put_text(c, row->spec->repo);
        put_text(c, row->spec->target);
        put_strs(c, row->spec->args);
        put_text(c, row->spec->ref);
        put_text(c, row->spec->mr);
        put_text(c, row->spec->driver);
        put_strs(c, row->spec->labels);
        put_bool(c, row->spec->separate_streams);
        put_text(c, task_state_name(row->state));
        put_int(c, row->attempt);
        put_time(c, row->created_ms);
        if (c == &full)
            put_policy(c, row->spec);
    }
    columns_call(pg, DB_TASK_INSERT, &plain);
    columns_call(pg, DB_TASK_INSERT_FULL, &full);
}

/* A new task whose insert has said everything. */
static bool is_fresh_task(const struct row_task *row)
{
    return row->is_new && !row->commit && !row->cause && !row->message && row->exit_code < 0 && !row->started_ms &&
           !row->ended_ms && !row->not_before_ms;
}

static void write_changed_tasks(struct pg *pg, const struct effects *fx, const struct db_month *month)
{
    struct columns here = { 0 }, there = { 0 };

    for (size_t i = 0; i < fx->tasks.n; i++) {
        const struct row_task *row = &fx->tasks.v[i];
        struct columns *c = db_month_has(month, &row->id) ? &here : &there;
        if (is_fresh_task(row))
            continue;
        row_begin(c);
        put_id(c, &row->id);
        put_text(c, task_state_name(row->state));
        put_text(c, row->commit);
        put_text(c, row->cause);
        put_text(c, row->message);
        put_count(c, PG_INT4, row->exit_code);
        put_int(c, row->attempt);
        put_time(c, row->started_ms);
        put_time(c, row->ended_ms);
        put_time(c, row->not_before_ms);
    }
    columns_call(pg, DB_TASK_UPDATE_HERE, &here);
    columns_call(pg, DB_TASK_UPDATE, &there);
}

/* --- attempts ---------------------------------------------------------------------------------------------------- */

static void write_new_attempts(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->attempts.n; i++) {
        const struct row_attempt *row = &fx->attempts.v[i];
        if (!row->is_new)
            continue;
        row_begin(&c);
        put_id(&c, &row->task_id);
        put_int(&c, row->number);
        put_id(&c, &row->agent_id);
        put_big(&c, row->session);
        put_text(&c, attempt_state_name(row->state));
        put_time(&c, row->assigned_ms);
        put_text(&c, row->sink);
    }
    columns_call(pg, DB_ATTEMPT_INSERT, &c);
}

/* Nothing has happened to it but its assignment and acceptance. */
static bool is_young(const struct row_attempt *row)
{
    return row->late_state < 0 && !row->cause && !row->message && !row->commit && !row->driver && !row->workspace &&
           row->stop == STOP_NONE && row->exit_code < 0 && row->signal < 0 && row->log_state == LOG_OPEN &&
           row->log_bytes < 0 && row->log_lines < 0 && row->log_chunks < 0 && !row->has_head && !row->is_wanted &&
           !row->ended_ms;
}

static void put_key(struct columns *c, const struct row_attempt *row)
{
    row_begin(c);
    put_id(c, &row->task_id);
    put_int(c, row->number);
    put_big(c, row->session);
}

static void put_accepted(struct columns *c, const struct row_attempt *row)
{
    put_key(c, row);
    put_time(c, row->started_ms);
}

static void put_changed(struct columns *c, const struct row_attempt *row)
{
    put_key(c, row);
    put_text(c, attempt_state_name(row->state));
    put_text(c, row->late_state < 0 ? NULL : attempt_state_name((enum attempt_state)row->late_state));
    put_text(c, row->cause);
    put_text(c, row->message);
    put_count(c, PG_INT4, row->exit_code);
    put_count(c, PG_INT4, row->signal);
    put_text(c, row->commit);
    put_text(c, row->driver);
    put_text(c, row->workspace);
    put_text(c, db_log_states[row->log_state]);
    put_count(c, PG_INT8, row->log_bytes);
    put_count(c, PG_INT8, row->log_lines);
    put_count(c, PG_INT8, row->log_chunks);
    put_hash(c, row->has_head ? &row->log_head : NULL);
    put_time(c, row->started_ms);
    put_time(c, row->ended_ms);
    put_text(c, db_stops[row->stop]);
    put_true(c, row->is_wanted);
}

static void write_changed_attempts(struct pg *pg, const struct effects *fx, const struct db_month *month)
{
    struct { struct columns accepted, changed; } here = { 0 }, there = { 0 }, *to;

    for (size_t i = 0; i < fx->attempts.n; i++) {
        const struct row_attempt *row = &fx->attempts.v[i];
        if (row->is_new && is_young(row) && !row->started_ms)
            continue;
        to = db_month_has(month, &row->task_id) ? &here : &there;
        if (row->state == ATTEMPT_RUNNING && is_young(row))
            put_accepted(&to->accepted, row);
        else
            put_changed(&to->changed, row);
    }
    columns_call(pg, DB_ATTEMPT_ACCEPT_HERE, &here.accepted);
    columns_call(pg, DB_ATTEMPT_UPDATE_HERE, &here.changed);
    columns_call(pg, DB_ATTEMPT_ACCEPT, &there.accepted);
    columns_call(pg, DB_ATTEMPT_UPDATE, &there.changed);
}

static void write_segments(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->segments.n; i++) {
        const struct row_segment *row = &fx->segments.v[i];
        row_begin(&c);
        put_id(&c, &row->task_id);
        put_int(&c, row->attempt);
        put_big(&c, row->offset);
        put_big(&c, row->chunk);
        put_hash(&c, &row->head);
        put_text(&c, row->sink);
        put_time(&c, row->created_ms);
    }
    columns_call(pg, DB_SEGMENT_PUT, &c);
}

/* --- agents, projects, groups, sinks, the queue ------------------------------------------------------------------ */

static void write_agents(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->agents.n; i++) {
        const struct row_agent *row = &fx->agents.v[i];
        row_begin(&c);
        put_id(&c, &row->id);
        put_text(&c, row->name ? row->name : "");
        pg_column_uuid(column_next(&c), &row->instance);
        put_strs(&c, row->labels);
        put_int(&c, row->slots);
        put_text(&c, row->version ? row->version : "");
        put_big(&c, row->session);
        put_text(&c, row->is_up ? "up" : "lost");
        put_time(&c, row->seen_ms);
        put_bool(&c, row->is_draining);
        put_big(&c, row->hello);
    }
    columns_call(pg, DB_AGENT_PUT, &c);
}

static void write_projects(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->projects.n; i++) {
        const struct row_project *row = &fx->projects.v[i];
        row_begin(&c);
        put_text(&c, row->name);
        put_int(&c, row->weight);
        put_bool(&c, row->is_paused);
        put_text(&c, db_supersedes[row->supersede]);
        put_positive(&c, PG_INT8, row->log_max);
        put_positive(&c, PG_INT8, row->log_keep_ms);
    }
    columns_call(pg, DB_PROJECT_PUT, &c);
}

static void write_groups(struct pg *pg, const struct effects *fx)
{
    struct columns kept = { 0 }, gone = { 0 };

    for (size_t i = 0; i < fx->groups.n; i++) {
        const struct row_group *row = &fx->groups.v[i];
        struct columns *c = row->capacity == GROUP_DEFAULT ? &gone : &kept;
        row_begin(c);
        put_text(c, row->name);
        if (c == &kept)
            put_int(c, row->capacity);
    }
    columns_call(pg, DB_GROUP_DELETE, &gone);
    columns_call(pg, DB_GROUP_PUT, &kept);
}

static void write_sinks(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->sinks.n; i++) {
        const struct row_sink *row = &fx->sinks.v[i];
        row_begin(&c);
        put_text(&c, row->name);
        put_text(&c, db_sink_states[row->state]);
        put_time(&c, row->since_ms);
    }
    columns_call(pg, DB_SINK_PUT, &c);
}

static void write_queue(struct pg *pg, const struct effects *fx)
{
    static const char *const words[] = { "f", "t" };

    if (fx->queues.n)
        pg_call(pg, DB_QUEUE_PUT, &words[fx->queues.v[fx->queues.n - 1].is_paused], 1, NULL, NULL);
}

/* --- keys and events --------------------------------------------------------------------------------------------- */

static void write_keys(struct pg *pg, const struct effects *fx)
{
    struct columns old = { 0 }, c = { 0 };

    for (size_t i = 0; i < fx->old_keys.n; i++) {
        row_begin(&old);
        put_text(&old, fx->old_keys.v[i].project);
        put_text(&old, fx->old_keys.v[i].key);
    }
    columns_call(pg, DB_KEY_DELETE, &old);
    for (size_t i = 0; i < fx->keys.n; i++) {
        const struct row_key *row = &fx->keys.v[i];
        row_begin(&c);
        put_text(&c, row->project);
        put_text(&c, row->key);
        put_hash(&c, &row->body);
        put_id(&c, &row->task_id);
        put_time(&c, row->created_ms);
        put_bool(&c, row->is_joined);
    }
    columns_call(pg, DB_IDEMPOTENCY_INSERT, &c);
}

static void write_events(struct pg *pg, const struct effects *fx)
{
    struct columns c = { 0 };

    for (size_t i = 0; i < fx->events.n; i++) {
        const struct row_event *row = &fx->events.v[i];
        row_begin(&c);
        put_big(&c, row->seq);
        put_time(&c, row->at_ms);
        put_big(&c, row->epoch);
        put_text(&c, row->kind);
        put_text(&c, row->project);
        put_id(&c, &row->task_id);
        put_positive(&c, PG_INT4, row->attempt);
        put_id(&c, &row->agent_id);
        put_pairs(&c, row->data, row->n_data);
    }
    columns_call(pg, DB_EVENT_INSERT, &c);
}

static void write_notify(struct pg *pg, const struct effects *fx)
{
    char *seq;

    if (!fx->events.n)
        return;
    seq = mem_printf("%lld", (long long)fx->events.v[fx->events.n - 1].seq);
    pg_call(pg, DB_EVENT_NOTIFY, (const char *const[]){ seq }, 1, NULL, NULL);
    mem_free(&seq);
}

void db_write(struct pg *pg, const struct effects *fx, const struct db_batch *b)
{
    char *epoch = mem_printf("%lld", (long long)b->epoch), *batch = mem_printf("%lld", (long long)b->batch);

    if (fx->events.n)
        db_month_look(b->month, fx->events.v[fx->events.n - 1].at_ms);
    pg_call(pg, DB_FENCE, (const char *const[]){ epoch, batch }, 2, b->fenced, b->arg);
    mem_free(&epoch);
    mem_free(&batch);
    write_queue(pg, fx);
    write_projects(pg, fx);
    write_groups(pg, fx);
    write_sinks(pg, fx);
    write_agents(pg, fx);
    write_new_tasks(pg, fx);
    write_changed_tasks(pg, fx, b->month);
    write_new_attempts(pg, fx);
    write_changed_attempts(pg, fx, b->month);
    write_segments(pg, fx);
    write_keys(pg, fx);
    write_events(pg, fx);
    write_notify(pg, fx);
    pg_sync(pg, b->done, b->arg);
}
