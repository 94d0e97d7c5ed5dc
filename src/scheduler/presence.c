/* presence.c - up, full, down, lost: by the clock of whoever leads. A lost sink stays lost until it is heard again. */
#include "scheduler/presence.h"

void presence_begin(struct presence *p, enum sink_state told, bool has_row, uint64_t now_ms)
{
    p->told = told;
    p->has_row = has_row;
    p->began_ms = now_ms;
    p->ill_ms = p->said_ms = 0;
}

void presence_woke(struct presence *p, uint64_t now_ms)
{
    p->began_ms = now_ms;
}

static bool is_here(const struct presence *p, const struct presence_limits *l, uint64_t now_ms)
{
    return p->heard_ms && now_ms - p->heard_ms <= l->absent_ms;
}

static enum sink_state state_of(struct presence *p, const struct presence_limits *l, uint64_t now_ms)
{
    bool here = is_here(p, l, now_ms);

    if (here && !p->is_full) {
        p->ill_ms = 0;
        return SINK_UP;
    }
    if (!p->ill_ms)
        p->ill_ms = now_ms;
    if (here)
        return SINK_FULL;
    return p->told == SINK_LOST || now_ms - p->ill_ms >= l->lost_ms ? SINK_LOST : SINK_DOWN;
}

bool presence_look(struct presence *p, const struct presence_limits *l, uint64_t now_ms, struct presence_news *news_r)
{
    enum sink_state state;
    bool is_leaving, is_due;

    if (!is_here(p, l, now_ms) && now_ms - p->began_ms < l->grace_ms)
        return false;
    state = state_of(p, l, now_ms);
    is_leaving = state == SINK_LOST || (state == SINK_FULL && now_ms - p->ill_ms >= l->lost_ms);
    is_due = is_leaving && (!p->said_ms || now_ms - p->said_ms >= l->again_ms);
    if (state == p->told && p->has_row && !is_due)
        return false;
    if (is_leaving)
        p->said_ms = now_ms;
    p->told = state;
    p->has_row = true;
    *news_r = (struct presence_news){ state, is_leaving };
    return true;
}
