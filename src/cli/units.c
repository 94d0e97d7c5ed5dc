/* units.c - amounts of bytes and time to numbers and back. */
#include "cli/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t times;
};
/* The largest last. */
static const struct unit sizes[] = {
    { "", 1 }, { "k", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { "T", (int64_t)1 << 40 },
};
static const struct unit times[] = {
    { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 },
};

/* False: no number of that unit, or more than max of what is counted. */
static bool parse(const char *text, const struct unit *units, size_t n, int64_t max, int64_t *n_r)
{
    char *end = NULL;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || number < 0 || text[0] == ' ' || text[0] == '+')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(end, units[i].name) != 0 || number > max / units[i].times)
            continue;
        *n_r = number * units[i].times;
        return true;
    }
    return false;
}

static const char *print(struct arena *a, int64_t number, const struct unit *units, size_t n)
{
    size_t i = n - 1;

    while (i > 0 && (number < units[i].times || number % units[i].times != 0))
        i--;
    return arena_printf(a, "%lld%s", (long long)(number / units[i].times), units[i].name);
}

int units_bytes(const char *name, const char *text, int64_t *bytes_r, struct err *e)
{
    if (!parse(text, sizes, ARRAY_LEN(sizes), INT64_MAX, bytes_r))
        return err_field(e, name, "--%s: not a size: %s (such as 500k, 100M, 2G; 0: no limit)", name, text);
    return 0;
}

int units_seconds(const char *name, const char *text, int64_t seconds_max, int64_t *seconds_r, struct err *e)
{
    if (!parse(text, times, ARRAY_LEN(times), seconds_max, seconds_r) &&
        !parse(text, sizes, 1, seconds_max, seconds_r))
        return err_field(e, name, "--%s: not a time: %s (such as 12h, 30d; 0: as the log sinks are set)", name, text);
    return 0;
}

const char *units_bytes_text(struct arena *a, int64_t bytes)
{
    return print(a, bytes, sizes, ARRAY_LEN(sizes));
}

const char *units_seconds_text(struct arena *a, int64_t seconds)
{
    return print(a, seconds, times, ARRAY_LEN(times) - 1);   /* 14d, not 2w */
}
