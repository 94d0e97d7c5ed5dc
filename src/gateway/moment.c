/* moment.c - a point in time in a URL. Given its text, which comes from anybody, and the time now. Pure. */
#include "gateway/moment.h"

#include <stddef.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

enum { DIGITS_MAX = 9 };

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    { "", 1000 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};

int moment_parse(const char *text, int64_t now_ms, int64_t *wall_ms_r)
{
    size_t digits = strspn(text, "0123456789");
    int64_t n = 0;

    if (clock_parse(text, strlen(text), wall_ms_r) == 0)
        return 0;
    if (digits == 0 || digits > DIGITS_MAX)
        return -1;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (text[i] - '0');
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + digits, units[i].name) != 0)
            continue;
        *wall_ms_r = n * units[i].ms < now_ms ? now_ms - n * units[i].ms : 0;
        return 0;
    }
    return -1;
}
