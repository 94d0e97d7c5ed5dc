/* test_duration.c - lengths of time in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/duration.h"
#include "lib/mem.h"

static void test_format(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 0, "0 ms" },          { 500, "500 ms" },     { 1000, "1 s" },      { 1500, "1500 ms" },
        { 60000, "60 s" },      { 90000, "90 s" },     { 120000, "2 min" },  { 600000, "10 min" },
        { 3600000, "60 min" },  { 5400000, "90 min" }, { 7200000, "2 h" },   { 86400000, "24 h" },
        { 172800000, "2 d" },   { 2592000000, "30 d" },
    };
    char text[DURATION_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        duration_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_format) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
