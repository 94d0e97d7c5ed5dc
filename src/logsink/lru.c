/* lru.c - a chained hash table that doubles, threaded by a list in the order of last use. Pure. */
#include "logsink/lru.h"

#include <stdbool.h>
#include <string.h>

#include "lib/mem.h"

#define LRU_FIRST 64

static size_t bucket(const struct lru *t, const struct log_key *key)
{
    /* FNV-1a: the random half of a version 7 id is in its last bytes, the attempt spreads retries. */
    uint64_t h = 0xcbf29ce484222325u ^ key->attempt;
    for (size_t i = 0; i < sizeof(key->task.b); i++)
        h = (h ^ key->task.b[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32) & (t->n_buckets - 1);
}

static bool is_key(const struct log_key *a, const struct log_key *b)
{
    return a->attempt == b->attempt && memcmp(&a->task, &b->task, sizeof(a->task)) == 0;
}

static void grow(struct lru *t)
{
    struct lru_node **old = t->buckets;
    size_t n = t->n_buckets;
    t->n_buckets = n * 2;
    t->buckets = mem_array(t->n_buckets, sizeof(*t->buckets));
    for (size_t i = 0; i < n; i++) {
        for (struct lru_node *node = old[i], *next; node; node = next) {
            next = node->chain;
            size_t b = bucket(t, &node->key);
            node->chain = t->buckets[b];
            t->buckets[b] = node;
        }
    }
    mem_free(&old);
}

static void list_add(struct lru *t, struct lru_node *n)
{
    n->newer = NULL;
    n->older = t->newest;
    if (t->newest)
        t->newest->newer = n;
    else
        t->oldest = n;
    t->newest = n;
}

static void list_remove(struct lru *t, struct lru_node *n)
{
    *(n->newer ? &n->newer->older : &t->newest) = n->older;
    *(n->older ? &n->older->newer : &t->oldest) = n->newer;
    n->older = n->newer = NULL;
}

void lru_init(struct lru *t)
{
    *t = (struct lru){ .n_buckets = LRU_FIRST };
    t->buckets = mem_array(t->n_buckets, sizeof(*t->buckets));
}

void lru_fini(struct lru *t)
{
    mem_free(&t->buckets);
    *t = (struct lru){ 0 };
}

struct lru_node *lru_get(const struct lru *t, const struct log_key *key)
{
    struct lru_node *n = t->buckets[bucket(t, key)];
    while (n && !is_key(&n->key, key))
        n = n->chain;
    return n;
}

void lru_add(struct lru *t, struct lru_node *n)
{
    if (t->count >= t->n_buckets)
        grow(t);
    size_t b = bucket(t, &n->key);
    n->chain = t->buckets[b];
    t->buckets[b] = n;
    t->count++;
    list_add(t, n);
}

void lru_touch(struct lru *t, struct lru_node *n)
{
    if (t->newest == n)
        return;
    list_remove(t, n);
    list_add(t, n);
}

void lru_remove(struct lru *t, struct lru_node *n)
{
    struct lru_node **at = &t->buckets[bucket(t, &n->key)];
    while (*at != n)
        at = &(*at)->chain;
    *at = n->chain;
    n->chain = NULL;
    t->count--;
    list_remove(t, n);
}
