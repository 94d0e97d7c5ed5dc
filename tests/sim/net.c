/* net.c - gateways between agents, clients and schedulers; everything that can happen to a message on its way.
 *
 * A gateway keeps the highest epoch that it heard of, drops what an older leader says, and has every agent say hello
 * again when a new one appears. It knows nothing else: killing it loses nothing. */
#include <string.h>

#include "tests/sim/world.h"

enum { TICK_MS = 400, ABSENT_MS = 3000 };

static bool is_cut(const struct world *w, int gateway, int shell)
{
    return w->gateways[gateway].cut_ms[shell] > w->now_ms;
}

/* --- up ---------------------------------------------------------------------------------------------------------- */

static void arrive(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];

    if (is_cut(w, p->gateway, p->shell) || w->gateways[p->gateway].life != p->life || sh->process != p->process)
        return;
    if (w->gateways[p->gateway].wakes_ms > w->now_ms) {   /* it waits in the socket */
        world_in(w, w->gateways[p->gateway].wakes_ms - w->now_ms, arrive, p);
        return;
    }
    if (shell_is_asleep(w, sh)) {
        world_in(w, sh->wakes_ms - w->now_ms, arrive, p);
        return;
    }
    world_trace_frame(w, "arrives", p);
    sh->heard_ms[p->gateway] = w->now_ms;
    shell_frame(w, sh, (struct route){ (uint64_t)p->gateway + 1, p->conn }, p->frame, p->len);
}

/* A connection keeps its order; what is late all the same is a fact that no order is promised for. */
static bool may_be_late(enum msg_type type)
{
    return type != MSG_AGENT_GONE && type != MSG_AGENT_HELLO && type != MSG_LOG_MOVED;
}

void net_up(struct world *w, struct packet way, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type, .conn = way.conn };
    int64_t ms = world_ms(w, 0, world_chance(w, FAULT_DELAY, 10) ? 1500 : 15);
    int64_t *last = &w->agents[way.agent].last_out_ms;
    struct buf frame = { 0 };

    way.shell = w->gateways[way.gateway].leader;
    way.life = w->gateways[way.gateway].life;
    way.process = way.shell < 0 ? 0 : w->shells[way.shell].process;
    if (way.shell < 0 || world_chance(w, FAULT_LOSS, 4))
        return;
    msg_to_bin(&head, message, MSG_MINOR, &frame);
    way.frame = arena_dup(&w->arena, frame.data, frame.len);
    way.len = frame.len;
    buf_fini(&frame);
    if (way.conn && may_be_late(type) && world_chance(w, FAULT_REORDER, 3)) {
        world_in(w, ms + world_ms(w, 0, 8000), arrive, &way);
        return;
    }
    if (way.conn && w->now_ms + ms < *last)
        ms = *last - w->now_ms;
    if (way.conn)
        *last = w->now_ms + ms;
    world_in(w, ms, arrive, &way);
    if (may_be_late(type) && world_chance(w, FAULT_DUPLICATE, 3))
        world_in(w, ms + world_ms(w, 0, 12000), arrive, &way);
}

void net_agent_gone(struct world *w, int agent)
{
    const struct sim_agent *a = &w->agents[agent];
    const struct msg_agent_gone m = { .session = a->session };

    if (a->is_welcome)
        net_up(w, (struct packet){ .gateway = a->gateway, .agent = agent, .conn = a->conn }, MSG_AGENT_GONE, &m);
}

/* --- down -------------------------------------------------------------------------------------------------------- */

static void to_client(struct world *w, enum msg_type type, const void *message)
{
    switch (type) {
    case MSG_TASK_SUBMITTED:
        client_submitted(w, message);
        break;
    case MSG_TASK_REFUSED:
        client_refused(w, message);
        break;
    case MSG_CHANGE_DONE:
        change_answered(w, message);
        break;
    case MSG_CHANGE_REFUSED:
        change_denied(w, message);
        break;
    default:
        break;
    }
}

static void deliver(struct world *w, const struct packet *p)
{
    struct sim_gateway *g = &w->gateways[p->gateway];
    int agent = p->conn ? agent_by_conn(w, p->conn) : -1;
    struct arena arena = { 0 };
    struct msg_head head;
    struct err e = { 0 };
    void *message;

    if (g->life != p->life)
        return;
    if (g->wakes_ms > w->now_ms) {
        world_in(w, g->wakes_ms - w->now_ms, deliver, p);
        return;
    }
    if (is_cut(w, p->gateway, p->shell) || (p->epoch < g->epoch && w->bug != BUG_OLD_EPOCHS))
        return;
    if (p->conn && (agent < 0 || w->agents[agent].cut_ms > w->now_ms || w->agents[agent].gateway != p->gateway))
        return;
    if (msg_from_bin(p->frame, p->len, &arena, &head, &message, &e) < 0)
        world_fail(w, "a message of the core cannot be read: %s", e.text);
    else if (p->conn && (p->epoch >= w->agents[agent].epoch || w->bug == BUG_OLD_EPOCHS)) {
        if (w->agents[agent].epoch < p->epoch)
            w->agents[agent].epoch = p->epoch;
        world_trace_frame(w, "reaches its agent", p);
        agent_receive(w, agent, head.type, message);
    } else if (!p->conn)
        to_client(w, head.type, message);
    arena_fini(&arena);
}

void net_down(struct world *w, struct sim_shell *sh, const struct core_message *m)
{
    const struct msg_head head = { .type = m->type, .epoch = (uint64_t)sh->epoch, .conn = m->to.conn };
    int64_t ms = world_ms(w, 0, world_chance(w, FAULT_DELAY, 5) ? 1000 : 10);
    int agent = m->to.conn ? agent_by_conn(w, m->to.conn) : -1;
    struct packet p = { .shell = sh->index, .gateway = (int)m->to.peer - 1, .conn = m->to.conn, .epoch = sh->epoch };
    struct buf frame = { 0 };

    if (m->to.peer < 1 || m->to.peer > GATEWAYS) {
        world_fail(w, "a %s is sent to nobody", msg_wire_name(m->type));
        return;
    }
    /* Only lost contact loses what closes a socket, and then everybody says hello again. */
    if ((m->type != MSG_AGENT_REFUSED && world_chance(w, FAULT_LOSS, 4)) || (m->to.conn && agent < 0))
        return;
    msg_to_bin(&head, m->message, MSG_MINOR, &frame);
    p.life = w->gateways[p.gateway].life;
    p.frame = arena_dup(&w->arena, frame.data, frame.len);
    p.len = frame.len;
    buf_fini(&frame);
    if (agent >= 0) {
        int64_t *last = &w->agents[agent].last_in_ms;
        if (w->now_ms + ms < *last)
            ms = *last - w->now_ms;
        *last = w->now_ms + ms;
    }
    world_in(w, ms, deliver, &p);
}

/* --- gateways ---------------------------------------------------------------------------------------------------- */

/* Pings. Contact that was lost may have cost anything that was said meanwhile: its agents say hello again. */
static void ping(struct world *w, int gateway)
{
    struct sim_gateway *g = &w->gateways[gateway];
    struct sim_shell *sh = &w->shells[g->leader];

    if (sh->epoch != g->epoch || !shell_leads(w, sh) || is_cut(w, gateway, g->leader))
        return;
    if (w->now_ms - g->heard_ms > ABSENT_MS)
        agent_rehello(w, gateway);
    g->heard_ms = sh->heard_ms[gateway] = w->now_ms;
}

/* The leader announces itself; so does one that does not know yet that it was replaced. */
static void tick(struct world *w, const struct packet *p)
{
    struct sim_gateway *g = &w->gateways[p->gateway];

    if (g->leader >= 0 && g->wakes_ms <= w->now_ms)
        ping(w, p->gateway);
    for (int i = 0; i < SHELLS; i++) {
        const struct sim_shell *sh = &w->shells[i];
        if (g->wakes_ms > w->now_ms || !shell_leads(w, sh) || sh->epoch <= g->epoch || is_cut(w, p->gateway, i))
            continue;
        world_trace(w, "gateway %d hears of epoch %lld", p->gateway, (long long)sh->epoch);
        g->epoch = sh->epoch;
        g->leader = i;
        g->heard_ms = w->shells[i].heard_ms[p->gateway] = w->now_ms;
        agent_rehello(w, p->gateway);
    }
    world_in(w, TICK_MS, tick, p);
}

static void die(struct world *w, int gateway)
{
    world_trace(w, "gateway %d dies", gateway);
    w->gateways[gateway] = (struct sim_gateway){ .leader = -1, .life = w->gateways[gateway].life + 1 };
    for (int i = 0; i < w->n_agents; i++)
        if (w->agents[i].conn && w->agents[i].gateway == gateway)
            agent_drop(w, i, world_ms(w, 50, 3000), false);
    client_gateway_died(w, gateway);
}

/* Everything that goes through it stands still; agents notice and go elsewhere. */
static void fall_asleep(struct world *w, int gateway)
{
    int64_t ms = world_ms(w, 200, world_random(w, 2) ? 3000 : 20000);

    world_trace(w, "gateway %d sleeps for %lld ms", gateway, (long long)ms);
    w->gateways[gateway].wakes_ms = w->now_ms + ms;
    agents_unheard(w, gateway);
}

static void fate(struct world *w, const struct packet *p)
{
    if (world_is_kind(w))
        return;
    if (world_chance(w, FAULT_GATEWAY, 8)) {
        die(w, p->gateway);
    } else if (w->gateways[p->gateway].wakes_ms <= w->now_ms && world_chance(w, FAULT_GATEWAY, 8)) {
        fall_asleep(w, p->gateway);
    } else if (world_chance(w, FAULT_GATEWAY, 15)) {
        int shell = (int)world_random(w, SHELLS);
        w->gateways[p->gateway].cut_ms[shell] = w->now_ms + world_ms(w, 100, world_random(w, 3) ? 4000 : 20000);
        world_trace(w, "gateway %d is cut off from scheduler %d", p->gateway, shell);
    }
    world_in(w, world_ms(w, 1000, 9000), fate, p);
}

void net_start(struct world *w)
{
    for (int i = 0; i < GATEWAYS; i++) {
        struct packet p = { .gateway = i };
        w->gateways[i].leader = -1;
        world_in(w, world_ms(w, 0, TICK_MS), tick, &p);
        world_in(w, world_ms(w, 5000, 20000), fate, &p);
    }
}
