/* test_gaps.c - what is known to be missing of a log: ranges that grow together, and newer words that count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/gaps.h"

static void assert_gap(const struct gaps *g, uint64_t offset, uint64_t from, uint64_t to, const char *reason)
{
    const struct follow_gap *gap = gaps_at(g, offset);

    assert_non_null(gap);
    assert_int_equal(gap->from, from);
    assert_int_equal(gap->to, to);
    assert_string_equal(gap->reason, reason);
}

static void test_touching_become_one(void **state)
{
    struct gaps g = { 0 };

    (void)state;
    assert_null(gaps_at(&g, 0));
    gaps_add(&g, 100, 200, "lost");
    gaps_add(&g, 300, 400, "lost");
    assert_null(gaps_at(&g, 99));
    assert_null(gaps_at(&g, 200));
    assert_gap(&g, 199, 100, 200, "lost");
    gaps_add(&g, 200, 300, "lost");
    assert_gap(&g, 250, 100, 400, "lost");
    assert_int_equal(g.n, 1);
    gaps_add(&g, 50, 50, "nothing");
    assert_int_equal(g.n, 1);
    gaps_fini(&g);
}

static void test_newer_word_counts(void **state)
{
    struct gaps g = { 0 };

    (void)state;
    gaps_add(&g, 0, 100, "damaged");
    gaps_add(&g, 40, 60, "removed");
    assert_gap(&g, 39, 0, 40, "damaged");
    assert_gap(&g, 40, 40, 60, "removed");
    assert_gap(&g, 60, 60, 100, "damaged");
    gaps_add(&g, 0, 1000, "removed");
    assert_gap(&g, 70, 0, 1000, "removed");
    assert_int_equal(g.n, 1);
    gaps_fini(&g);
}

static void test_bounded(void **state)
{
    struct gaps g = { 0 };

    (void)state;
    for (uint64_t i = 0; i < 10 * GAPS_MAX; i++)
        gaps_add(&g, 10 * i, 10 * i + 5, "damaged");
    assert_int_equal(g.n, GAPS_MAX);
    assert_gap(&g, 100 * GAPS_MAX - 10, 100 * GAPS_MAX - 10, 100 * GAPS_MAX - 5, "damaged");
    gaps_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_touching_become_one),
        cmocka_unit_test(test_newer_word_counts),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
