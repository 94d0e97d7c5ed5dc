/* questions.c - a ring of peers with a list of questions each (questions.h). Pure. */
#include "logsink/questions.h"

#include <string.h>

#include "lib/mem.h"

struct asker {
    struct asker *next, *previous;   /* the ring */
    struct bus_peer peer;
    struct read *first, **end;
    unsigned waiting;
};

static struct asker *asker_find(const struct questions *q, const struct bus_peer *peer)
{
    struct asker *a = q->turn;
    if (!a)
        return NULL;
    do {
        if (memcmp(&a->peer, peer, sizeof(*peer)) == 0)
            return a;
        a = a->next;
    } while (a != q->turn);
    return NULL;
}

/* In front of whose turn it is: the last one to come. */
static struct asker *asker_add(struct questions *q, const struct bus_peer *peer)
{
    struct asker *a = mem_zalloc(sizeof(*a));
    a->peer = *peer;
    a->end = &a->first;
    a->next = q->turn ? q->turn : a;
    a->previous = q->turn ? q->turn->previous : a;
    a->next->previous = a->previous->next = a;
    if (!q->turn)
        q->turn = a;
    return a;
}

static void asker_remove(struct questions *q, struct asker *a)
{
    a->next->previous = a->previous;
    a->previous->next = a->next;
    if (q->turn == a)
        q->turn = a->next == a ? NULL : a->next;
    mem_free(&a);
}

bool questions_add(struct questions *q, struct read *r)
{
    struct asker *a = asker_find(q, &r->peer);
    if (q->waiting >= QUESTIONS_MAX || (a && a->waiting >= QUESTIONS_PEER_MAX))
        return false;
    if (!a)
        a = asker_add(q, &r->peer);
    r->next = NULL;
    *a->end = r;
    a->end = &r->next;
    a->waiting++;
    q->waiting++;
    return true;
}

static struct read *take(struct questions *q)
{
    struct asker *a = q->turn;
    struct read *r = a->first;
    a->first = r->next;
    a->waiting--;
    q->waiting--;
    q->turn = a->next;
    if (!a->first)
        asker_remove(q, a);
    return r;
}

struct read *questions_next(struct questions *q)
{
    if (!q->turn || q->out >= QUESTIONS_OUT_MAX)
        return NULL;
    q->out++;
    return take(q);
}

void questions_answered(struct questions *q)
{
    q->out--;
}

void questions_fini(struct questions *q)
{
    while (q->turn) {
        struct read *r = take(q);
        read_free(&r);
    }
}
