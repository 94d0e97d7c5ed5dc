/* key_ring.h - a bounded list of logs, first in, first out. Pure. */
#ifndef ORION_LOGSINK_KEY_RING_H
#define ORION_LOGSINK_KEY_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "logsink/key.h"

struct key_ring {
    struct log_key *keys;
    size_t max, first, n;
};

bool key_is(const struct log_key *a, const struct log_key *b);
void key_ring_init(struct key_ring *r, size_t max);
void key_ring_fini(struct key_ring *r);
bool key_ring_has(const struct key_ring *r, const struct log_key *key);
bool key_ring_add(struct key_ring *r, const struct log_key *key);     /* false: it is full */
bool key_ring_pop(struct key_ring *r, struct log_key *key_r);         /* false: it is empty */
void key_ring_force(struct key_ring *r, const struct log_key *key);   /* the first one makes room */

#endif
