/* test_array.c - PostgreSQL's array literals, as the server writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler/db.h"

static void test_read(void **state)
{
    struct arena a = { 0 };
    struct msg_strs v;

    (void)state;
    assert_int_equal(array_read("{}", &a).n, 0);
    assert_int_equal(array_read(NULL, &a).n, 0);
    assert_int_equal(array_read("", &a).n, 0);
    v = array_read("{a,\"b c\",\"q\\\"\\\\{},\",\"\",NULL,\"NULL\"}", &a);
    assert_int_equal(v.n, 6);
    assert_string_equal(v.v[0], "a");
    assert_string_equal(v.v[1], "b c");
    assert_string_equal(v.v[2], "q\"\\{},");
    assert_string_equal(v.v[3], "");
    assert_string_equal(v.v[4], "");
    assert_string_equal(v.v[5], "NULL");
    v = array_read("{x}", &a);
    assert_int_equal(v.n, 1);
    assert_string_equal(v.v[0], "x");
    arena_fini(&a);
}

static void test_cut_short(void **state)
{
    struct arena a = { 0 };

    (void)state;
    assert_int_equal(array_read("{\"abc", &a).n, 1);   /* never read past the end */
    assert_int_equal(array_read("{a,", &a).n, 1);
    assert_int_equal(array_read("{\"a\\", &a).n, 1);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_cut_short) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
