/* lru.h - attempts by key, in the order of their last use. Nodes live inside their owners' structs.
 *
 * (lib/table.h has 16-byte keys, which an attempt's are not, and no order.) */
#ifndef ORION_LOGSINK_LRU_H
#define ORION_LOGSINK_LRU_H

#include <stddef.h>

#include "logsink/key.h"

struct lru_node {
    struct log_key key;
    struct lru_node *chain;          /* same bucket */
    struct lru_node *older, *newer;  /* by last use */
};

struct lru {
    struct lru_node **buckets;
    size_t n_buckets;
    size_t count;
    struct lru_node *oldest, *newest;
};

void lru_init(struct lru *t);
void lru_fini(struct lru *t);                              /* the nodes are their owners' */
struct lru_node *lru_get(const struct lru *t, const struct log_key *key); /* NULL: not there */
void lru_add(struct lru *t, struct lru_node *n);         /* key set, not there yet; becomes the newest */
void lru_touch(struct lru *t, struct lru_node *n);       /* used now */
void lru_remove(struct lru *t, struct lru_node *n);

#endif
