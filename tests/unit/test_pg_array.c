/* test_pg_array.c - PostgreSQL's array literals, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/pg.h"

static void assert_array(const char *literal, size_t n, const char *const *expected)
{
    struct arena a = { 0 };
    const char *const *v;
    size_t got;

    assert_int_equal(pg_array_read(literal, &a, &v, &got), 0);
    assert_int_equal(got, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(v[i], expected[i]);
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
    const char *const *v;
    size_t got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(pg_array_read(bad[i], &a, &v, &got), -1);
    assert_int_equal(pg_array_read(NULL, &a, &v, &got), -1);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_arrays), cmocka_unit_test(test_not_arrays) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
