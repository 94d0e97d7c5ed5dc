/* attempt.c - which logs the loop remembers. Forgetting one costs a walk over its file when it comes back. Pure. */
#include "logsink/attempt.h"

#include "lib/mem.h"

void attempts_init(struct attempts *t, size_t max)
{
    lru_init(&t->table);
    t->max = max;
}

void attempts_fini(struct attempts *t)
{
    while (t->table.oldest) {
        struct attempt *a = (struct attempt *)t->table.oldest;
        attempts_remove(t, &a);
    }
    lru_fini(&t->table);
}

struct attempt *attempts_get(struct attempts *t, const struct log_key *key)
{
    struct attempt *a = (struct attempt *)lru_get(&t->table, key);
    if (a)
        lru_touch(&t->table, &a->node);
    return a;
}

static bool is_idle(const struct attempt *a)
{
    return a->phase == ATTEMPT_OPEN && a->flying == 0 && !a->is_due;
}

/* An attempt that is old and busy goes to the end of the line: it is used now. */
static bool make_room(struct attempts *t)
{
    for (unsigned tries = 0; t->table.count >= t->max && tries < 16; tries++) {
        struct attempt *a = (struct attempt *)t->table.oldest;
        if (is_idle(a))
            attempts_remove(t, &a);
        else
            lru_touch(&t->table, &a->node);
    }
    return t->table.count < t->max;
}

struct attempt *attempts_add(struct attempts *t, const struct log_key *key)
{
    if (!make_room(t))
        return NULL;
    struct attempt *a = mem_zalloc(sizeof(*a));
    a->node.key = *key;
    a->phase = ATTEMPT_LOADING;
    a->waiting_end = &a->waiting;
    lru_add(&t->table, &a->node);
    return a;
}

void attempts_remove(struct attempts *t, struct attempt **a)
{
    for (struct chunk *c; (c = attempt_waiting(*a));)
        chunk_free(&c);
    lru_remove(&t->table, &(*a)->node);
    mem_free(a);
}

void attempt_wait(struct attempt *a, struct chunk *c)
{
    c->next = NULL;
    *a->waiting_end = c;
    a->waiting_end = &c->next;
}

struct chunk *attempt_waiting(struct attempt *a)
{
    struct chunk *c = a->waiting;
    if (c) {
        a->waiting = c->next;
        if (!a->waiting)
            a->waiting_end = &a->waiting;
        c->next = NULL;
    }
    return c;
}
