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

bool world_is_kind(const struct world *w)
{
    return w->now_ms >= FAULTS_UNTIL_MS;
}

bool world_chance(struct world *w, unsigned percent)
{
    return !world_is_kind(w) && world_random(w, 100) < percent;
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

const char *id_short(const struct uuid *id, char out[16])
{
    snprintf(out, 16, "%02x%02x", id->b[0], id->b[15]);
    return out;
}

struct uuid attempt_key(const struct uuid *task, int64_t attempt)
{
    struct uuid key = *task;

    key.b[8] = (uint8_t)attempt;
    return key;
}

static void world_fini(struct world *w)
{
    struct heap_node *top;
    struct sim_run *run;

    while ((top = heap_top(&w->happenings))) {
        struct happening *h = HEAP_OWNER(top, struct happening, node);
        heap_remove(&w->happenings, top);
        mem_free(&h);
    }
    heap_fini(&w->happenings);
    shell_fini(w);
    db_fini(&w->db);
    for (size_t at = 0; (run = table_next(&w->runs, &at));)
        mem_free(&run);
    table_fini(&w->runs);
}

int world_run(struct world *w, uint64_t seed)
{
    struct heap_node *top;

    w->seed = w->chance = seed;
    heap_init(&w->happenings, happening_before);
    shell_start(w);
    agents_start(w);
    clients_start(w);
    while (!*w->failure && (top = heap_top(&w->happenings))) {
        struct happening *h = HEAP_OWNER(top, struct happening, node);
        heap_remove(&w->happenings, top);
        w->now_ms = h->at_ms;
        h->fn(w, &h->packet);
        mem_free(&h);
        if (w->now_ms > END_MS || (world_is_kind(w) && check_is_over(w)))
            break;
    }
    check_end(w);
    world_fini(w);
    return *w->failure ? -1 : 0;
}
