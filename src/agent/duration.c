/* duration.c - see duration.h. Exact: a unit is used when the time is a whole number of it, and at least two, so that
 * the number stays the one that somebody wrote into a task. Pure. */
#include "agent/duration.h"

#include <stddef.h>
#include <stdio.h>

#include "lib/mem.h"

void duration_format(int64_t ms, char out[DURATION_SIZE])
{
    static const struct {
        int64_t ms, least;
        const char *name;
    } units[] = { { 86400000, 2, "d" }, { 3600000, 2, "h" }, { 60000, 2, "min" }, { 1000, 1, "s" }, { 1, 0, "ms" } };
    size_t u = 0;

    while (u + 1 < ARRAY_LEN(units) && (ms % units[u].ms || ms / units[u].ms < units[u].least))
        u++;
    snprintf(out, DURATION_SIZE, "%lld %s", (long long)(ms / units[u].ms), units[u].name);
}
