/* expiry.c - the rules of expiry.h. Pure. */
#include "logsink/expiry.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* A clock that went back makes nothing old. */
static bool is_older(uint64_t at_ms, uint64_t age_ms, uint64_t now_ms)
{
    return now_ms > at_ms && now_ms - at_ms >= age_ms;
}

/* Only complete logs: one sealed as gap still takes chunks, for which its files must be here. */
static bool is_droppable(const struct expiry_policy *p, const struct expiry_log *l)
{
    return p->has_archive && l->is_local && l->bytes <= p->fetch_max && l->seal.state == SEAL_COMPLETE && l->seal.flags & SEAL_ARCHIVED;
}

enum expiry_verdict expiry_decide(const struct expiry_policy *p, const struct expiry_log *l, uint64_t now_ms)
{
    if (l->seal.removed != SEAL_KEPT)
        return EXPIRY_KEEP;
    if (l->seal.state == SEAL_OPEN)
        return is_older(l->touched_ms, EXPIRY_ABANDONED_MS, now_ms) ? EXPIRY_ABANDON : EXPIRY_KEEP;
    uint64_t keep_ms = l->seal.keep_ms ? l->seal.keep_ms : p->keep_ms;
    if (keep_ms && is_older(l->sealed_at_ms, keep_ms, now_ms))
        return EXPIRY_REMOVE;
    if (p->local_keep_ms && is_droppable(p, l) && is_older(l->sealed_at_ms, p->local_keep_ms, now_ms))
        return EXPIRY_DROP_LOCAL;
    return EXPIRY_KEEP;
}

/* --- by space ------------------------------------------------------------------------------------------- */

static uint64_t limit(uint64_t used, uint64_t available, unsigned percent)
{
    uint64_t total = used + available;
    return total / 100 * percent + total % 100 * percent / 100;
}

uint64_t expiry_excess(uint64_t used, uint64_t available, unsigned percent)
{
    uint64_t most = limit(used, available, percent);
    return percent && used > most ? used - most : 0;
}

uint64_t expiry_room(uint64_t used, uint64_t available, unsigned percent)
{
    uint64_t most = limit(used, available, percent ? percent : 100);
    return most > used ? most - used : 0;
}

/* Does a go before b? Ties are broken by the key, so that the order is one. */
static int compare(const void *left, const void *right)
{
    const struct expiry_victim *a = left, *b = right;
    if (a->is_archived != b->is_archived)
        return a->is_archived ? -1 : 1;
    if (a->sealed_at_ms != b->sealed_at_ms)
        return a->sealed_at_ms < b->sealed_at_ms ? -1 : 1;
    int by_task = memcmp(&a->key.task, &b->key.task, sizeof(a->key.task));
    return by_task ? by_task : (a->key.attempt > b->key.attempt) - (a->key.attempt < b->key.attempt);
}

void expiry_victims_init(struct expiry_victims *v)
{
    *v = (struct expiry_victims){ .at = mem_array(EXPIRY_VICTIMS_MAX, sizeof(*v->at)) };
}

void expiry_victims_fini(struct expiry_victims *v)
{
    mem_free(&v->at);
    *v = (struct expiry_victims){ 0 };
}

static void swap(struct expiry_victim *a, struct expiry_victim *b)
{
    struct expiry_victim t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct expiry_victims *v, size_t i)
{
    for (; i > 0 && compare(&v->at[i], &v->at[(i - 1) / 2]) > 0; i = (i - 1) / 2)
        swap(&v->at[i], &v->at[(i - 1) / 2]);
}

static void sift_down(struct expiry_victims *v)
{
    for (size_t i = 0, most;; i = most) {
        most = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < v->n; child++)
            if (compare(&v->at[child], &v->at[most]) > 0)
                most = child;
        if (most == i)
            return;
        swap(&v->at[i], &v->at[most]);
    }
}

void expiry_offer(struct expiry_victims *v, const struct expiry_policy *p, const struct expiry_log *l,
                  uint64_t now_ms)
{
    const struct expiry_victim new = { l->key, l->sealed_at_ms, is_droppable(p, l) };
    if (!l->is_local || l->seal.state == SEAL_OPEN || l->seal.removed != SEAL_KEPT ||
        !is_older(l->sealed_at_ms, EXPIRY_FRESH_MS, now_ms))
        return;
    if (v->n < EXPIRY_VICTIMS_MAX) {
        v->at[v->n] = new;
        sift_up(v, v->n++);
    } else if (compare(&new, &v->at[0]) < 0) {
        v->at[0] = new;
        sift_down(v);
    }
}

void expiry_sort(struct expiry_victims *v)
{
    qsort(v->at, v->n, sizeof(*v->at), compare);
    v->next = 0;
}

const struct expiry_victim *expiry_next(struct expiry_victims *v)
{
    return v->next < v->n ? &v->at[v->next++] : NULL;
}
