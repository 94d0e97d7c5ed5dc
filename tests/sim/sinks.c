/* sinks.c - simulated log sinks: what they have of each log, when they are away or full, what they say of its end. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

enum { TELL_MS = 3000 };

int sink_by_name(const struct world *w, const char *name)
{
    for (int i = 0; i < SINKS_MAX; i++)
        if (strcmp(w->sinks[i].name, name) == 0)
            return i;
    return 0;
}

bool sink_is_up(const struct world *w, int sink)
{
    return w->sinks[sink].down_ms <= w->now_ms;
}

bool sink_is_full(const struct world *w, int sink)
{
    return w->sinks[sink].full_ms > w->now_ms;
}

struct sim_store *store_find(const struct world *w, int sink, const struct uuid *task, int64_t attempt)
{
    struct uuid key = attempt_key(task, attempt);

    return table_get(&w->sinks[sink].stores, &key);
}

static struct sim_store *store_get(struct world *w, int sink, const struct uuid *task, int64_t attempt)
{
    struct sim_store *st = store_find(w, sink, task, attempt);
    struct uuid key = attempt_key(task, attempt);

    if (st)
        return st;
    st = arena_alloc(&w->arena, sizeof *st);
    *st = (struct sim_store){ .task = *task, .attempt = attempt, .end = -1 };
    table_put(&w->sinks[sink].stores, &key, st);
    return st;
}

static int64_t durable(const struct sim_store *st)
{
    return st->n_ranges ? st->ranges[st->n_ranges - 1].to : 0;
}

/* --- ends ---------------------------------------------------------------------------------------------------------- */

static void fill(const struct world *w, int sink, const struct sim_store *st, bool is_forced, struct input_sealed *out)
{
    *out = (struct input_sealed){ .task_id = st->task, .attempt = st->attempt, .state = st->sealed,
                                  .is_forced = is_forced, .bytes = CHUNK_BYTES * durable(st), .lines = durable(st) };
    strcpy(out->sink, w->sinks[sink].name);
}

bool sink_seal(struct world *w, int sink, const struct sim_seal *seal, struct input_sealed *answer)
{
    struct sim_store *st = store_get(w, sink, &seal->message.task_id, seal->message.attempt);
    bool was_gap = st->sealed == LOG_GAP;

    if (seal->message.has.chunks)
        st->end = seal->message.chunks;
    if (st->end >= 0 && durable(st) >= st->end)
        st->sealed = LOG_COMPLETE;
    else if (seal->is_forced && st->sealed == LOG_OPEN)
        st->sealed = LOG_GAP;
    if (st->sealed == LOG_OPEN || (was_gap && st->sealed == LOG_GAP && !seal->is_forced && world_random(w, 2)))
        return false;
    fill(w, sink, st, seal->is_forced, answer);
    return true;
}

/* The rest came after the seal: it says so until somebody has written it down. */
static void tell(struct world *w, const struct packet *p)
{
    struct sim_store *st = store_find(w, p->gateway, &p->task, p->attempt);
    const struct row_attempt *at = db_attempt(w, &p->task, p->attempt);
    struct input_sealed in;

    if (!at || at->log_state == LOG_COMPLETE || db_log_sink(w, at) != p->gateway) {
        st->is_telling = false;
        return;
    }
    world_in(w, TELL_MS, tell, p);
    fill(w, p->gateway, st, false, &in);
    for (int i = 0; i < SHELLS; i++) {
        struct sim_shell *sh = &w->shells[i];
        if (sink_is_up(w, p->gateway) && shell_leads(w, sh) && sh->core && !sh->is_cut)
            shell_clock(w, sh, INPUT_SEALED, &in, sizeof in);
    }
}

static void complete_late(struct world *w, int sink, struct sim_store *st)
{
    struct packet p = { .gateway = sink, .task = st->task, .attempt = st->attempt };

    if (st->sealed != LOG_GAP || st->end < 0 || durable(st) < st->end)
        return;
    st->sealed = LOG_COMPLETE;
    if (!st->is_telling)
        world_in(w, world_ms(w, 1, TELL_MS), tell, &p);
    st->is_telling = true;
}

/* --- chunks -------------------------------------------------------------------------------------------------------- */

int64_t sink_take(struct world *w, int sink, const struct packet *log, struct sim_range chunks)
{
    struct sim_store *st = store_get(w, sink, &log->task, log->attempt);
    struct sim_range *last = &st->ranges[st->n_ranges ? st->n_ranges - 1 : 0];

    if (!st->n_ranges || chunks.from > last->to) {   /* log.base: what is in front is elsewhere */
        if (st->n_ranges == RANGES_MAX) {
            world_fail(w, "a log goes back and forth too often");
            return chunks.from;
        }
        st->ranges[st->n_ranges++] = chunks;
    } else if (chunks.to > last->to) {
        last->to = chunks.to;
    }
    complete_late(w, sink, st);
    return durable(st);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void fate(struct world *w, const struct packet *p)
{
    struct sim_sink *k = &w->sinks[p->gateway];

    if (world_is_kind(w)) {
        k->down_ms = k->full_ms = 0;
        return;
    }
    if (world_chance(w, FAULT_SINK, 35)) {
        k->down_ms = w->now_ms + world_ms(w, 500, world_random(w, 2) ? 5000 : 45000);
        world_trace(w, "%s is away for %lld ms", k->name, (long long)(k->down_ms - w->now_ms));
    } else if (world_chance(w, FAULT_SINK, 25)) {
        k->full_ms = w->now_ms + world_ms(w, 500, world_random(w, 2) ? 5000 : 45000);
        world_trace(w, "%s is full for %lld ms", k->name, (long long)(k->full_ms - w->now_ms));
    }
    world_in(w, world_ms(w, 1000, 9000), fate, p);
}

void sinks_start(struct world *w)
{
    for (int i = 0; i < SINKS_MAX; i++) {
        struct packet p = { .gateway = i };
        snprintf(w->sinks[i].name, sizeof w->sinks[i].name, "sink-%d", i + 1);
        world_in(w, world_ms(w, 1000, 9000), fate, &p);
    }
}
