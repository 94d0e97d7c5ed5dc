/* key_ring.c - a ring of logs' keys. Pure. */
#include "logsink/key_ring.h"

#include "lib/mem.h"

bool key_is(const struct log_key *a, const struct log_key *b)
{
    return a->attempt == b->attempt && uuid_cmp(&a->task, &b->task) == 0;
}

void key_ring_init(struct key_ring *r, size_t max)
{
    *r = (struct key_ring){ .keys = mem_array(max, sizeof(*r->keys)), .max = max };
}

void key_ring_fini(struct key_ring *r)
{
    mem_free(&r->keys);
    *r = (struct key_ring){ 0 };
}

bool key_ring_has(const struct key_ring *r, const struct log_key *key)
{
    for (size_t i = 0; i < r->n; i++)
        if (key_is(&r->keys[(r->first + i) % r->max], key))
            return true;
    return false;
}

bool key_ring_add(struct key_ring *r, const struct log_key *key)
{
    if (r->n == r->max)
        return false;
    r->keys[(r->first + r->n++) % r->max] = *key;
    return true;
}

bool key_ring_pop(struct key_ring *r, struct log_key *key_r)
{
    if (r->n == 0)
        return false;
    *key_r = r->keys[r->first];
    r->first = (r->first + 1) % r->max;
    r->n--;
    return true;
}

void key_ring_force(struct key_ring *r, const struct log_key *key)
{
    struct log_key lost;
    if (r->n == r->max)
        (void)key_ring_pop(r, &lost);
    (void)key_ring_add(r, key);
}
