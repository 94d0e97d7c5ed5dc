/* pulse.c - see pulse.h. */
#include "scheduler/pulse.h"

static bool has_moved(const struct pulse_look *a, const struct pulse_look *b)
{
    return a->epoch != b->epoch || a->batch != b->batch || a->at != b->at || a->holder != b->holder;
}

bool pulse_is_lost(struct pulse *p, const struct pulse_look *look, uint64_t now_ms)
{
    bool is_known = p->since_ms != 0 && now_ms - p->looked_ms <= PULSE_GAP_MS;

    if (!is_known || look->holder == 0 || look->is_busy || has_moved(&p->last, look))
        p->since_ms = now_ms;
    p->last = *look;
    p->looked_ms = now_ms;
    if (now_ms - p->since_ms < PULSE_LOST_MS)
        return false;
    p->since_ms = now_ms;
    return true;
}

void pulse_clear(struct pulse *p)
{
    *p = (struct pulse){ 0 };
}
