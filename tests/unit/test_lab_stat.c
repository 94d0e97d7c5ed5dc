/* test_lab_stat.c - /proc/PID/stat: the name in it may hold anything, brackets and blanks included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/lab_stat.h"

static void test_plain(void **state)
{
    struct lab_stat s;

    (void)state;
    assert_int_equal(lab_stat_parse("123 (orion-agent) S 45 123 123 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654321 10",
                                    &s),
                     0);
    assert_int_equal(s.parent, 45);
    assert_int_equal(s.session, 123);
    assert_int_equal(s.state, 'S');
    assert_int_equal(s.start, 987654321);
}

static void test_odd_name(void **state)
{
    struct lab_stat s;

    (void)state;
    assert_int_equal(lab_stat_parse("7 (a) Z 9 (b) Z 1 6 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 42 0 0", &s), 0);
    assert_int_equal(s.state, 'Z');
    assert_int_equal(s.parent, 1);
    assert_int_equal(s.session, 5);
    assert_int_equal(s.start, 42);
}

static void test_cut(void **state)
{
    struct lab_stat s;

    (void)state;
    assert_int_equal(lab_stat_parse("", &s), -1);
    assert_int_equal(lab_stat_parse("7 (a", &s), -1);
    assert_int_equal(lab_stat_parse("7 (a) S 1 2", &s), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_odd_name),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
