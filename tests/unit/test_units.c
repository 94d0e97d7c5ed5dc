/* test_units.c - amounts of bytes and time: read, refused, and said as short as they can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h wants those above */
#include <cmocka.h>

#include "cli/units.h"

enum { YEAR_S = 31536000 };

static void sizes_are_read(void **state)
{
    static const struct { const char *text; int64_t bytes; } good[] = {
        { "0", 0 }, { "1", 1 }, { "64k", 65536 }, { "100M", 104857600 }, { "2G", 2147483648 }, { "1T", 1099511627776 },
        { "9223372036854775807", INT64_MAX },
    };
    int64_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(units_bytes("log-max", good[i].text, &n, NULL), 0);
        assert_int_equal(n, good[i].bytes);
    }
}

static void others_are_refused(void **state)
{
    static const char *const bad[] = { "", "M", "-1", "+1", " 1", "1 M", "1MB", "1.5G", "9223372036854775808", "8388608T" };
    struct err e = { 0 };
    int64_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(units_bytes("log-max", bad[i], &n, &e), -1);
        assert_non_null(strstr(e.text, "log-max"));
    }
}

static void times_are_read(void **state)
{
    static const struct { const char *text; int64_t s; } good[] = {
        { "0", 0 }, { "90", 90 }, { "90s", 90 }, { "5m", 300 }, { "12h", 43200 }, { "30d", 2592000 }, { "2w", 1209600 },
    };
    int64_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(units_seconds("log-keep", good[i].text, YEAR_S, &n, NULL), 0);
        assert_int_equal(n, good[i].s);
    }
    assert_int_equal(units_seconds("log-keep", "366d", YEAR_S, &n, NULL), -1);
    assert_int_equal(units_seconds("log-keep", "1y", YEAR_S, &n, NULL), -1);
    assert_int_equal(units_seconds("log-keep", "d", YEAR_S, &n, NULL), -1);
}

static void they_are_said_exactly(void **state)
{
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(units_bytes_text(&a, 104857600), "100M");
    assert_string_equal(units_bytes_text(&a, 1025), "1025");
    assert_string_equal(units_bytes_text(&a, 1073741824), "1G");
    assert_string_equal(units_bytes_text(&a, 0), "0");
    assert_string_equal(units_seconds_text(&a, 2592000), "30d");
    assert_string_equal(units_seconds_text(&a, 90), "90s");
    assert_string_equal(units_seconds_text(&a, 5400), "90m");
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read), cmocka_unit_test(others_are_refused), cmocka_unit_test(times_are_read),
        cmocka_unit_test(they_are_said_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
