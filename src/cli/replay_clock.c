/* replay_clock.c - when a log's chunks are due in a replay. Rules: man/orion.1 "logs". Pure. */
#include "cli/replay_clock.h"

#include <errno.h>
#include <stdlib.h>

#define FACTOR_MIN 0.001
#define FACTOR_MAX 1e6
enum { NS_PER_MS = 1000000 };

int replay_clock_init(struct replay_clock *c, const char *factor, int64_t max_pause_ms, struct err *e)
{
    char *end = NULL;

    *c = (struct replay_clock){ .factor = 1, .max_pause_ns = (uint64_t)max_pause_ms * NS_PER_MS };
    if (!factor)
        return 0;
    errno = 0;
    c->factor = strtod(factor, &end);
    if (errno != 0 || end == factor || *end != '\0' || !(c->factor >= FACTOR_MIN && c->factor <= FACTOR_MAX))
        return err_field(e, "speed", "--speed: %s is not within 0.001 and 1000000", factor);
    return 0;
}

uint64_t replay_clock_due(struct replay_clock *c, uint64_t time_ns)
{
    if (c->is_running && time_ns > c->last_ns) {
        uint64_t pause_ns = (uint64_t)((double)(time_ns - c->last_ns) / c->factor);
        if (c->max_pause_ns > 0 && pause_ns > c->max_pause_ns)
            pause_ns = c->max_pause_ns;
        c->due_ns += pause_ns;
    }
    if (!c->is_running || time_ns > c->last_ns)
        c->last_ns = time_ns;
    c->is_running = true;
    return c->due_ns;
}
