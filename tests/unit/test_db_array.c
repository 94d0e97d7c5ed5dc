/* test_db_array.c - the text form of arrays, as PostgreSQL writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/db_array.h"

static void assert_array(const char *literal, size_t n, const char *const *expected)
{
    struct arena a = { 0 };
    struct msg_strs strs;

    assert_int_equal(db_array_parse(literal, &a, &strs), 0);
    assert_int_equal(strs.n, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(strs.v[i], expected[i]);
    arena_fini(&a);
}

static void test_arrays(void **state)
{
    (void)state;
    assert_array("{}", 0, NULL);
    assert_array("{a}", 1, (const char *const[]){ "a" });
    assert_array("{a,b c,\"d,e\"}", 3, (const char *const[]){ "a", "b c", "d,e" });
    assert_array("{\"\",\"a\\\"b\\\\c\",\"{}\"}", 3, (const char *const[]){ "", "a\"b\\c", "{}" });
    assert_array("{NULL,\"NULL\"}", 2, (const char *const[]){ "", "NULL" });
}

static void test_not_arrays(void **state)
{
    static const char *const bad[] = { "", "a", "{", "{a", "{a,", "{a,}", "{\"a", "{\"a\"b}", "{a}b", "{a\\" };
    struct arena a = { 0 };
    struct msg_strs strs;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(db_array_parse(bad[i], &a, &strs), -1);
    assert_int_equal(db_array_parse(NULL, &a, &strs), -1);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_arrays), cmocka_unit_test(test_not_arrays) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
