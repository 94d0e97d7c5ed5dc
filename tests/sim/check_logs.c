/* check_logs.c - the promises about logs: complete only if the sinks have it, and for ever; moves written down before
 * they happen; nobody sent away from a sink that is well. */
#include <string.h>

#include "tests/sim/world.h"

static const struct sim_segments *segments_of(const struct world *w, const struct row_attempt *at)
{
    static const struct sim_segments none;
    struct uuid key = attempt_key(&at->task_id, at->number);
    const struct sim_segments *segments = table_get(&w->db.segments, &key);

    return segments ? segments : &none;
}

int db_log_sink(const struct world *w, const struct row_attempt *at)
{
    const struct sim_segments *s = segments_of(w, at);

    return sink_by_name(w, s->n ? s->v[s->n - 1]->sink : at->sink);
}

/* --- what the sinks have ------------------------------------------------------------------------------------------- */

static bool has_range(const struct world *w, const char *sink, const struct row_attempt *at, struct sim_range r)
{
    const struct sim_store *st = store_find(w, sink_by_name(w, sink), &at->task_id, at->number);

    if (r.from >= r.to)
        return true;
    for (int i = 0; st && i < st->n_ranges; i++)
        if (st->ranges[i].from <= r.from && st->ranges[i].to >= r.to)
            return true;
    return false;
}

bool log_is_whole(const struct world *w, const struct row_attempt *at)
{
    const struct sim_segments *s = segments_of(w, at);
    const char *sink = at->sink;
    int64_t from = 0;

    if (!at->has_head)
        return false;
    for (int i = 0; i < s->n; i++) {
        if (!has_range(w, sink, at, (struct sim_range){ from, s->v[i]->chunk }))
            return false;
        from = s->v[i]->chunk;
        sink = s->v[i]->sink;
    }
    return has_range(w, sink, at, (struct sim_range){ from, at->log_chunks });
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

void check_log_change(struct world *w, const struct row_attempt *before, const struct row_attempt *now)
{
    char id[16];

    id_short(&now->task_id, id);
    if (before && before->log_state == LOG_COMPLETE &&
        (now->log_state != LOG_COMPLETE || now->log_chunks != before->log_chunks || now->is_wanted))
        world_fail(w, "the log of %s.%lld was complete and is changed", id, (long long)now->number);
    if (before && before->log_state == LOG_GAP && now->log_state == LOG_OPEN)
        world_fail(w, "the log of %s.%lld is open again", id, (long long)now->number);
    if (now->is_wanted && now->log_state != LOG_GAP)
        world_fail(w, "the log of %s.%lld is no gap and wanted", id, (long long)now->number);
    if (now->log_state != LOG_OPEN && !now->ended_ms)
        world_fail(w, "the log of %s.%lld is sealed before its end", id, (long long)now->number);
    if (now->log_state == LOG_COMPLETE && (!before || before->log_state != LOG_COMPLETE) && !log_is_whole(w, now))
        world_fail(w, "the log of %s.%lld is called complete, and the sinks have not got it", id, (long long)now->number);
}

/* --- a commit ------------------------------------------------------------------------------------------------------ */

static bool speaks_of_sink(const struct effects *fx)
{
    for (size_t i = 0; i < fx->events.n; i++)
        if (strncmp(fx->events.v[i].kind, "sink.", 5) == 0)
            return true;
    return false;
}

static bool moves(const struct effects *fx, const struct msg_log_move *m)
{
    for (size_t i = 0; i < fx->segments.n; i++)
        if (uuid_cmp(&fx->segments.v[i].task_id, &m->task_id) == 0 && fx->segments.v[i].attempt == m->attempt)
            return true;
    return false;
}

void check_move(struct world *w, const struct effects *fx, const struct msg_log_move *m)
{
    const struct row_attempt *at = db_attempt(w, &m->task_id, m->attempt);
    struct uuid key;
    const struct row_sink *row;
    char id[16];

    if (!at || moves(fx, m))
        return;
    key = table_key_text(w->sinks[db_log_sink(w, at)].name, NULL);
    row = table_get(&w->db.sinks, &key);
    if (!row || (row->state != SINK_LOST && row->state != SINK_FULL))
        world_fail(w, "the log of %s.%lld is sent to %s, and %s is well", id_short(&m->task_id, id), (long long)m->attempt,
                   m->sink, w->sinks[db_log_sink(w, at)].name);
}

/* Messages that are about to leave. */
void check_logs(struct world *w, const struct sim_shell *sh)
{
    const struct effects *fx = &sh->flight;

    if (sh->epoch != w->db.epoch || w->bug == BUG_EARLY_MESSAGES || speaks_of_sink(fx))
        return;
    for (size_t i = 0; i < fx->messages.n; i++)
        if (fx->messages.v[i].type == MSG_LOG_MOVE)
            check_move(w, fx, fx->messages.v[i].message);
}
