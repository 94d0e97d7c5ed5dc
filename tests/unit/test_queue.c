/* test_queue.c - who is next, and where: order, labels, load, and agents that a task has tried before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_fixture.h"

static void first_come_first_served(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    for (unsigned t = 10; t < 14; t++)
        rig_submit(&r, t, NULL);
    rig_hello(&r, 1, 2, NULL);
    assert_int_equal(rig_assigned(&r, 10), 1);
    assert_int_equal(rig_assigned(&r, 11), 1);
    assert_int_equal(rig_assigned(&r, 12), 0);
    rig_result(&r, 11, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 12), 1);
    rig_close(&r);
}

static void a_retry_goes_first(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    for (unsigned t = 10; t < 13; t++)
        rig_submit(&r, t, NULL);
    rig_result(&r, 10, 1, "failed", "infrastructure");
    assert_int_equal(rig_assigned(&r, 10), 1);
    assert_int_equal(rig_assigned(&r, 11), 0);
    rig_close(&r);
}

static void labels_decide(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 4, "linux");
    rig_submit(&r, 10, "gpu");
    assert_int_equal(rig_assigned(&r, 10), 0);
    rig_submit(&r, 11, "linux");            /* does not wait behind the other */
    assert_int_equal(rig_assigned(&r, 11), 1);
    rig_hello(&r, 2, 1, "gpu");
    assert_int_equal(rig_assigned(&r, 10), 2);
    rig_hello(&r, 1, 4, "gpu");             /* an agent may come back with others */
    rig_submit(&r, 12, "gpu");
    assert_int_equal(rig_assigned(&r, 12), 1);
    rig_close(&r);
}

static void the_least_loaded_agent(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 2, 3, NULL);
    rig_hello(&r, 1, 3, NULL);
    rig_submit(&r, 10, NULL);
    assert_int_equal(rig_assigned(&r, 10), 1);   /* equal load: the lower id */
    rig_submit(&r, 11, NULL);
    assert_int_equal(rig_assigned(&r, 11), 2);
    rig_submit(&r, 12, NULL);
    assert_int_equal(rig_assigned(&r, 12), 1);
    rig_close(&r);
}

static void another_agent_first(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_hello(&r, 2, 1, NULL);
    rig_submit(&r, 10, NULL);
    rig_submit(&r, 11, NULL);
    assert_int_equal(rig_assigned(&r, 11), 2);
    rig_decline(&r, 10, 1, 1);
    assert_int_equal(rig_assigned(&r, 10), 0);   /* agent 1 is free, but agent 2 has not tried it yet */
    assert_int_equal(rig_attempt(&r, 10, 1)->state, ATTEMPT_REFUSED);
    rig_submit(&r, 12, NULL);
    assert_int_equal(rig_assigned(&r, 12), 1);   /* which does not keep agent 1 idle */
    rig_result(&r, 11, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 10), 2);
    rig_decline(&r, 10, 2, 2);
    assert_int_equal(rig_assigned(&r, 10), 2);   /* everybody has tried it: anybody may again */
    rig_decline(&r, 10, 3, 2);
    assert_int_equal(rig_task(&r, 10)->state, TASK_LOST);
    rig_close(&r);
}

static void the_preferred_agent_leaves(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 10, NULL);
    rig_hello(&r, 2, 1, NULL);
    rig_submit(&r, 11, NULL);
    rig_decline(&r, 10, 1, 1);
    assert_int_equal(rig_assigned(&r, 10), 0);
    rig_clock(&r, INPUT_GONE, 2, 0, 2);
    assert_int_equal(rig_assigned(&r, 10), 1);
    rig_close(&r);
}

static void an_agent_without_slots_is_nobodys_hope(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_hello(&r, 2, 0, NULL);
    rig_submit(&r, 10, NULL);
    rig_decline(&r, 10, 1, 1);
    assert_int_equal(rig_assigned(&r, 10), 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(a_retry_goes_first),
        cmocka_unit_test(labels_decide),
        cmocka_unit_test(the_least_loaded_agent),
        cmocka_unit_test(another_agent_first),
        cmocka_unit_test(the_preferred_agent_leaves),
        cmocka_unit_test(an_agent_without_slots_is_nobodys_hope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
