/* growth_farm.c - see growth.h. Time is simulated, ten milliseconds per input, so that ended tasks are forgotten as in
 * a farm that runs. */
#include <string.h>

#include "bench/growth.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "scheduler/core.h"

enum { PROJECTS = 20, KINDS_OF_LABELS = 3, BATCH = 32, STEP_MS = 10 };

struct running {
    struct uuid task_id;
    int64_t attempt;
    struct route route;
};

/* A ring of what was assigned, oldest first; the first `accepted` of them have been accepted. */
struct ring {
    struct running *v;
    size_t size, head, n, accepted;
};

struct growth {
    struct core_config config;
    struct core *core;
    struct effects fx;
    size_t n_batch, seen;              /* inputs since the last collect; messages of fx that were read */
    int64_t now_ms;
    uint64_t tasks, agents;
    struct ring ring;
};

const char *growth_kind_name(enum growth_kind kind)
{
    static const char *const names[GROWTH_KINDS] = { "submit", "accept", "result", "sealed", "collect" };

    return names[kind];
}

static struct uuid id_of(uint64_t kind, uint64_t n)
{
    struct uuid id = { { 1, (uint8_t)kind, 0x9a, 0, 0, 0, 0x70, 0, 0x80 } };

    for (size_t i = 0; i < 7; i++)
        id.b[9 + i] = (uint8_t)(n >> (8 * (6 - i)));
    return id;
}

/* --- what runs ------------------------------------------------------------------------------------------------ */

static struct running *ring_at(struct ring *r, size_t i)
{
    return &r->v[(r->head + i) % r->size];
}

static void ring_push(struct ring *r, const struct running *one)
{
    if (r->n == r->size) {
        struct running *wider = mem_array(r->size ? 2 * r->size : 1024, sizeof(*wider));
        for (size_t i = 0; i < r->n; i++)
            wider[i] = *ring_at(r, i);
        mem_free(&r->v);
        r->v = wider;
        r->size = r->size ? 2 * r->size : 1024;
        r->head = 0;
    }
    *ring_at(r, r->n++) = *one;
}

static struct running ring_pop(struct ring *r)
{
    struct running one = *ring_at(r, 0);

    r->head = (r->head + 1) % r->size;
    r->n--;
    r->accepted--;
    return one;
}

/* --- inputs --------------------------------------------------------------------------------------------------- */

static void read_assignments(struct growth *g)
{
    for (; g->seen < g->fx.messages.n; g->seen++) {
        const struct core_message *m = &g->fx.messages.v[g->seen];
        const struct msg_task_assign *assign = m->message;
        if (m->type == MSG_TASK_ASSIGN)
            ring_push(&g->ring, &(struct running){ assign->task_id, assign->attempt, m->to });
    }
}

static void collect(struct growth *g, struct growth_times *t)
{
    uint64_t begin_ns = clock_boot_ns();

    core_collect(g->core, &g->fx);
    t->ns[GROWTH_COLLECT] += clock_boot_ns() - begin_ns;
    effects_fini(&g->fx);
    g->seen = g->n_batch = 0;
}

static uint64_t step(struct growth *g, enum input_kind kind, struct route from, const void *message)
{
    const struct input in = { kind, g->now_ms += STEP_MS, from, message };
    uint64_t begin_ns = clock_boot_ns();

    core_step(g->core, &in, &g->fx);
    begin_ns = clock_boot_ns() - begin_ns;
    read_assignments(g);
    g->n_batch++;
    return begin_ns;
}

static uint64_t submit_one(struct growth *g)
{
    static const char *const projects[PROJECTS] = {
        "p00", "p01", "p02", "p03", "p04", "p05", "p06", "p07", "p08", "p09",
        "p10", "p11", "p12", "p13", "p14", "p15", "p16", "p17", "p18", "p19",
    };
    static const char *const labels[KINDS_OF_LABELS] = { "os=linux", "arch=x86_64", "gcc" };
    static const char *const args[] = { "-j8", "check" };
    static const char *const priorities[] = { "normal", "high", "normal", "low" };
    const uint64_t n = g->tasks++;
    const struct msg_task_submit m = {
        .task_id = id_of(1, n), .project = projects[n % PROJECTS],
        .repo = "https://git.example.org/team/repository.git",
        .target = "all", .args = { args, ARRAY_LEN(args) }, .ref = "refs/heads/main",
        .labels = { &labels[n % KINDS_OF_LABELS], 1 }, .priority = priorities[n / PROJECTS % ARRAY_LEN(priorities)],
    };

    return step(g, INPUT_SUBMIT, (struct route){ 1, 0 }, &m);
}

static uint64_t accept_one(struct growth *g)
{
    const struct running *one = ring_at(&g->ring, g->ring.accepted++);
    const struct msg_task_accept m = { .task_id = one->task_id, .attempt = one->attempt };

    return step(g, INPUT_ACCEPT, one->route, &m);
}

static uint64_t end_one(struct growth *g, struct running *ended_r)
{
    static const uint8_t head[32];

    *ended_r = ring_pop(&g->ring);
    const struct msg_task_result m = { .task_id = ended_r->task_id, .attempt = ended_r->attempt, .outcome = "succeeded",
                                       .cause = "build", .has = { .exit_code = true }, .log_bytes = 1, .log_lines = 1,
                                       .log_chunks = 1, .log_head = { head, sizeof(head) } };
    return step(g, INPUT_RESULT, ended_r->route, &m);
}

static uint64_t seal_one(struct growth *g, const struct running *ended)
{
    const struct input_sealed m = { .sink = "sink-1", .task_id = ended->task_id, .attempt = ended->attempt,
                                    .state = LOG_COMPLETE, .bytes = 1, .lines = 1 };

    return step(g, INPUT_SEALED, (struct route){ 2, 0 }, &m);
}

static void collect_when_due(struct growth *g, struct growth_times *t)
{
    if (g->n_batch >= BATCH)
        collect(g, t);
}

/* --- the farm ------------------------------------------------------------------------------------------------- */

void growth_add_agents(struct growth *g, size_t n)
{
    static const char *const labels[] = { "os=linux", "arch=x86_64", "gcc" };
    struct growth_times t = { 0 };

    while (n--) {
        const uint64_t number = ++g->agents;
        const struct msg_agent_hello m = { .major = MSG_MAJOR, .minor = MSG_MINOR, .agent_id = id_of(2, number),
                                           .instance = id_of(3, number), .name = "agent", .version = "1", .slots = 1,
                                           .labels = { labels, ARRAY_LEN(labels) } };
        step(g, INPUT_HELLO, (struct route){ 1, number }, &m);
        collect_when_due(g, &t);
    }
    collect(g, &t);
}

void growth_submit(struct growth *g, size_t n)
{
    struct growth_times t = { 0 };

    while (n--) {
        submit_one(g);
        collect_when_due(g, &t);
    }
    collect(g, &t);
}

void growth_accept_all(struct growth *g)
{
    struct growth_times t = { 0 };

    while (g->ring.accepted < g->ring.n) {
        accept_one(g);
        collect_when_due(g, &t);
    }
    collect(g, &t);
}

size_t growth_queued(const struct growth *g)
{
    return core_count(g->core).queued;
}

void growth_cycles(struct growth *g, size_t n, struct growth_times *t)
{
    while (n--) {
        struct running ended;
        t->ns[GROWTH_SUBMIT] += submit_one(g);
        t->ns[GROWTH_RESULT] += end_one(g, &ended);
        t->ns[GROWTH_ACCEPT] += accept_one(g);
        t->ns[GROWTH_SEALED] += seal_one(g, &ended);
        collect_when_due(g, t);
    }
    collect(g, t);
}

struct growth *growth_new(void)
{
    static const char *const sinks[] = { "sink-1" };
    const struct input_lead lead = { 1, "growth", "0" };
    struct growth *g = mem_zalloc(sizeof(*g));
    struct growth_times t = { 0 };

    g->config = (struct core_config){ .tries = 3, .killed_agents = 3, .lease_ms = 30000, .heartbeat_ms = 7500,
                                      .ageing_ms = 600000, .retry_ms = 1000, .retry_max_ms = 300000, .stop_ms = 30000,
                                      .sinks = sinks, .n_sinks = ARRAY_LEN(sinks) };
    g->now_ms = 1700000000000;
    g->core = core_new(&g->config);
    step(g, INPUT_LEAD, (struct route){ 0 }, &lead);
    collect(g, &t);
    return g;
}

void growth_free(struct growth **gp)
{
    struct growth *g = *gp;

    effects_fini(&g->fx);
    core_free(&g->core);
    mem_free(&g->ring.v);
    mem_free(gp);
}
