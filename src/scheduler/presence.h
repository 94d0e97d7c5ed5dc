/* presence.h - is a log sink there? From when it was heard to what the core is told. Pure: its time is the caller's. */
#ifndef ORION_SCHEDULER_PRESENCE_H
#define ORION_SCHEDULER_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/rows.h"

struct presence_limits {
    uint64_t absent_ms;        /* not heard for so long: down */
    uint64_t grace_ms;         /* ... but not before a leadership is so old */
    uint64_t lost_ms;          /* down for so long: lost; full for so long: open logs should leave */
    uint64_t again_ms;         /* which is said again and again */
};

/* One sink. A zeroed struct is one that nobody has heard of. */
struct presence {
    enum sink_state told;      /* what the core knows */
    bool has_row;
    bool is_full;              /* as it says */
    uint64_t heard_ms;         /* 0: never */
    uint64_t began_ms;         /* the leadership, or when this process woke */
    uint64_t ill_ms;           /* since then it is not up; 0: it is */
    uint64_t said_ms;          /* that logs should leave */
};

struct presence_news {
    enum sink_state state;
    bool is_leaving;
};

/* A leadership begins: the core knows `told` from its rows, and every clock starts anew. */
void presence_begin(struct presence *p, enum sink_state told, bool has_row, uint64_t now_ms);
/* This process was stopped: what was said meanwhile is not read yet. */
void presence_woke(struct presence *p, uint64_t now_ms);
/* True: there is something to tell the core, and it counts as told. */
bool presence_look(struct presence *p, const struct presence_limits *l, uint64_t now_ms, struct presence_news *news_r);

#endif
