/* test_query.c - URLs: escapes, pairs, and the sentences for what they must not hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/query.h"

static const char *decoded(struct arena *a, const char *text, bool plus)
{
    const char *out = NULL;

    return query_decode(text, strlen(text), plus, a, &out, NULL) < 0 ? NULL : out;
}

static void test_decode(void **state)
{
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(decoded(&a, "a%2Fb+c", false), "a/b+c");
    assert_string_equal(decoded(&a, "a%2fb+c", true), "a/b c");
    assert_string_equal(decoded(&a, "%C3%A9", false), "\xC3\xA9");
    assert_string_equal(decoded(&a, "", false), "");
    assert_null(decoded(&a, "%", false));
    assert_null(decoded(&a, "a%2", false));
    assert_null(decoded(&a, "%zz", false));
    assert_null(decoded(&a, "%00", false));
    assert_null(decoded(&a, "%ff%fe", false));
    assert_null(decoded(&a, "%C3", false));
    arena_fini(&a);
}

static void test_pairs(void **state)
{
    struct arena a = { 0 };
    struct query q;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(query_parse("state=queued&&repo=a%26b&flag", &a, &q, &e), 0);
    assert_int_equal(q.n, 3);
    assert_string_equal(query_get(&q, "state"), "queued");
    assert_string_equal(query_get(&q, "repo"), "a&b");
    assert_string_equal(query_get(&q, "flag"), "");
    assert_null(query_get(&q, "mr"));
    assert_int_equal(query_parse("a=1&a=2", &a, &q, &e), -1);
    assert_string_equal(e.field, "a");
    char many[256] = "";
    for (int i = 0; i < 33; i++)
        sprintf(many + strlen(many), "p%d&", i);
    assert_int_equal(query_parse(many, &a, &q, NULL), -1);
    arena_fini(&a);
}

static void test_unknown_names_the_nearest(void **state)
{
    static const char *const known[] = { "state", "project", "limit", NULL };
    static const char *const none[] = { NULL };
    struct arena a = { 0 };
    struct query q;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(query_parse("state=x&limit=1", &a, &q, &e), 0);
    assert_int_equal(query_check(&q, known, &e), 0);
    assert_int_equal(query_parse("stat=x", &a, &q, &e), 0);
    assert_int_equal(query_check(&q, known, &e), -1);
    assert_non_null(strstr(e.text, "stat; did you mean state?"));
    err_clear(&e);
    assert_int_equal(query_check(&q, none, &e), -1);
    assert_non_null(strstr(e.text, "takes none"));
    arena_fini(&a);
}

static void test_numbers(void **state)
{
    struct arena a = { 0 };
    struct query q;
    struct err e = { 0 };
    int64_t n;

    (void)state;
    assert_int_equal(query_parse("a=12&b=x&c=9223372036854775808&d=501&e=", &a, &q, &e), 0);
    assert_int_equal(query_number(&q, "a", 500, 7, &n, &e), 0);
    assert_int_equal(n, 12);
    assert_int_equal(query_number(&q, "absent", 500, 7, &n, &e), 0);
    assert_int_equal(n, 7);
    assert_int_equal(query_number(&q, "b", 500, 7, &n, NULL), -1);
    assert_int_equal(query_number(&q, "c", INT64_MAX, 7, &n, NULL), -1);
    assert_int_equal(query_number(&q, "d", 500, 7, &n, NULL), -1);
    assert_int_equal(query_number(&q, "e", 500, 7, &n, NULL), -1);
    arena_fini(&a);
}

static void test_positions(void **state)
{
    int64_t attempt, offset;

    (void)state;
    assert_int_equal(query_position("3.1234", &attempt, &offset), 0);
    assert_int_equal(attempt, 3);
    assert_int_equal(offset, 1234);
    assert_int_equal(query_position("3", &attempt, &offset), -1);
    assert_int_equal(query_position("3.", &attempt, &offset), -1);
    assert_int_equal(query_position("-3.1", &attempt, &offset), -1);
    assert_int_equal(query_position("3.1x", &attempt, &offset), -1);
    assert_int_equal(query_position("", &attempt, &offset), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_unknown_names_the_nearest),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
