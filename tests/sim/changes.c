/* changes.c - people who cancel, pause, drain, weigh and ask why, at any moment; repeated unchanged until answered.
 *
 * Once the world is kind everything is resumed, so that every task can come to its end. */
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

#define PICK(w, array) (array)[world_random(w, ARRAY_LEN(array))]

static const char *const projects[] = { "p1", "p2", "p3" };
static const char *const groups[] = { "g1", "g2" };

/* --- what is asked for ------------------------------------------------------------------------------------------- */

static struct uuid any_task(struct world *w, bool *is_unknown_r)
{
    const struct sim_client *c = &w->clients[world_random(w, (uint64_t)w->n_clients)];

    *is_unknown_r = world_random(w, 12) == 0 || uuid_is_nil(&c->plan.task_id);
    return *is_unknown_r ? world_id(w, 0xFE) : c->is_kept ? c->answer : c->plan.task_id;
}

static void plan_cancel(struct world *w, struct sim_change *c)
{
    c->plan.cancel = (struct msg_task_cancel){ .task_id = any_task(w, &c->is_unknown), .reason = "not needed" };
}

static void plan_agent(struct world *w, struct sim_change *c)
{
    bool draining = world_random(w, 2);

    c->plan.agent = (struct msg_agent_set){ .agent_id = w->agents[world_random(w, (uint64_t)w->n_agents)].id,
                                            .draining = draining, .has = { .draining = true } };
    c->is_unknown = world_random(w, 12) == 0;
    if (c->is_unknown)
        c->plan.agent.agent_id = world_id(w, 0xFD);
}

static void plan_project(struct world *w, struct sim_change *c)
{
    static const char *const supersede[] = { NULL, NULL, "off", "queued", "running" };
    struct msg_project_set *m = &c->plan.project;

    m->name = PICK(w, projects);
    m->has.weight = world_random(w, 2);
    m->weight = m->has.weight ? world_ms(w, 1, 10) : 0;
    m->has.paused = world_random(w, 2);
    m->paused = m->has.paused && world_random(w, 2);
    m->supersede = PICK(w, supersede);
    m->has.log_max = world_random(w, 4) == 0;
    m->log_max = m->has.log_max ? world_ms(w, 0, 3) * 1000 : 0;
    m->has.log_keep_ms = world_random(w, 4) == 0;
    m->log_keep_ms = m->has.log_keep_ms ? world_ms(w, 0, 3) * 1000 : 0;
}

static void plan_group(struct world *w, struct sim_change *c)
{
    struct msg_group_set *m = &c->plan.group;

    c->is_bad = world_chance(w, FAULT_REFUSAL, 10);
    m->name = c->is_bad ? "bad" : PICK(w, groups);
    m->has.capacity = c->is_bad || world_random(w, 4);
    m->capacity = m->has.capacity ? world_ms(w, 0, 4) : 0;
}

static void plan_queue(struct world *w, struct sim_change *c)
{
    c->plan.queue = (struct msg_queue_set){ .paused = world_random(w, 2), .has = { .paused = true } };
}

static void plan_why(struct world *w, struct sim_change *c)
{
    c->plan.why.task_id = any_task(w, &c->is_unknown);
}

static const struct kind {
    enum msg_type type;
    uint64_t weight;
    void (*plan)(struct world *w, struct sim_change *c);
} kinds[] = {
    { MSG_TASK_CANCEL, 5, plan_cancel }, { MSG_TASK_WHY, 6, plan_why },     { MSG_AGENT_SET, 2, plan_agent },
    { MSG_PROJECT_SET, 3, plan_project }, { MSG_GROUP_SET, 3, plan_group }, { MSG_QUEUE_SET, 1, plan_queue },
};

/* Every change begins with its request_id and ends with key and hash; only the places differ. */
static void set_head(struct world *w, struct sim_change *c)
{
    uint8_t *hash = arena_alloc(&w->arena, 32);
    const struct msg_bytes body = { hash, c->key ? 32 : 0 };

    hash[0] = c->body;
    hash[1] = 0xC0;
#define HEAD(m) (m).request_id = c->id, (m).idempotency_key = c->key, (m).body_hash = body
    switch (c->type) {
    case MSG_TASK_CANCEL:
        HEAD(c->plan.cancel);
        break;
    case MSG_AGENT_SET:
        HEAD(c->plan.agent);
        break;
    case MSG_PROJECT_SET:
        HEAD(c->plan.project);
        break;
    case MSG_GROUP_SET:
        HEAD(c->plan.group);
        break;
    case MSG_QUEUE_SET:
        HEAD(c->plan.queue);
        break;
    default:
        c->plan.why.request_id = c->id;
    }
#undef HEAD
}

/* The same request under the same key again, or another one. */
static void plan_key(struct world *w, int i)
{
    static const char *const keys[] = { "c1", "c2", "c3" };
    struct sim_change *c = &w->changes[i];

    c->key = PICK(w, keys);
    c->body = (uint8_t)(i + 1);
    for (int k = 0; k < i && world_random(w, 2); k++) {
        const struct sim_change *o = &w->changes[k];
        if (o->key != c->key)
            continue;
        c->type = o->type;
        c->plan = o->plan;
        c->body = o->body;
        c->is_bad = o->is_bad;
        c->is_unknown = o->is_unknown;
        return;
    }
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

static void ask(struct world *w, const struct packet *p)
{
    struct sim_change *c = &w->changes[p->client];
    struct packet way = { .gateway = c->gateway };

    if (c->is_answered)
        return;
    net_up(w, way, c->type, &c->plan);
    if (world_chance(w, FAULT_DUPLICATE, 5))
        net_up(w, way, c->type, &c->plan);
    if (c->type == MSG_TASK_WHY)
        c->is_answered = true;   /* nobody waits long for that */
    else
        world_in(w, REPEAT_MS, ask, p);
}

static void ask_first(struct world *w, const struct packet *p)
{
    struct sim_change *c = &w->changes[p->client];
    const struct kind *k = kinds;
    uint64_t n = world_random(w, 20);

    while (n >= k->weight)
        n -= k++->weight;
    c->type = k->type;
    k->plan(w, c);
    if (c->type != MSG_TASK_WHY && world_random(w, 4) == 0)
        plan_key(w, p->client);
    set_head(w, c);
    world_trace(w, "change %d: %s%s%s", p->client, msg_wire_name(c->type), c->key ? " key " : "", c->key ? c->key : "");
    ask(w, p);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static struct sim_change *change_by_id(struct world *w, const struct uuid *id)
{
    for (int i = 0; i < w->n_changes; i++)
        if (uuid_cmp(&w->changes[i].id, id) == 0)
            return &w->changes[i];
    return NULL;
}

void change_answered(struct world *w, const struct msg_change_done *m)
{
    struct sim_change *c = change_by_id(w, &m->request_id);

    if (!c)
        return;
    world_trace(w, "change %d is done%s", (int)(c - w->changes), m->replayed ? " (before)" : "");
    if (c->is_bad)
        world_fail(w, "change %d is said to be done, and SQL refuses it", (int)(c - w->changes));
    if (c->is_unknown)
        world_fail(w, "change %d is said to be done, to what does not exist", (int)(c - w->changes));
    if (c->is_answered)
        return;
    c->is_answered = c->is_done = true;
    c->is_replayed = m->replayed;
}

/* Nothing came of it yet: it is asked again. So does a gateway that reads an open task in the rows. */
static bool is_passing(const struct world *w, const struct sim_change *c, const char *reason)
{
    const struct row_task *t = c->type == MSG_TASK_CANCEL ? db_task(w, &c->plan.cancel.task_id) : NULL;

    return strcmp(reason, "overloaded") == 0 || strcmp(reason, "not_leader") == 0 ||
           (strcmp(reason, "not_found") == 0 && t && !t->ended_ms);
}

void change_denied(struct world *w, const struct msg_change_refused *m)
{
    struct sim_change *c = change_by_id(w, &m->request_id);

    if (!c || c->is_answered || is_passing(w, c, m->reason))
        return;
    world_trace(w, "change %d is refused: %s", (int)(c - w->changes), m->reason);
    c->is_answered = true;
    c->refusal = arena_strdup(&w->arena, m->reason);
    if (strcmp(m->reason, "storage_refused") == 0 && !c->is_bad)
        world_fail(w, "change %d pays for somebody else's bad input", (int)(c - w->changes));
    if (c->key && strcmp(m->reason, "key_reused") == 0)
        return;
    if (c->type == MSG_PROJECT_SET || c->type == MSG_QUEUE_SET || (c->type == MSG_GROUP_SET && !c->is_bad))
        world_fail(w, "change %d is refused: %s", (int)(c - w->changes), m->reason);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void set_free(struct world *w, enum msg_type type, const void *message)
{
    net_up(w, (struct packet){ .gateway = (int)world_random(w, GATEWAYS) }, type, message);
}

/* Until the rows say that nothing is held back any more: older requests may still be on their way. */
static void resume_all(struct world *w, const struct packet *p)
{
    const struct row_project *project;
    const struct row_agent *agent;
    const struct row_group *group;

    if (w->db.is_paused)
        set_free(w, MSG_QUEUE_SET, &(struct msg_queue_set){ .request_id = world_id(w, 0x20),
                                                            .has = { .paused = true } });
    for (size_t i = 0; (project = table_next(&w->db.projects, &i));)
        if (project->is_paused)
            set_free(w, MSG_PROJECT_SET, &(struct msg_project_set){ .request_id = world_id(w, 0x21),
                                                                    .name = project->name, .has = { .paused = true } });
    for (size_t i = 0; (group = table_next(&w->db.groups, &i));)
        if (group->capacity == 0)
            set_free(w, MSG_GROUP_SET, &(struct msg_group_set){ .request_id = world_id(w, 0x22), .name = group->name,
                                                                .capacity = 1, .has = { .capacity = true } });
    for (size_t i = 0; (agent = table_next(&w->db.agents, &i));)
        if (agent->is_draining)
            set_free(w, MSG_AGENT_SET, &(struct msg_agent_set){ .request_id = world_id(w, 0x23), .agent_id = agent->id,
                                                                .has = { .draining = true } });
    world_in(w, REPEAT_MS, resume_all, p);
}

void changes_start(struct world *w)
{
    struct packet none = { 0 };

    w->n_changes = (int)world_random(w, CHANGES_MAX + 1);
    for (int i = 0; i < w->n_changes; i++) {
        struct packet p = { .client = i };
        w->changes[i].id = world_id(w, 0x02);
        w->changes[i].gateway = (int)world_random(w, GATEWAYS);
        world_in(w, world_ms(w, 2000, 55000), ask_first, &p);
    }
    world_in(w, FAULTS_UNTIL_MS + 1, resume_all, &none);
}
