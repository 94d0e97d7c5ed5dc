/* mirrors.h - turns at the mirrors: one operation that writes to a mirror at a time. Pure. */
#ifndef ORION_AGENT_MIRRORS_H
#define ORION_AGENT_MIRRORS_H

#include <stdbool.h>

struct mirrors;

/* One's place in the queue of a mirror; lives as long as it is in it. A zeroed one is in none. */
struct mirror_turn {
    void (*fn)(void *arg);   /* it is your turn */
    void *arg;
    struct mirror *mirror;
    struct mirror_turn *next;
};

struct mirrors *mirrors_new(void);
void mirrors_free(struct mirrors **ms);   /* all turns were given up */
/* True: it is your turn now; false: `fn` comes later. */
bool mirror_enter(struct mirrors *ms, const char *name, struct mirror_turn *turn);
void mirror_leave(struct mirrors *ms, struct mirror_turn *turn);  /* also while waiting; nothing when in no queue */

#endif
