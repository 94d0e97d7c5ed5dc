/* since.c - points in time as people say them. Given the text and what time it is now. Rules: man/orion.1. Pure but for
 * the time zone. */
#include "cli/since.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/mem.h"

enum { DAY_MS = 86400000, SPAN_MAX = 1000000000 };

/* "90s", "5m", "2h", "3d": so long ago. */
static bool read_span(const char *text, int64_t *ms_r)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", DAY_MS } };
    char *end = NULL;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || n < 0 || n > SPAN_MAX)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ms_r = n * units[i].ms;
            return true;
        }
    }
    return false;
}

static int64_t local_ms(struct tm tm)
{
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * 1000;
}

/* "14:30", "14:30:05": the last time that it was so late. */
static bool read_time_of_day(const char *text, int64_t now_ms, int64_t *wall_ms_r)
{
    static const char *const forms[] = { "%H:%M:%S", "%H:%M" };
    time_t now = (time_t)(now_ms / 1000);

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm;
        if (!localtime_r(&now, &tm))
            return false;
        tm.tm_sec = 0;
        const char *end = strptime(text, forms[i], &tm);
        if (!end || *end)
            continue;
        *wall_ms_r = local_ms(tm);
        if (*wall_ms_r > now_ms) {
            tm.tm_mday--;
            *wall_ms_r = local_ms(tm);
        }
        return true;
    }
    return false;
}

static bool read_local(const char *text, int64_t *wall_ms_r)
{
    static const char *const forms[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                         "%Y-%m-%d" };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = { 0 };
        const char *end = strptime(text, forms[i], &tm);
        if (end && !*end) {
            *wall_ms_r = local_ms(tm);
            return true;
        }
    }
    return false;
}

int since_parse(const char *text, int64_t now_ms, int64_t *wall_ms_r, struct err *e)
{
    int64_t ago_ms;

    if (read_span(text, &ago_ms)) {
        *wall_ms_r = now_ms - ago_ms;
        return 0;
    }
    if (clock_parse(text, strlen(text), wall_ms_r) == 0 || read_time_of_day(text, now_ms, wall_ms_r) ||
        read_local(text, wall_ms_r))
        return 0;
    return err_field(e, "since", "--since: not a time: %s (such as 10m, 14:30, \"2026-11-21 14:30\", "
                                 "2026-11-21T14:30:00Z)", text);
}
