/* gaps.c - ranges of a log that are not there. Pure memory. */
#include "gateway/gaps.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

static void gap_remove(struct gaps *g, size_t i)
{
    memmove(&g->v[i], &g->v[i + 1], (g->n - i - 1) * sizeof(*g->v));
    g->n--;
}

static void gap_insert(struct gaps *g, const struct follow_gap *gap)
{
    size_t i = 0;

    if (gap->from >= gap->to)
        return;
    if (g->n == GAPS_MAX)
        gap_remove(g, 0);
    g->v = mem_resize(g->v, GAPS_MAX, sizeof(*g->v));
    while (i < g->n && g->v[i].from < gap->from)
        i++;
    memmove(&g->v[i + 1], &g->v[i], (g->n - i) * sizeof(*g->v));
    g->v[i] = *gap;
    g->n++;
}

void gaps_add(struct gaps *g, uint64_t from, uint64_t to, const char *reason)
{
    struct follow_gap fresh = { .from = from, .to = to };
    size_t i = 0;

    snprintf(fresh.reason, sizeof(fresh.reason), "%s", reason);
    while (i < g->n) {
        const struct follow_gap old = g->v[i];
        if (old.to < from || old.from > to) {
            i++;
            continue;
        }
        gap_remove(g, i);
        if (strcmp(old.reason, fresh.reason) == 0) {
            fresh.from = old.from < fresh.from ? old.from : fresh.from;
            fresh.to = old.to > fresh.to ? old.to : fresh.to;
            continue;
        }
        struct follow_gap left = old, right = old;
        left.to = old.to < from ? old.to : from;
        right.from = old.from > to ? old.from : to;
        gap_insert(g, &left);
        gap_insert(g, &right);
        i += (left.from < left.to) + (right.from < right.to);
    }
    gap_insert(g, &fresh);
}

const struct follow_gap *gaps_at(const struct gaps *g, uint64_t offset)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].from <= offset && offset < g->v[i].to)
            return &g->v[i];
    return NULL;
}

void gaps_fini(struct gaps *g)
{
    mem_free(&g->v);
    g->n = 0;
}
