/* world.c - simulated time, chance and the life of one seed. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

struct happening {
    struct heap_node node;
    int64_t at_ms;
    uint64_t order;
    happen_fn *fn;
    struct packet packet;
};

static bool happening_before(const struct heap_node *x, const struct heap_node *y)
{
    const struct happening *a = HEAP_OWNER(x, struct happening, node), *b = HEAP_OWNER(y, struct happening, node);

    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

/* splitmix64 */
uint64_t world_random(struct world *w, uint64_t below)
{
    uint64_t z = (w->chance += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % below;
}

int64_t world_ms(struct world *w, int64_t from, int64_t to)
{
    return from + (int64_t)world_random(w, (uint64_t)(to - from));
}

bool world_is_kind(const struct world *w)
{
    return w->now_ms >= FAULTS_UNTIL_MS;
}

bool world_chance(struct world *w, enum fault fault, unsigned percent)
{
    return w->faults[fault] && !world_is_kind(w) && world_random(w, 100) < percent;
}

void world_in(struct world *w, int64_t ms, happen_fn *fn, const struct packet *p)
{
    struct happening *h = mem_zalloc(sizeof *h);

    h->at_ms = w->now_ms + ms;
    h->order = w->order++;
    h->fn = fn;
    if (p)
        h->packet = *p;
    heap_push(&w->happenings, &h->node);
}

void world_trace(struct world *w, const char *fmt, ...)
{
    va_list ap;

    if (!w->is_traced)
        return;
    printf("# %8lld ", (long long)w->now_ms);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void world_trace_frame(struct world *w, const char *what, const struct packet *p)
{
    struct arena arena = { 0 };
    struct buf text = { 0 };
    struct msg_head head;
    void *message;

    if (!w->is_traced || msg_from_bin(p->frame, p->len, &arena, &head, &message, NULL) < 0)
        return;
    if (head.type != MSG_AGENT_ALIVE) {
        msg_to_json(head.type, message, false, &text);
        world_trace(w, "  conn %llu %s %s %s", (unsigned long long)p->conn, what, msg_wire_name(head.type), text.data);
    }
    buf_fini(&text);
    arena_fini(&arena);
}

void world_fail(struct world *w, const char *fmt, ...)
{
    va_list ap;

    if (*w->failure)
        return;
    va_start(ap, fmt);
    vsnprintf(w->failure, sizeof w->failure, fmt, ap);
    va_end(ap);
    world_trace(w, "BROKEN: %s", w->failure);
}

void world_trouble(struct world *w, int64_t until_ms)
{
    if (w->trouble_ms < until_ms)
        w->trouble_ms = until_ms;
}

/* Version 7, by the clock of whoever leads: gateways take that one for their ids. */
struct uuid world_id(struct world *w, uint8_t kind)
{
    int64_t ms = START_MS + w->now_ms, n = ++w->last_id;
    struct uuid id = { .b = { [6] = 0x70, [8] = 0x80, [12] = (uint8_t)world_random(w, 256), [13] = kind } };

    for (int i = 0; i < SHELLS; i++)
        if (w->shells[i].epoch && w->shells[i].epoch == w->db.epoch)
            ms += w->shells[i].skew_ms;
    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.b[14] = (uint8_t)(n >> 8);
    id.b[15] = (uint8_t)n;
    return id;
}

const char *id_short(const struct uuid *id, char out[16])
{
    snprintf(out, 16, "%02x%02x%02x", id->b[13], id->b[14], id->b[15]);
    return out;
}

struct uuid attempt_key(const struct uuid *task, int64_t attempt)
{
    struct uuid key = *task;

    key.b[9] = 1;
    key.b[10] = (uint8_t)attempt;
    return key;
}

static void world_fini(struct world *w)
{
    struct heap_node *top;

    while ((top = heap_top(&w->happenings))) {
        struct happening *h = HEAP_OWNER(top, struct happening, node);
        heap_remove(&w->happenings, top);
        mem_free(&h);
    }
    heap_fini(&w->happenings);
    for (int i = 0; i < SHELLS; i++)
        shell_fini(&w->shells[i]);
    db_fini(&w->db);
    table_fini(&w->drained);
    table_fini(&w->projects_said);
    table_fini(&w->agents_before);
    table_fini(&w->groups_before);
    table_fini(&w->runs);
    table_fini(&w->notes);
    table_fini(&w->owners);
    for (int i = 0; i < SINKS_MAX; i++)
        table_fini(&w->sinks[i].stores);
    arena_fini(&w->arena);
}

static void world_start(struct world *w, uint64_t seed)
{
    static const char *const sinks[] = { "sink-1", "sink-2", "sink-3" };

    w->seed = w->chance = seed;
    w->jump_ms = -1;
    heap_init(&w->happenings, happening_before);
    for (int i = 0; i < FAULTS; i++)
        w->faults[i] = world_random(w, 4) != 0;
    w->lease_ms = 10000;
    w->accept_ms = 4000;
    w->config = (struct core_config){
        .tries = 3, .killed_agents = world_ms(w, 1, 4), .lease_ms = w->lease_ms, .heartbeat_ms = w->lease_ms / 4,
        .ageing_ms = 10000, .retry_ms = 500, .retry_max_ms = 5000, .stop_ms = 6000,
        .sinks = sinks, .n_sinks = 1 + (size_t)world_random(w, SINKS_MAX),
    };
    shells_start(w);
    net_start(w);
    sinks_start(w);
    agents_start(w);
    clients_start(w);
    changes_start(w);
}

/* Nothing is under way that could still change anything. */
static bool is_over(const struct world *w)
{
    return world_is_kind(w) && check_is_over(w);
}

int world_run(struct world *w, uint64_t seed)
{
    struct heap_node *top;

    world_start(w, seed);
    while (!*w->failure && !is_over(w) && w->now_ms <= END_MS && (top = heap_top(&w->happenings))) {
        struct happening *h = HEAP_OWNER(top, struct happening, node);
        heap_remove(&w->happenings, top);
        w->now_ms = h->at_ms;
        h->fn(w, &h->packet);
        mem_free(&h);
    }
    check_life(w);
    for (int i = 0; i < SHELLS && !*w->failure; i++)
        if (w->shells[i].core)
            shell_drop_core(w, &w->shells[i]);
    world_fini(w);
    return *w->failure ? -1 : 0;
}
