/* test_pulse.c - when a standby may think that the leader is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scheduler/pulse.h"

enum { LOOK_MS = 500, START_MS = 1000000 };

/* Looks twice a second for so long; how long it took to be lost, 0: never. */
static uint64_t looks(struct pulse *p, struct pulse_look look, int64_t step, uint64_t from_ms, uint64_t for_ms)
{
    for (uint64_t ms = from_ms; ms <= from_ms + for_ms; ms += LOOK_MS, look.at += step)
        if (pulse_is_lost(p, &look, ms))
            return ms - from_ms;
    return 0;
}

static void test_a_row_that_stands_still_is_a_lost_leader(void **state)
{
    const struct pulse_look look = { 3, 7, 100, 4711, false };
    struct pulse p = { 0 };

    (void)state;
    assert_int_equal(looks(&p, look, 0, START_MS, 10000), PULSE_LOST_MS);
    /* and is told once, until it has stood still as long again */
    assert_int_equal(looks(&p, look, 0, START_MS + PULSE_LOST_MS + LOOK_MS, 10000), PULSE_LOST_MS - LOOK_MS);
}

static void test_a_row_that_moves_is_a_leader(void **state)
{
    const struct pulse_look look = { 3, 7, 100, 4711, false };
    struct pulse p = { 0 };

    (void)state;
    assert_int_equal(looks(&p, look, 1, START_MS, 60000), 0);
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 8, 100, 4711, false }, 0, START_MS + 60500, 3500), 0);
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 9, 100, 4711, false }, 0, START_MS + 64500, 3500), 0);
}

static void test_a_new_holder_has_its_own_time(void **state)
{
    struct pulse p = { 0 };

    (void)state;
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 7, 100, 4711, false }, 0, START_MS, 3500), 0);
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 7, 100, 4712, false }, 0, START_MS + 4000, 3500), 0);
}

static void test_a_lock_that_nobody_holds_is_no_session_to_end(void **state)
{
    struct pulse p = { 0 };

    (void)state;
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 7, 100, 0, false }, 0, START_MS, 60000), 0);
}

static void test_a_server_at_work_for_the_leader_is_its_pulse(void **state)
{
    struct pulse p = { 0 };

    (void)state;
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 7, 100, 4711, true }, 0, START_MS, 60000), 0);
    assert_int_equal(looks(&p, (struct pulse_look){ 3, 7, 100, 4711, false }, 0, START_MS + 60500, 10000),
                     PULSE_LOST_MS - LOOK_MS);
}

/* The standby slept, or the database did not answer it: the leader may have been as badly off. */
static void test_what_was_not_looked_at_does_not_count(void **state)
{
    const struct pulse_look look = { 3, 7, 100, 4711, false };
    struct pulse p = { 0 };

    (void)state;
    assert_int_equal(looks(&p, look, 0, START_MS, 2000), 0);
    assert_int_equal(looks(&p, look, 0, START_MS + 2000 + PULSE_GAP_MS + 1, 10000), PULSE_LOST_MS);
    pulse_clear(&p);
    assert_int_equal(looks(&p, look, 0, START_MS + 20000, 3500), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_that_stands_still_is_a_lost_leader),
        cmocka_unit_test(test_a_row_that_moves_is_a_leader),
        cmocka_unit_test(test_a_new_holder_has_its_own_time),
        cmocka_unit_test(test_a_lock_that_nobody_holds_is_no_session_to_end),
        cmocka_unit_test(test_a_server_at_work_for_the_leader_is_its_pulse),
        cmocka_unit_test(test_what_was_not_looked_at_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
