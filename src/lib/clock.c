/* clock.c - reading the two clocks, and RFC 3339 text. */
#include "lib/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

uint64_t clock_boot_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_boot_ms(void)
{
    return clock_boot_ns() / 1000000u;
}

int64_t clock_wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    int64_t ms = wall_ms % 1000;
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    size_t n;

    if (ms < 0) {
        ms += 1000;
        s--;
    }
    gmtime_r(&s, &tm);
    n = strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_TEXT_SIZE - n, ".%03uZ", (unsigned)ms % 1000u);
}

/* Reads exactly `digits` digits within min..max and moves on. */
static bool take_number(const char **at, const char *end, int digits, int min, int max, int *out_r)
{
    int n = 0;

    if (end - *at < digits)
        return false;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        n = n * 10 + (**at - '0');
    }
    *out_r = n;
    return n >= min && n <= max;
}

static bool take_char(const char **at, const char *end, const char *accepted)
{
    for (const char *a = accepted; *at < end && *a; a++) {
        if (**at == *a) {
            (*at)++;
            return true;
        }
    }
    return false;
}

static bool take_date(const char **at, const char *end, struct tm *tm)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int year, month, day;
    bool is_leap;

    if (!take_number(at, end, 4, 0, 9999, &year) || !take_char(at, end, "-") ||
        !take_number(at, end, 2, 1, 12, &month) || !take_char(at, end, "-") || !take_number(at, end, 2, 1, 31, &day))
        return false;
    is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days[month - 1] + (month == 2 && is_leap))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

static bool take_time(const char **at, const char *end, struct tm *tm, int *ms_r)
{
    int weight = 100;

    *ms_r = 0;
    /* 60 is a leap second; timegm makes it the next minute's first */
    if (!take_number(at, end, 2, 0, 23, &tm->tm_hour) || !take_char(at, end, ":") ||
        !take_number(at, end, 2, 0, 59, &tm->tm_min) || !take_char(at, end, ":") ||
        !take_number(at, end, 2, 0, 60, &tm->tm_sec))
        return false;
    if (!take_char(at, end, "."))
        return true;
    if (*at == end || **at < '0' || **at > '9')
        return false;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, weight /= 10)
        *ms_r += (**at - '0') * weight;
    return true;
}

static bool take_offset(const char **at, const char *end, int *seconds_r)
{
    int hours, minutes, sign;

    *seconds_r = 0;
    if (take_char(at, end, "Zz"))
        return true;
    sign = *at < end && **at == '-' ? -1 : 1;
    if (!take_char(at, end, "+-") || !take_number(at, end, 2, 0, 23, &hours) || !take_char(at, end, ":") ||
        !take_number(at, end, 2, 0, 59, &minutes))
        return false;
    *seconds_r = sign * (hours * 3600 + minutes * 60);
    return true;
}

int clock_parse(const char *text, size_t len, int64_t *wall_ms_r)
{
    const char *at = text, *end = text + len;
    struct tm tm = { 0 };
    int ms, offset_s;

    if (!take_date(&at, end, &tm) || !take_char(&at, end, "Tt ") || !take_time(&at, end, &tm, &ms) ||
        !take_offset(&at, end, &offset_s) || at != end)
        return -1;
    *wall_ms_r = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
    return 0;
}
