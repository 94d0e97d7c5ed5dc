/* agents.c - simulated agents: connections, sessions, inventories, deaths.
 *
 * What an agent has on its disk survives it: results that are not acknowledged, the counter of its hellos, and the fact
 * that an attempt was ever begun (runs.c). */
#include <string.h>

#include "tests/sim/world.h"

int agent_by_conn(const struct world *w, uint64_t conn)
{
    for (int i = 0; i < w->n_agents; i++)
        if (w->agents[i].conn == conn)
            return i;
    return -1;
}

void agent_say(struct world *w, int agent, enum msg_type type, const void *message)
{
    const struct sim_agent *a = &w->agents[agent];

    if (a->conn && a->cut_ms <= w->now_ms)
        net_up(w, (struct packet){ .gateway = a->gateway, .agent = agent, .conn = a->conn }, type, message);
}

/* --- sessions -------------------------------------------------------------------------------------------------- */

static size_t inventory(const struct world *w, const struct sim_agent *a, struct msg_held held[HELD_MAX])
{
    size_t n = 0;

    for (int i = 0; i < a->n_held; i++) {
        const struct sim_attempt *at = &a->held[i];
        if (w->bug == BUG_FORGETFUL_INVENTORY && at->is_finished)
            continue;
        held[n++] = (struct msg_held){ .task_id = at->task, .attempt = at->number,
                                       .state = at->is_result_known ? "log" : at->is_finished ? "finished"
                                              : at->is_prepared ? "running" : "accepted" };
    }
    return n;
}

static void hello(struct world *w, const struct packet *connection)
{
    int i = connection->agent;
    struct sim_agent *a = &w->agents[i];
    struct msg_held held[HELD_MAX];
    struct msg_agent_hello m = { .major = 1, .minor = a->has_count, .agent_id = a->id, .instance = a->instance,
                                 .name = "agent", .version = "1", .slots = a->slots,
                                 .labels = { a->labels, a->n_labels } };

    if (!a->conn || a->conn != connection->conn || a->is_welcome)
        return;
    m.held = (struct msg_held_list){ held, inventory(w, a, held) };
    m.count = ++a->count;
    m.has.count = a->has_count;
    agent_say(w, i, MSG_AGENT_HELLO, &m);
    world_in(w, REPEAT_MS, hello, connection);
}

static void connect_agent(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct packet connection = { .agent = p->agent };

    if (a->conn)
        return;
    if (a->cut_ms > w->now_ms) {
        world_in(w, a->cut_ms - w->now_ms, connect_agent, p);
        return;
    }
    a->is_alive = true;
    a->is_welcome = false;
    a->gateway = (int)world_random(w, GATEWAYS);
    connection.conn = a->conn = ++w->last_conn;
    hello(w, &connection);
}

void agent_drop(struct world *w, int agent, int64_t back_ms, bool is_told)
{
    struct sim_agent *a = &w->agents[agent];
    struct packet p = { .agent = agent };

    if (!a->conn)
        return;
    world_trace(w, "agent %d loses its connection", agent);
    if (is_told)
        net_agent_gone(w, agent);
    a->conn = 0;
    a->is_welcome = false;
    world_in(w, back_ms, connect_agent, &p);
}

void agent_rehello(struct world *w, int gateway)
{
    for (int i = 0; i < w->n_agents; i++) {
        struct packet p = { .agent = i, .conn = w->agents[i].conn };
        if (!p.conn || w->agents[i].gateway != gateway)
            continue;
        w->agents[i].is_welcome = false;
        if (w->agents[i].epoch < w->gateways[gateway].epoch)
            w->agents[i].epoch = w->gateways[gateway].epoch;
        world_in(w, world_ms(w, 0, 300), hello, &p);
    }
}

void agent_receive(struct world *w, int agent, enum msg_type type, const void *message)
{
    struct sim_agent *a = &w->agents[agent];
    const struct msg_agent_welcome *welcome = message;

    if (type == MSG_AGENT_WELCOME) {
        if (welcome->session < a->session)   /* its inventory would decide what a later session was given */
            world_fail(w, "agent %d is led back from session %lld to %lld", agent, (long long)a->session,
                       (long long)welcome->session);
        a->session = welcome->session;
        a->is_welcome = true;
        runs_repeat(w, agent);
        ship_repeat(w, agent);
    } else if (type == MSG_LOG_MOVE) {
        ship_move(w, agent, message);
    } else if (type == MSG_AGENT_REFUSED) {
        agent_drop(w, agent, world_ms(w, 100, 2000), world_random(w, 2));
    } else if (type == MSG_TASK_ASSIGN) {
        runs_assigned(w, agent, message);
    } else if (type == MSG_TASK_ACK) {
        runs_acked(w, agent, message);
    } else if (type == MSG_TASK_STOP) {
        runs_stopped(w, agent, message);
    }
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void repeat(struct world *w, const struct packet *p)
{
    if (w->agents[p->agent].is_welcome) {
        runs_repeat(w, p->agent);
        ship_repeat(w, p->agent);
    }
    world_in(w, REPEAT_MS, repeat, p);
}

static void heartbeat(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    const struct msg_agent_alive alive = { .sessions = { &a->session, 1 } };

    if (a->is_welcome)
        agent_say(w, p->agent, MSG_AGENT_ALIVE, &alive);
    world_in(w, w->lease_ms / 4, heartbeat, p);
}

/* The process dies: builds end with it, results that are on its disk do not. */
void agent_die(struct world *w, int agent)
{
    struct sim_agent *a = &w->agents[agent];

    if (!a->is_alive)
        return;
    world_trace(w, "agent %d dies", agent);
    a->is_alive = false;
    a->epoch = 0;
    runs_lost(w, agent);
    ship_died(w, agent);
    if (world_random(w, 8) == 0)
        a->slots = world_ms(w, 1, 4);
    if (a->conn)
        agent_drop(w, agent, world_ms(w, 500, 15000), world_random(w, 4) > 0);
}

/* A dead way: neither side hears from the other, and each notices by itself. */
static void notice(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];

    if (a->conn != p->conn)
        return;
    if (a->cut_ms > w->now_ms)
        agent_drop(w, p->agent, a->cut_ms - w->now_ms, true);
    else if (w->gateways[a->gateway].wakes_ms > w->now_ms)
        agent_drop(w, p->agent, world_ms(w, 50, 2000), true);
}

void agents_unheard(struct world *w, int gateway)
{
    for (int i = 0; i < w->n_agents; i++) {
        struct packet p = { .agent = i, .conn = w->agents[i].conn };
        if (p.conn && w->agents[i].gateway == gateway)
            world_in(w, 3 * w->lease_ms / 4, notice, &p);
    }
}

static void cut(struct world *w, int agent)
{
    struct packet p = { .agent = agent, .conn = w->agents[agent].conn };
    int64_t ms = world_random(w, 2) ? world_ms(w, 500, w->lease_ms) : world_ms(w, w->lease_ms, 3 * w->lease_ms);

    world_trace(w, "agent %d is cut off for %lld ms", agent, (long long)ms);
    w->agents[agent].cut_ms = w->now_ms + ms;
    world_in(w, 3 * w->lease_ms / 4, notice, &p);
}

/* Another machine with the same id: refused while the lease lives, else it is the agent, until its own runs out. */
static void impostor(struct world *w, int agent)
{
    const struct sim_agent *a = &w->agents[agent];
    const struct msg_agent_hello m = { .major = 1, .minor = 1, .agent_id = a->id, .instance = { { 0x66 } },
                                       .name = "agent", .version = "1", .slots = 1,
                                       .labels = { a->labels, a->n_labels } };

    world_trace(w, "somebody says to be agent %d", agent);
    net_up(w, (struct packet){ .gateway = (int)world_random(w, GATEWAYS), .agent = agent, .conn = ++w->last_conn },
           MSG_AGENT_HELLO, &m);
}

static void fate(struct world *w, const struct packet *p)
{
    if (world_is_kind(w))
        return;
    if (world_chance(w, FAULT_AGENT, 3))
        impostor(w, p->agent);
    if (w->agents[p->agent].conn && world_chance(w, FAULT_LINK, 15))
        agent_drop(w, p->agent, world_ms(w, 50, world_random(w, 4) ? 2000 : 20000), world_random(w, 3) > 0);
    else if (w->agents[p->agent].conn && world_chance(w, FAULT_LINK, 8))
        cut(w, p->agent);
    else if (world_chance(w, FAULT_AGENT, 12))
        agent_die(w, p->agent);
    world_in(w, world_ms(w, 500, 7000), fate, p);
}

static void label_agent(struct world *w, int i)
{
    struct sim_agent *a = &w->agents[i];

    a->labels[a->n_labels++] = i % 2 ? "arch=arm64" : "arch=amd64";
    if (i == 0 || (i > 1 && world_random(w, 2)))   /* never agent 1: somebody must do without it */
        a->labels[a->n_labels++] = "big";
    a->labels[a->n_labels++] = "os=linux";
}

void agents_start(struct world *w)
{
    w->n_agents = (int)world_ms(w, 1, AGENTS_MAX + 1);
    for (int i = 0; i < w->n_agents; i++) {
        struct sim_agent *a = &w->agents[i];
        struct packet p = { .agent = i };
        a->id = (struct uuid){ { 0xA0, (uint8_t)i } };
        a->instance = (struct uuid){ { 0x10, (uint8_t)i } };
        a->slots = world_ms(w, 1, 4);
        a->has_count = w->faults[FAULT_GATEWAY] || world_random(w, 2);   /* a late hello of one without it is obeyed */
        label_agent(w, i);
        world_in(w, world_ms(w, 0, 8000), connect_agent, &p);
        world_in(w, 1000 + i, heartbeat, &p);
        world_in(w, 500 + i, repeat, &p);
        world_in(w, world_ms(w, 3000, 9000), fate, &p);
    }
}
