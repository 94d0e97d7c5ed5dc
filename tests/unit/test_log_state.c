/* test_log_state.c - what SQL said about a followed task: copies, comparisons, and when an attempt is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/log_state.h"

static const struct log_segment segment = { .from = 0, .sink = "sink-1" };

static struct log_attempt attempt(int64_t number, enum attempt_state state)
{
    return (struct log_attempt){ .number = number, .state = state, .agent = "a", .log_state = "open",
                                 .segments = &segment, .n_segments = 1 };
}

static void test_over(void **state)
{
    const struct log_attempt two[] = { attempt(1, ATTEMPT_RUNNING), attempt(2, ATTEMPT_RUNNING) };
    const struct log_attempt ended = attempt(1, ATTEMPT_LOST);
    struct log_state s = { .attempts = two, .n_attempts = 1 };

    (void)state;
    assert_int_equal(log_state_latest(&s), 1);
    assert_false(log_state_is_over(&s, 1));
    s.n_attempts = 2;
    assert_int_equal(log_state_latest(&s), 2);
    assert_true(log_state_is_over(&s, 1));
    assert_false(log_state_is_over(&s, 2));
    assert_false(log_state_is_over(&s, 3));
    assert_null(log_state_attempt(&s, 3));
    s = (struct log_state){ .attempts = &ended, .n_attempts = 1 };
    assert_true(log_state_is_over(&s, 1));
    s.n_attempts = 0;
    assert_int_equal(log_state_latest(&s), 0);
}

static void test_copy_owns_everything(void **state)
{
    char cause[] = "build", sink[] = "sink-1";
    struct log_segment own = { .from = 7, .chunk = 3, .sink = sink };
    struct log_attempt a = attempt(1, ATTEMPT_FAILED);
    struct log_state s = { .state = TASK_FAILED, .cause = cause, .attempts = &a, .n_attempts = 1 }, copy;
    struct arena arena = { 0 };

    (void)state;
    a.segments = &own;
    log_state_copy(&s, &arena, &copy);
    assert_true(log_state_equals(&s, &copy));
    cause[0] = sink[0] = 'X';
    assert_string_equal(copy.cause, "build");
    assert_string_equal(copy.attempts[0].segments[0].sink, "sink-1");
    assert_int_equal(copy.attempts[0].segments[0].from, 7);
    arena_fini(&arena);
}

static void test_equals_sees_what_changes(void **state)
{
    struct log_attempt a = attempt(1, ATTEMPT_RUNNING), b = a;
    struct log_state s = { .state = TASK_RUNNING, .attempts = &a, .n_attempts = 1 };
    struct log_state t = { .state = TASK_RUNNING, .attempts = &b, .n_attempts = 1 };

    (void)state;
    assert_true(log_state_equals(&s, &t));
    b.log_state = "complete";
    assert_false(log_state_equals(&s, &t));
    b = a;
    b.has_bytes = true;
    assert_false(log_state_equals(&s, &t));
    b = a;
    t.state = TASK_LOST;
    assert_false(log_state_equals(&s, &t));
    t.state = TASK_RUNNING;
    t.n_attempts = 0;
    assert_false(log_state_equals(&s, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over),
        cmocka_unit_test(test_copy_owns_everything),
        cmocka_unit_test(test_equals_sees_what_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
