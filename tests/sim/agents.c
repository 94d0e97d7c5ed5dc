/* agents.c - simulated agents: they accept, run, finish, die, lose their connection and come back with an inventory.
 *
 * A result is on the agent's disk before it is sent, and so is the fact that an attempt was ever begun: a number that
 * was begun and is not held any more is declined. A connection keeps its order; single facts may still be late (their
 * worker was slow) or come twice. */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

/* --- the way to the scheduler --------------------------------------------------------------------------------- */

static void arrive_hello(struct world *w, const struct packet *p, struct input *in)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct msg_held held[HELD_MAX];
    struct msg_agent_hello m = { .major = 1, .agent_id = a->id, .instance = a->instance, .name = "agent",
                                 .version = "1", .slots = a->slots, .labels = { a->labels, a->n_labels } };

    for (int i = 0; i < p->n_held; i++)
        held[i] = (struct msg_held){ .task_id = p->held[i].task, .attempt = p->held[i].attempt, .state = p->held[i].state };
    m.held = (struct msg_held_list){ held, (size_t)p->n_held };
    in->kind = INPUT_HELLO;
    in->message = &m;
    shell_input(w, in);
}

static void arrive_fact(struct world *w, const struct packet *p, struct input *in)
{
    const struct msg_task_accept accept = { .session = p->session, .task_id = p->task, .attempt = p->attempt };
    const struct msg_task_decline decline = { .session = p->session, .task_id = p->task, .attempt = p->attempt,
                                              .reason = "no" };
    const struct msg_task_prepared prepared = { .session = p->session, .task_id = p->task, .attempt = p->attempt,
                                                .commit = "c0ffee", .driver = "make", .workspace = "/w" };
    struct msg_task_result result = { .session = p->session, .task_id = p->task, .attempt = p->attempt,
                                      .outcome = p->text, .cause = p->cause, .log_bytes = 7, .log_lines = 1, .log_chunks = 1,
                                      .log_head = { (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 } };

    result.exit_code = p->number;
    result.has.exit_code = p->number >= 0;
    switch (p->type) {
    case MSG_TASK_ACCEPT:
        in->kind = INPUT_ACCEPT;
        in->message = &accept;
        break;
    case MSG_TASK_DECLINE:
        in->kind = INPUT_DECLINE;
        in->message = &decline;
        break;
    case MSG_TASK_PREPARED:
        in->kind = INPUT_PREPARED;
        in->message = &prepared;
        break;
    default:
        in->kind = INPUT_RESULT;
        in->message = &result;
    }
    shell_input(w, in);
}

static void arrive(struct world *w, const struct packet *p)
{
    struct input in = { .at_ms = w->now_ms, .from = { (uint64_t)p->agent + 1, p->conn } };
    struct input_clock gone = { w->agents[p->agent].id, 0, p->session };
    char id[16];

    world_trace(w, "agent %d says %d %s.%lld session %lld", p->agent, (int)p->type, id_short(&p->task, id),
                (long long)p->attempt, (long long)p->session);
    if (!w->shell.core)
        return;
    shell_heard(w, p);
    if (p->type == MSG_AGENT_HELLO) {
        arrive_hello(w, p, &in);
    } else if (p->type == MSG_AGENT_GONE) {
        in.kind = INPUT_GONE;
        in.message = &gone;
        shell_input(w, &in);
    } else if (p->type != MSG_AGENT_ALIVE) {
        arrive_fact(w, p, &in);
    }
}

static void say(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    int64_t ms = (int64_t)world_random(w, world_chance(w, 10) ? 1500 : 15);
    bool is_fact = p->type != MSG_AGENT_HELLO;

    if (world_chance(w, 4))
        return;
    if (is_fact && world_chance(w, 3)) {   /* late, out of order */
        world_in(w, ms + (int64_t)world_random(w, 8000), arrive, p);
        return;
    }
    if (w->now_ms + ms < a->last_out_ms)
        ms = a->last_out_ms - w->now_ms;
    a->last_out_ms = w->now_ms + ms;
    world_in(w, ms, arrive, p);
    if (is_fact && world_chance(w, 3))
        world_in(w, ms + (int64_t)world_random(w, 12000), arrive, p);
}

static void say_about(struct world *w, int agent, enum msg_type type, const struct sim_attempt *at)
{
    struct sim_agent *a = &w->agents[agent];
    struct packet p = { .type = type, .agent = agent, .conn = a->conn, .session = a->session, .task = at->task,
                        .attempt = at->number, .text = at->outcome, .cause = at->cause };

    p.number = at->is_finished && strcmp(at->outcome, "lost") != 0 ? 0 : -1;
    if (a->conn)
        say(w, &p);
}

/* --- sessions -------------------------------------------------------------------------------------------------- */

static void hello(struct world *w, const struct packet *connection)
{
    int i = connection->agent;
    struct sim_agent *a = &w->agents[i];
    struct packet p = { .type = MSG_AGENT_HELLO, .agent = i, .conn = a->conn };

    if (!a->conn || a->conn != connection->conn || a->is_welcome)
        return;
    for (int h = 0; h < a->n_held; h++)
        if (!(w->bug == BUG_FORGETFUL_INVENTORY && a->held[h].is_finished))
            p.held[p.n_held++] = (struct sim_held){ a->held[h].task, a->held[h].number,
                                                    a->held[h].is_finished ? "finished" : "running" };
    say(w, &p);
    world_in(w, REPEAT_MS, hello, connection);
}

static void connect_agent(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct packet connection = { .agent = p->agent };

    if (a->conn)
        return;
    a->is_alive = true;
    a->is_welcome = false;
    connection.conn = a->conn = ++w->last_conn;
    hello(w, &connection);
}

static void disconnect(struct world *w, int i, int64_t back_ms)
{
    struct sim_agent *a = &w->agents[i];
    struct packet p = { .type = MSG_AGENT_GONE, .agent = i, .conn = a->conn, .session = a->session };

    if (!a->conn)
        return;
    world_trace(w, "agent %d loses its connection", i);
    if (a->is_welcome && !world_chance(w, 30))
        world_in(w, (int64_t)world_random(w, 2000), arrive, &p);
    a->conn = 0;
    world_in(w, back_ms, connect_agent, &p);
}

void agents_rehello(struct world *w)
{
    for (int i = 0; i < w->n_agents; i++) {
        struct packet p = { .agent = i, .conn = w->agents[i].conn };
        if (!p.conn)
            continue;
        w->agents[i].is_welcome = false;
        world_in(w, (int64_t)world_random(w, 300), hello, &p);
    }
}

/* --- attempts --------------------------------------------------------------------------------------------------- */

static struct sim_attempt *held_find(struct sim_agent *a, const struct uuid *task, int64_t number)
{
    for (int i = 0; i < a->n_held; i++)
        if (a->held[i].number == number && uuid_cmp(&a->held[i].task, task) == 0)
            return &a->held[i];
    return NULL;
}

static void held_drop(struct world *w, struct sim_agent *a, struct sim_attempt *at, bool is_lost)
{
    struct uuid key = attempt_key(&at->task, at->number);
    struct sim_run *run = table_get(&w->runs, &key);

    if (run && is_lost)
        run->was_lost = true;
    *at = a->held[--a->n_held];
}

static void finish(struct world *w, const struct packet *p)
{
    static const char *const ends[][2] = { { "failed", "build" }, { "failed", "infrastructure" }, { "lost", "agent" },
                                           { "timed_out", "policy" } };
    struct sim_agent *a = &w->agents[p->agent];
    struct sim_attempt *at = held_find(a, &p->task, p->attempt);
    uint64_t end = world_random(w, world_is_kind(w) ? 2 : 20);

    if (!at || at->is_finished)
        return;
    at->outcome = end == 0 || end > 3 ? "succeeded" : ends[end][0];
    at->cause = end == 0 || end > 3 ? "build" : ends[end][1];
    if (world_is_kind(w))
        at->outcome = "succeeded", at->cause = "build";
    at->is_finished = true;
    say_about(w, p->agent, MSG_TASK_RESULT, at);
}

static void begin(struct world *w, int agent, const struct packet *p)
{
    struct sim_agent *a = &w->agents[agent];
    struct sim_attempt *at = &a->held[a->n_held++];
    struct sim_run *run = mem_zalloc(sizeof *run);
    struct uuid key = attempt_key(&p->task, p->attempt);
    struct packet end = { .agent = agent, .task = p->task, .attempt = p->attempt };

    *at = (struct sim_attempt){ .task = p->task, .number = p->attempt };
    run->agent = agent;
    table_put(&w->runs, &key, run);
    say_about(w, agent, MSG_TASK_ACCEPT, at);
    if (world_random(w, 2))
        say_about(w, agent, MSG_TASK_PREPARED, at);
    world_in(w, 1 + (int64_t)world_random(w, 8000), finish, &end);
}

static void on_assign(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct sim_attempt *at = held_find(a, &p->task, p->attempt), none = { .task = p->task, .number = p->attempt };
    struct uuid key = attempt_key(&p->task, p->attempt);
    const struct sim_run *run = table_get(&w->runs, &key);
    char id[16];

    if (p->session != a->session || a->n_held == HELD_MAX)
        return;
    if (at)
        say_about(w, p->agent, MSG_TASK_ACCEPT, at);
    else if (run && run->agent != p->agent)
        world_fail(w, "attempt %s.%lld is given to two agents", id_short(&p->task, id), (long long)p->attempt);
    else if (run || world_chance(w, 4))
        say_about(w, p->agent, MSG_TASK_DECLINE, &none);
    else if (!world_chance(w, 3))   /* else it says nothing: the deadline must notice */
        begin(w, p->agent, p);
}

static void take(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct sim_attempt *at = held_find(a, &p->task, p->attempt);
    char id[16];

    if (!a->conn || a->conn != p->conn)
        return;
    world_trace(w, "agent %d is told %d %s.%lld session %lld", p->agent, (int)p->type, id_short(&p->task, id),
                (long long)p->attempt, (long long)p->session);
    if (p->type == MSG_AGENT_WELCOME) {
        a->session = p->session;
        a->is_welcome = true;
    } else if (p->type == MSG_AGENT_REFUSED) {
        disconnect(w, p->agent, 500 + (int64_t)world_random(w, 2000));
    } else if (p->type == MSG_TASK_ASSIGN) {
        on_assign(w, p);
    } else if (p->type == MSG_TASK_STOP && at) {
        held_drop(w, a, at, true);
    } else if (p->type == MSG_TASK_ACK && at) {
        if (strcmp(p->text, "accept") == 0)
            at->is_accept_acked = true;
        else if (strcmp(p->text, "result") == 0 && at->is_finished)
            held_drop(w, a, at, strcmp(at->outcome, "lost") == 0);
    }
}

void agent_receive(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    int64_t ms = (int64_t)world_random(w, world_chance(w, 5) ? 1000 : 10);

    if (world_chance(w, 4))
        return;
    if (w->now_ms + ms < a->last_in_ms)
        ms = a->last_in_ms - w->now_ms;
    a->last_in_ms = w->now_ms + ms;
    world_in(w, ms, take, p);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void repeat_facts(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];

    for (int i = 0; i < a->n_held; i++) {
        if (!a->held[i].is_accept_acked)
            say_about(w, p->agent, MSG_TASK_ACCEPT, &a->held[i]);
        if (a->held[i].is_finished)
            say_about(w, p->agent, MSG_TASK_RESULT, &a->held[i]);
    }
    world_in(w, REPEAT_MS, repeat_facts, p);
}

static void heartbeat(struct world *w, const struct packet *p)
{
    struct sim_agent *a = &w->agents[p->agent];
    struct packet alive = { .type = MSG_AGENT_ALIVE, .agent = p->agent, .conn = a->conn, .session = a->session };

    if (a->conn && a->is_welcome)
        say(w, &alive);
    world_in(w, LEASE_MS / 4, heartbeat, p);
}

/* The process dies: builds end with it, results that are on its disk do not. */
static void die(struct world *w, int i)
{
    struct sim_agent *a = &w->agents[i];

    world_trace(w, "agent %d dies", i);
    for (int h = a->n_held - 1; h >= 0; h--)
        if (!a->held[h].is_finished)
            held_drop(w, a, &a->held[h], true);
    disconnect(w, i, 500 + (int64_t)world_random(w, 15000));
}

static void fate(struct world *w, const struct packet *p)
{
    if (world_is_kind(w))
        return;
    if (w->agents[p->agent].conn && world_chance(w, 20))
        disconnect(w, p->agent, 100 + (int64_t)world_random(w, world_chance(w, 25) ? 20000 : 2000));
    else if (w->agents[p->agent].conn && world_chance(w, 12))
        die(w, p->agent);
    world_in(w, 500 + (int64_t)world_random(w, 6000), fate, p);
}

void agents_start(struct world *w)
{
    w->n_agents = 1 + (int)world_random(w, AGENTS_MAX);
    for (int i = 0; i < w->n_agents; i++) {
        struct sim_agent *a = &w->agents[i];
        struct packet p = { .agent = i };
        a->id = (struct uuid){ { 0xA0, (uint8_t)i } };
        a->instance = (struct uuid){ { 0x10, (uint8_t)i } };
        a->slots = 1 + (int64_t)world_random(w, 3);
        a->labels[a->n_labels++] = "linux";
        if (i == 0 || world_random(w, 2))
            a->labels[a->n_labels++] = "big";
        world_in(w, (int64_t)world_random(w, 8000), connect_agent, &p);
        world_in(w, 1000 + i, heartbeat, &p);
        world_in(w, 500 + i, repeat_facts, &p);
        world_in(w, 3000 + (int64_t)world_random(w, 6000), fate, &p);
    }
}
