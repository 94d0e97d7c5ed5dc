/* test_clock.c - the clocks and RFC 3339 text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/clock.h"

static void the_boot_clock_goes_forward(void **state)
{
    uint64_t last = clock_boot_ns();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_boot_ns();

        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_boot_ms() >= last / 1000000);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static void times_are_written(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 1795230855123, "2026-11-21T03:14:15.123Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { -1000, "1969-12-31T23:59:59.000Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
    };
    char text[CLOCK_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms;

        clock_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(clock_parse(text, strlen(text), &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
    clock_format(INT64_MAX, text);
    clock_format(INT64_MIN, text);
}

static void other_forms_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "2026-11-21T03:14:15Z", 1795230855000 },      { "2026-11-21t03:14:15z", 1795230855000 },
        { "2026-11-21 03:14:15.1Z", 1795230855100 },    { "2026-11-21T03:14:15.123999Z", 1795230855123 },
        { "2026-11-21T05:14:15+02:00", 1795230855000 }, { "2026-11-20T21:44:15-05:30", 1795230855000 },
        { "2016-12-31T23:59:60Z", 1483228800000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms;

        assert_int_equal(clock_parse(rows[i].text, strlen(rows[i].text), &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T03:14:15",
        "2026-11-21T03:14Z",
        "2026-13-21T03:14:15Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T03:60:15Z",
        "2026-11-21T03:14:61Z",
        "2026-11-21T03:14:15.Z",
        "2026-11-21T03:14:15ZZ",
        "2026-11-21T03:14:15+0200",
        "2026-11-21T03:14:15+24:00",
        "x026-11-21T03:14:15Z",
        "+026-11-21T03:14:15Z",
        " 2026-11-21T03:14:15Z",
    };
    int64_t ms = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(clock_parse(texts[i], strlen(texts[i]), &ms), -1);
    assert_int_equal(clock_parse("2026-11-21T03:14:15Z", 12, &ms), -1);
    assert_int_equal(ms, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_boot_clock_goes_forward),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(other_forms_are_read),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
