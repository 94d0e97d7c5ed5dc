/* clients.c - people with one submission each, repeated unchanged until it is answered.
 *
 * A submission whose gateway dies is made again with a new task id when it carries an Idempotency-Key; else its client
 * never learns what became of it. What the gateway reads in the database (states of tasks to wait for) is read here. */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

#define COMMIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMIT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PICK(w, array) (array)[world_random(w, ARRAY_LEN(array))]

/* --- what is asked for ------------------------------------------------------------------------------------------- */

static struct msg_strs strs(struct world *w, const char *one)
{
    return one ? (struct msg_strs){ arena_dup(&w->arena, &one, sizeof one), 1 } : (struct msg_strs){ 0 };
}

static void plan_limits(struct world *w, struct msg_task_submit *m)
{
    static const char *const causes[] = { "agent", "infrastructure", "none" };
    static const int64_t codes[] = { 75 };

    if (world_random(w, 4) == 0 || strcmp(m->target, "hang") == 0) {
        m->timeout_ms = world_ms(w, 1500, 15000);
        m->has.timeout_ms = true;
    }
    if (world_random(w, 8) == 0) {
        m->silence_timeout_ms = world_ms(w, 1500, 15000);
        m->has.silence_timeout_ms = true;
    }
    if (world_random(w, 6) == 0) {
        m->queue_timeout_ms = world_ms(w, 1000, 30000);
        m->has.queue_timeout_ms = true;
    }
    if (world_random(w, 4) == 0) {
        m->tries = world_ms(w, 1, 6);
        m->has.tries = true;
    }
    if (world_random(w, 4) == 0)
        m->retry_on = strs(w, PICK(w, causes));
    if (strcmp(m->target, "exit") == 0 && world_random(w, 4))
        m->retry_exit_codes = (struct msg_ints){ codes, 1 };
}

static void plan_place(struct world *w, struct msg_task_submit *m)
{
    static const char *const labels[] = { "big", "!big", "os=linux", "arch=amd64" };
    static const char *const priorities[] = { NULL, "critical", "high", "normal", "low" };
    static const char *const groups[] = { "g1", "g2" };
    static const char *const supersede[] = { NULL, NULL, "off", "queued", "running" };
    const char *label = world_random(w, 3) == 0 ? PICK(w, labels) : NULL;

    if (label && !(strcmp(label, "!big") == 0 && w->n_agents < 2))
        m->labels = strs(w, label);
    m->priority = PICK(w, priorities);
    m->concurrency_group = world_random(w, 4) == 0 ? PICK(w, groups) : NULL;
    if (world_random(w, 4) == 0) {
        m->mr = world_random(w, 2) ? "7" : "8";
        m->supersede = PICK(w, supersede);
    }
}

static void plan_fresh(struct world *w, struct sim_client *c)
{
    static const char *const projects[] = { "p1", "p2", "p3" };
    static const char *const targets[] = { "all", "all", "all", "all", "exit", "hang", "poison" };
    static const char *const refs[] = { NULL, "main", COMMIT_A, COMMIT_A, COMMIT_B };
    static const struct msg_pair env = { "LANG", "C" };
    struct msg_task_submit *m = &c->plan;

    m->project = PICK(w, projects);
    m->repo = "r";
    m->target = PICK(w, targets);
    m->ref = PICK(w, refs);
    m->env = (struct msg_pairs){ &env, world_random(w, 5) == 0 };
    m->need_agent = m->has.need_agent = world_random(w, 10) == 0;
    m->force = m->has.force = world_random(w, 6) == 0;
    m->join = m->has.join = m->ref && strlen(m->ref) == 40 && !m->force && world_random(w, 5);
    plan_place(w, m);
    plan_limits(w, m);
    c->is_bad = world_chance(w, FAULT_REFUSAL, 8);
    if (c->is_bad)
        m->driver = "bad";
}

static void plan_key(struct world *w, int i)
{
    static const char *const keys[] = { "k1", "k2" };
    struct sim_client *c = &w->clients[i];
    const char *key = PICK(w, keys);
    uint8_t body = (uint8_t)world_random(w, 2), *hash = arena_alloc(&w->arena, 32);

    for (int k = 0; k < i; k++) {   /* the same request again is the same request */
        const struct sim_client *o = &w->clients[k];
        if (!o->plan.idempotency_key || strcmp(o->plan.idempotency_key, key) != 0 || o->body != body)
            continue;
        c->plan = o->plan;
        c->is_bad = o->is_bad;
    }
    hash[0] = c->body = body;
    c->plan.idempotency_key = key;
    c->plan.body_hash = (struct msg_bytes){ hash, 32 };
}

/* Tasks that it knows of, and now and then one that nobody does. */
static void plan_after(struct world *w, struct sim_client *c)
{
    static const char *const conditions[] = { NULL, "succeeded", "finished", "any" };
    struct msg_pair *pairs = arena_alloc(&w->arena, 3 * sizeof *pairs);
    size_t n = 0, want = 1 + world_random(w, 3);

    for (int i = 0; i < w->n_clients && n < want; i++) {
        const struct sim_client *o = &w->clients[world_random(w, (uint64_t)w->n_clients)];
        const struct row_task *t = o->is_kept ? db_task(w, &o->answer) : NULL;
        char text[UUID_TEXT_SIZE];
        struct uuid unknown;
        if (!t && world_random(w, 20))
            continue;
        unknown = world_id(w, 0xFF);
        c->names_unknown |= !t;
        uuid_format(t ? &t->id : &unknown, text);
        pairs[n].key = arena_strdup(&w->arena, text);
        pairs[n++].value = t && t->ended_ms ? task_state_name(t->state) : "";
    }
    if (!n)
        return;
    c->plan.after = (struct msg_pairs){ pairs, n };
    c->plan.after_condition = PICK(w, conditions);
    c->plan.join = c->plan.has.join = false;
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

static void new_id(struct world *w, struct sim_client *c)
{
    c->plan.task_id = world_id(w, 0x01);
    table_put(&w->owners, &c->plan.task_id, c);
}

static void submit(struct world *w, const struct packet *p)
{
    struct sim_client *c = &w->clients[p->client];
    struct packet way = { .gateway = c->gateway };

    if (c->is_answered)
        return;
    net_up(w, way, MSG_TASK_SUBMIT, &c->plan);
    if (world_chance(w, FAULT_DUPLICATE, 5))
        net_up(w, way, MSG_TASK_SUBMIT, &c->plan);
    world_in(w, REPEAT_MS, submit, p);
}

static void submit_first(struct world *w, const struct packet *p)
{
    struct sim_client *c = &w->clients[p->client];
    char id[16];

    new_id(w, c);
    if (!c->plan.idempotency_key && world_random(w, 4) == 0)
        plan_after(w, c);
    world_trace(w, "client %d submits %s: %s %s %s%s%s after %zu", p->client, id_short(&c->plan.task_id, id),
                c->plan.project, c->plan.target, c->plan.ref ? c->plan.ref : "-", c->plan.mr ? " mr " : "",
                c->plan.mr ? c->plan.mr : "", c->plan.after.n);
    submit(w, p);
}

struct sim_client *client_by_task(struct world *w, const struct uuid *task)
{
    return table_get(&w->owners, task);
}

void client_gateway_died(struct world *w, int gateway)
{
    for (int i = 0; i < w->n_clients; i++) {
        struct sim_client *c = &w->clients[i];
        if (c->is_answered || c->gateway != gateway || uuid_is_nil(&c->plan.task_id))
            continue;
        c->gateway = (int)world_random(w, GATEWAYS);
        if (c->plan.idempotency_key)
            new_id(w, c);
        else if (world_random(w, 2))
            c->is_answered = c->is_abandoned = true;
    }
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

void client_submitted(struct world *w, const struct msg_task_submitted *m)
{
    struct sim_client *c = client_by_task(w, &m->request_id);
    char id[16];

    world_trace(w, "client %d is told %s%s", (int)(c - w->clients), id_short(&m->task_id, id),
                m->joined ? ", joined" : "");
    if (!db_task(w, &m->task_id))
        world_fail(w, "task %s is promised and not committed", id_short(&m->task_id, id));
    if (c->is_bad)
        world_fail(w, "client %d is promised what SQL refuses", (int)(c - w->clients));
    if (m->joined && !c->plan.join)
        world_fail(w, "client %d joined without wanting to", (int)(c - w->clients));
    if (c->is_answered)
        return;
    c->is_answered = c->is_kept = true;
    c->is_joined = m->joined;
    c->answer = m->task_id;
}

/* Nothing came of it yet: the same request is sent again. */
static bool is_passing(const char *reason)
{
    return strcmp(reason, "overloaded") == 0 || strcmp(reason, "not_leader") == 0;
}

void client_refused(struct world *w, const struct msg_task_refused *m)
{
    struct sim_client *c = client_by_task(w, &m->request_id);

    if (c->is_answered || is_passing(m->reason))
        return;
    world_trace(w, "client %d is refused: %s", (int)(c - w->clients), m->reason);
    c->is_answered = true;
    c->refusal = arena_strdup(&w->arena, m->reason);
    if (strcmp(m->reason, "storage_refused") == 0 && !c->is_bad)
        world_fail(w, "client %d pays for somebody else's bad input", (int)(c - w->clients));
}

void clients_start(struct world *w)
{
    w->n_clients = (int)world_ms(w, 3, CLIENTS_MAX + 1);
    for (int i = 0; i < w->n_clients; i++) {
        struct sim_client *c = &w->clients[i];
        struct packet p = { .client = i };
        c->gateway = (int)world_random(w, GATEWAYS);
        plan_fresh(w, c);
        if (world_random(w, 4) == 0)
            plan_key(w, i);
        world_in(w, world_ms(w, 0, 45000), submit_first, &p);
    }
}
