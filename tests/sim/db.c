/* db.c - the simulated database: rows as committed, what must be unique, what SQL refuses, the leader row as the fence.
 *
 * A batch is applied whole or not at all. Rows are never changed in place: journals keep pages of them. */
#include "lib/mem.h"

#include <string.h>

#include "tests/sim/world.h"

const struct row_task *db_task(const struct world *w, const struct uuid *id)
{
    return table_get(&w->db.tasks, id);
}

const struct row_attempt *db_attempt(const struct world *w, const struct uuid *task, int64_t number)
{
    struct uuid key = attempt_key(task, number);

    return table_get(&w->db.attempts, &key);
}

static const char *keep(struct world *w, const char *text)
{
    return arena_strdup(&w->arena, text);
}

/* --- one function per table -------------------------------------------------------------------------------------- */

static void put_task(struct world *w, const struct row_task *in)
{
    const struct row_task *before = db_task(w, &in->id);
    struct row_task *row;
    char id[16];

    if (in->is_new == !!before) {
        world_fail(w, "task %s is %s", id_short(&in->id, id), before ? "inserted twice" : "updated but not there");
        return;
    }
    if (before && before->ended_ms)
        world_fail(w, "task %s had ended and is changed", id_short(&in->id, id));
    row = arena_dup(&w->arena, in, sizeof *in);
    row->is_new = false;
    row->spec = in->is_new ? spec_pack(in->spec, &w->arena) : before->spec;
    row->created_ms = in->is_new ? in->created_ms : before->created_ms;
    row->commit = keep(w, in->commit);
    row->message = keep(w, in->message);
    table_put(&w->db.tasks, &in->id, row);
}

static void put_attempt(struct world *w, const struct row_attempt *in)
{
    const struct row_attempt *before = db_attempt(w, &in->task_id, in->number);
    struct uuid key = attempt_key(&in->task_id, in->number);
    struct row_attempt *row;
    char id[16];

    if (in->is_new == !!before) {
        world_fail(w, "attempt %s.%lld is %s", id_short(&in->task_id, id), (long long)in->number,
                   before ? "inserted twice" : "updated but not there");
        return;
    }
    if (before && before->ended_ms && before->state != in->state)
        world_fail(w, "attempt %s.%lld had ended and is changed", id_short(&in->task_id, id), (long long)in->number);
    row = arena_dup(&w->arena, in, sizeof *in);
    row->is_new = false;
    row->message = keep(w, in->message);
    row->commit = keep(w, in->commit);
    row->driver = keep(w, in->driver);
    row->workspace = keep(w, in->workspace);
    row->sink = keep(w, in->sink);
    row->segment = NULL;
    check_log_change(w, before, row);
    if (before && before->log_state == LOG_GAP && row->log_state == LOG_COMPLETE)
        w->counts.lates++;
    if (before && strcmp(before->sink, row->sink) != 0)
        world_fail(w, "attempt %s.%lld moves to another sink", id_short(&in->task_id, id), (long long)in->number);
    table_put(&w->db.attempts, &key, row);
}

static void put_agent(struct world *w, const struct row_agent *in)
{
    struct row_agent *row = arena_dup(&w->arena, in, sizeof *in);

    row->is_new = false;
    row->name = keep(w, in->name);
    row->version = keep(w, in->version);
    row->labels = spec_pack(&(struct spec){ .labels = in->labels }, &w->arena)->labels;
    table_put(&w->db.agents, &in->id, row);
}

static void put_shares(struct world *w, const struct effects *fx)
{
    for (size_t i = 0; i < fx->projects.n; i++) {
        struct row_project *row = arena_dup(&w->arena, &fx->projects.v[i], sizeof *row);
        struct uuid key = table_key_text(row->name, NULL);
        row->name = keep(w, row->name);
        table_put(&w->db.projects, &key, row);
    }
    for (size_t i = 0; i < fx->groups.n; i++) {
        struct row_group *row = arena_dup(&w->arena, &fx->groups.v[i], sizeof *row);
        struct uuid key = table_key_text(row->name, NULL);
        row->name = keep(w, row->name);
        if (row->capacity == GROUP_DEFAULT)
            table_remove(&w->db.groups, &key);
        else
            table_put(&w->db.groups, &key, row);
    }
    if (fx->queues.n)
        w->db.is_paused = fx->queues.v[fx->queues.n - 1].is_paused;
}

static void put_keys(struct world *w, const struct effects *fx)
{
    for (size_t i = 0; i < fx->old_keys.n; i++) {
        struct uuid key = table_key_text(fx->old_keys.v[i].project, fx->old_keys.v[i].key);
        if (!table_remove(&w->db.keys, &key))
            world_fail(w, "an idempotency key that is not there is deleted");
    }
    for (size_t i = 0; i < fx->keys.n; i++) {
        struct row_key *row = arena_dup(&w->arena, &fx->keys.v[i], sizeof *row);
        struct uuid key = table_key_text(row->project, row->key);
        row->project = keep(w, row->project);
        row->key = keep(w, row->key);
        if (table_get(&w->db.keys, &key))
            world_fail(w, "idempotency key %s is inserted twice", row->key);
        table_put(&w->db.keys, &key, row);
    }
}

static void put_segment(struct world *w, const struct row_segment *in)
{
    struct uuid key = attempt_key(&in->task_id, in->attempt);
    const struct sim_segments *before = table_get(&w->db.segments, &key);
    struct sim_segments *all = arena_alloc(&w->arena, sizeof *all);
    struct row_segment *row = arena_dup(&w->arena, in, sizeof *in);
    char id[16];

    row->sink = keep(w, in->sink);
    if (before)
        *all = *before;
    if (all->n && all->v[all->n - 1]->offset == in->offset)
        all->n--;
    if (!db_attempt(w, &in->task_id, in->attempt) || all->n == SEGMENTS_MAX ||
        (all->n && (all->v[all->n - 1]->offset > in->offset || all->v[all->n - 1]->chunk > in->chunk))) {
        world_fail(w, "a segment of %s.%lld begins at %lld, behind others", id_short(&in->task_id, id),
                   (long long)in->attempt, (long long)in->offset);
        return;
    }
    all->v[all->n++] = row;
    table_put(&w->db.segments, &key, all);
    w->counts.moves++;
}

static void put_sinks(struct world *w, const struct effects *fx)
{
    for (size_t i = 0; i < fx->sinks.n; i++) {
        struct row_sink *row = arena_dup(&w->arena, &fx->sinks.v[i], sizeof *row);
        struct uuid key = table_key_text(row->name, NULL);
        row->name = keep(w, row->name);
        table_put(&w->db.sinks, &key, row);
    }
}

static void put_event(struct world *w, const struct row_event *ev)
{
    if (ev->seq != w->db.seq + 1)
        world_fail(w, "event %lld follows %lld", (long long)ev->seq, (long long)w->db.seq);
    if (ev->at_ms < w->db.now_ms)
        world_fail(w, "event %lld goes back in time", (long long)ev->seq);
    w->db.seq = ev->seq;
    w->db.now_ms = ev->at_ms;
}

/* --- batches ----------------------------------------------------------------------------------------------------- */

static bool is_bad(const char *text)
{
    return text && strcmp(text, "bad") == 0;
}

/* As real SQL would: before anything is applied. An id that the core cannot know is a duplicate key. */
static enum db_answer check_constraints(const struct world *w, const struct sim_shell *sh)
{
    const struct effects *fx = &sh->flight;
    int64_t now_ms = fx->events.n ? fx->events.v[fx->events.n - 1].at_ms : w->db.now_ms;

    for (size_t i = 0; i < fx->tasks.n; i++) {
        const struct row_task *t = &fx->tasks.v[i], *before = db_task(w, &t->id);
        if (t->is_new && is_bad(t->spec->driver))
            return DB_REFUSED;
        if (t->is_new && before && (!sh->began_whole || !db_is_loaded(w, before, now_ms)))
            return DB_EXISTS;
    }
    for (size_t i = 0; i < fx->attempts.n; i++)
        if (is_bad(fx->attempts.v[i].workspace) || is_bad(fx->attempts.v[i].message))
            return DB_REFUSED;
    for (size_t i = 0; i < fx->groups.n; i++)
        if (is_bad(fx->groups.v[i].name))
            return DB_REFUSED;
    return DB_DONE;
}

/* The row moves in the same transaction; reading it before is not the same. */
static bool is_fenced(const struct world *w, const struct sim_shell *sh)
{
    if (w->bug == BUG_SELECT_FENCE)
        return !sh->is_selected;
    if (w->bug == BUG_BLIND_RESEND)
        return w->db.epoch != sh->epoch;
    return w->db.epoch != sh->epoch || w->db.batch != sh->next_batch;
}

enum db_answer db_commit(struct world *w, struct sim_shell *sh)
{
    const struct effects *fx = &sh->flight;
    enum db_answer answer;

    if (is_fenced(w, sh))
        return DB_FENCED;
    answer = check_constraints(w, sh);
    if (answer != DB_DONE)
        return answer;
    w->db.batch++;
    for (size_t i = 0; i < fx->agents.n; i++)
        put_agent(w, &fx->agents.v[i]);
    for (size_t i = 0; i < fx->tasks.n; i++)
        put_task(w, &fx->tasks.v[i]);
    put_sinks(w, fx);
    for (size_t i = 0; i < fx->attempts.n; i++)
        if (w->bug != BUG_LOST_ROWS || world_random(w, 50) > 0)
            put_attempt(w, &fx->attempts.v[i]);
    for (size_t i = 0; i < fx->segments.n; i++)
        put_segment(w, &fx->segments.v[i]);
    put_shares(w, fx);
    put_keys(w, fx);
    for (size_t i = 0; i < fx->events.n; i++)
        put_event(w, &fx->events.v[i]);
    return DB_DONE;
}

void db_fini(struct sim_db *db)
{
    table_fini(&db->tasks);
    table_fini(&db->attempts);
    table_fini(&db->agents);
    table_fini(&db->projects);
    table_fini(&db->groups);
    table_fini(&db->keys);
    table_fini(&db->sinks);
    table_fini(&db->segments);
}
