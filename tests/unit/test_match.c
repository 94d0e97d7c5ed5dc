/* test_match.c - which agent may run which task, and where a log goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler/match.h"

static const char *const none[] = { "" };
static const char *const linux_gpu[] = { "gpu", "linux" };
static const char *const linux_only[] = { "linux" };
static const char *const zone[] = { "zone=b" };

static void test_labels(void **state)
{
    const struct msg_strs nothing = { none, 0 }, both = { linux_gpu, 2 }, one = { linux_only, 1 }, other = { zone, 1 };

    (void)state;
    assert_true(match_labels(nothing, nothing));
    assert_true(match_labels(nothing, both));
    assert_true(match_labels(one, both));
    assert_true(match_labels(both, both));
    assert_false(match_labels(both, one));
    assert_false(match_labels(one, nothing));
    assert_false(match_labels(other, both));
}

static void test_sort(void **state)
{
    const char *labels[] = { "b", "a", "b", "a", "c" };

    (void)state;
    assert_int_equal(labels_sort(labels, 5), 3);
    assert_string_equal(labels[0], "a");
    assert_string_equal(labels[1], "b");
    assert_string_equal(labels[2], "c");
    assert_int_equal(labels_sort(NULL, 0), 0);
}

static void test_sinks_are_spread(void **state)
{
    size_t used[3] = { 0 };

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        const struct uuid id = { { 1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i } };
        size_t sink = match_sink(&id, 1, 3);
        assert_in_range(sink, 0, 2);
        assert_int_equal(sink, match_sink(&id, 1, 3));
        used[sink]++;
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(used[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_sinks_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
