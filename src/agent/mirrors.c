/* mirrors.c - a queue per mirror: whoever stands first may fetch. Mirrors without a queue take no memory. Pure. */
#include "agent/mirrors.h"

#include <string.h>

#include "lib/mem.h"

struct mirror {
    char *name;
    struct mirror_turn *first;   /* whose turn it is */
    struct mirror *next;
};
struct mirrors {
    struct mirror *head;
};

struct mirrors *mirrors_new(void)
{
    return mem_zalloc(sizeof(struct mirrors));
}

void mirrors_free(struct mirrors **ms)
{
    mem_free(ms);
}

static struct mirror *mirror_get(struct mirrors *ms, const char *name)
{
    struct mirror *m = ms->head;

    while (m && strcmp(m->name, name) != 0)
        m = m->next;
    if (!m) {
        m = mem_zalloc(sizeof(*m));
        *m = (struct mirror){ .name = mem_strdup(name), .next = ms->head };
        ms->head = m;
    }
    return m;
}

static void mirror_drop(struct mirrors *ms, struct mirror *m)
{
    struct mirror **at = &ms->head;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    mem_free(&m->name);
    mem_free(&m);
}

bool mirror_enter(struct mirrors *ms, const char *name, struct mirror_turn *turn)
{
    struct mirror *m = mirror_get(ms, name);
    struct mirror_turn **at = &m->first;

    while (*at)
        at = &(*at)->next;
    *at = turn;
    turn->mirror = m;
    turn->next = NULL;
    return m->first == turn;
}

void mirror_leave(struct mirrors *ms, struct mirror_turn *turn)
{
    struct mirror *m = turn->mirror;
    struct mirror_turn **at;
    bool was_first;

    if (!m)
        return;
    was_first = m->first == turn;
    for (at = &m->first; *at != turn; at = &(*at)->next)
        ;
    *at = turn->next;
    turn->mirror = NULL;
    turn->next = NULL;
    if (!m->first)
        mirror_drop(ms, m);
    else if (was_first)
        m->first->fn(m->first->arg);
}
