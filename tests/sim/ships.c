/* ships.c - agents ship their logs: chunk after chunk to one sink, again from the acknowledged one; to another sink when
 * the scheduler asks, but not before it has written that down.
 *
 * What an agent has on its disk survives it: the spool, the sink, where that began, a move that is not acknowledged. */
#include <string.h>

#include "tests/sim/world.h"

static void ship(struct world *w, const struct packet *p);

static void say_moved(struct world *w, int agent, const struct sim_attempt *at)
{
    const struct msg_log_moved m = { .session = w->agents[agent].session, .task_id = at->task, .attempt = at->number,
                                     .sink = w->sinks[at->next].name, .seq = at->acked,
                                     .offset = CHUNK_BYTES * at->acked,
                                     .head = { (const uint8_t *)"fedcba9876543210fedcba9876543210", 32 } };

    agent_say(w, agent, MSG_LOG_MOVED, &m);
}

void ship_repeat(struct world *w, int agent)
{
    const struct sim_agent *a = &w->agents[agent];

    for (int i = 0; i < a->n_held; i++)
        if (a->held[i].is_moving)
            say_moved(w, agent, &a->held[i]);
}

void ship_move(struct world *w, int agent, const struct msg_log_move *m)
{
    struct sim_attempt *at = held_find(&w->agents[agent], &m->task_id, m->attempt);
    int sink = sink_by_name(w, m->sink);

    if (!at || at->is_moving || at->sink == sink)
        return;
    at->is_moving = true;
    at->next = sink;
    say_moved(w, agent, at);
}

/* The rows say it now, or never will. */
static void check_moved(struct world *w, const struct sim_attempt *at)
{
    const struct row_attempt *row = db_attempt(w, &at->task, at->number);
    char id[16];

    if (row && row->log_state != LOG_COMPLETE && db_log_sink(w, row) != at->next)
        world_fail(w, "the move of %s.%lld to %s is acknowledged, and no row says it", id_short(&at->task, id),
                   (long long)at->number, w->sinks[at->next].name);
}

void ship_moved(struct world *w, int agent, const struct msg_task_ack *m)
{
    struct sim_attempt *at = held_find(&w->agents[agent], &m->task_id, m->attempt);

    if (!at || !at->is_moving)
        return;
    check_moved(w, at);
    at->is_moving = false;
    at->sink = at->next;
    at->base = at->acked;
    at->is_based = false;
}

/* Its memory is gone: it begins again where this sink's part began. */
void ship_died(struct world *w, int agent)
{
    struct sim_agent *a = &w->agents[agent];

    for (int i = 0; i < a->n_held; i++)
        if (!a->held[i].is_moving && world_random(w, 2))
            a->held[i].acked = a->held[i].base;
}

static void check_place(struct world *w, const struct sim_attempt *at)
{
    const struct row_attempt *row = db_attempt(w, &at->task, at->number);
    char id[16];

    if (row && row->log_state != LOG_COMPLETE && db_log_sink(w, row) != at->sink)
        world_fail(w, "the log of %s.%lld goes to %s, its rows say %s", id_short(&at->task, id), (long long)at->number,
                   w->sinks[at->sink].name, w->sinks[db_log_sink(w, row)].name);
}

static void send(struct world *w, const struct packet *p, struct sim_attempt *at)
{
    int64_t n = at->produced - at->acked, durable;

    if ((n == 0 && at->is_based) || at->is_moving || !sink_is_up(w, at->sink) || sink_is_full(w, at->sink) || world_chance(w, FAULT_LOSS, 10))
        return;
    check_place(w, at);
    n = n ? 1 + (int64_t)world_random(w, (uint64_t)n) : 0;
    durable = sink_take(w, at->sink, p, (struct sim_range){ at->acked, at->acked + n });
    if (world_chance(w, FAULT_LOSS, 10))
        return;
    at->is_based = true;
    if (durable > at->acked)
        at->acked = durable < at->produced ? durable : at->produced;
}

static void ship(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct sim_attempt *at = held_find(a, &p->task, p->attempt);

    if (!at)
        return;
    if (at->is_finished)
        at->produced = at->chunks;
    else if (at->produced + 1 < at->chunks && a->is_alive)
        at->produced += (int64_t)world_random(w, 2);
    if (a->is_alive && a->conn && a->cut_ms <= w->now_ms && w->gateways[a->gateway].wakes_ms <= w->now_ms)
        send(w, p, at);
    if (at->is_result_known && at->acked >= at->chunks && at->is_based && !at->is_moving) {
        *at = a->held[--a->n_held];
        return;
    }
    world_in(w, world_ms(w, 100, 900), ship, p);
}

void ship_begin(struct world *w, int agent, const struct msg_task_assign *m)
{
    struct sim_attempt *at = held_find(&w->agents[agent], &m->task_id, m->attempt);
    struct packet p = { .agent = agent, .task = m->task_id, .attempt = m->attempt };

    at->sink = sink_by_name(w, m->sink);
    at->is_based = true;
    at->chunks = world_random(w, 5) ? world_ms(w, 1, 9) : 0;   /* some say nothing at all */
    world_in(w, world_ms(w, 1, 600), ship, &p);
}
