/* test_shares.c - who gets the next slot: priority with ageing, weighted fair share, pauses, concurrency groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "tests/unit/core_fixture.h"

static void submit(struct rig *r, unsigned task, const char *project, const char *priority, const char *group)
{
    struct msg_task_submit m = { .task_id = rig_id(task), .project = project, .priority = priority, .concurrency_group = group };

    rig_submit_message(r, &m);
}

/* Ends what runs and returns what runs next; 0: nothing. */
static unsigned next_after(struct rig *r, unsigned task)
{
    rig_result(r, task, 1, "succeeded", "build");
    for (unsigned t = 1; t < 1000; t++)
        if (rig_assigned(r, t))
            return t;
    return 0;
}

static void classes_order_a_project(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    submit(&r, 1, NULL, NULL, NULL);
    submit(&r, 2, NULL, "low", NULL);
    submit(&r, 3, NULL, "normal", NULL);
    submit(&r, 4, NULL, "critical", NULL);
    submit(&r, 5, NULL, "high", NULL);
    assert_int_equal(next_after(&r, 1), 4);
    assert_int_equal(next_after(&r, 4), 5);
    assert_int_equal(next_after(&r, 5), 3);
    assert_int_equal(next_after(&r, 3), 2);
    rig_close(&r);
}

static void waiting_outweighs_a_class(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    submit(&r, 1, NULL, NULL, NULL);
    submit(&r, 2, NULL, "low", NULL);
    r.now_ms += r.config.ageing_ms + 10;
    submit(&r, 3, NULL, "normal", NULL);
    submit(&r, 4, NULL, "high", NULL);
    assert_int_equal(next_after(&r, 1), 4);   /* two classes above: not yet outweighed */
    assert_int_equal(next_after(&r, 4), 2);   /* one class above: it is */
    assert_int_equal(next_after(&r, 2), 3);
    rig_close(&r);
}

static void a_long_queue_does_not_delay_another_project(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    for (unsigned t = 1; t <= 200; t++)
        submit(&r, t, "big", "critical", NULL);
    submit(&r, 201, "small", "low", NULL);
    submit(&r, 202, "small", "low", NULL);
    assert_int_equal(next_after(&r, 1), 201);
    assert_int_equal(next_after(&r, 201), 2);
    assert_int_equal(next_after(&r, 2), 202);
    assert_int_equal(next_after(&r, 202), 3);
    rig_close(&r);
}

static void idle_time_is_not_saved_up(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    for (unsigned t = 1; t <= 50; t++)
        submit(&r, t, "a", NULL, NULL);
    for (unsigned t = 1; t <= 30; t++)
        assert_int_equal(next_after(&r, t), t + 1);
    for (unsigned t = 101; t <= 110; t++)
        submit(&r, t, "b", NULL, NULL);
    assert_int_equal(next_after(&r, 31), 101);
    assert_int_equal(next_after(&r, 101), 32);   /* b was not there before: that earns it nothing */
    rig_close(&r);
}

static void weights_share_the_slots(void **state)
{
    const struct msg_project_set heavy = { .name = "heavy", .weight = 3, .has = { .weight = true } };
    unsigned held = 0;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_step(&r, INPUT_PROJECT_SET, &heavy);
    assert_int_equal(r.fx.projects.n, 1);
    for (unsigned t = 1; t <= 20; t++)
        submit(&r, t, "heavy", NULL, NULL);
    for (unsigned t = 101; t <= 120; t++)
        submit(&r, t, "light", NULL, NULL);
    rig_hello(&r, 1, 8, NULL);
    for (unsigned t = 1; t <= 20; t++)
        held += rig_assigned(&r, t) != 0;
    assert_int_equal(held, 6);                   /* of 8 slots, 3 to 1 */
    rig_close(&r);
}

static void a_paused_project_waits_alone(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_pause(&r, "a", true);
    submit(&r, 1, "a", NULL, NULL);
    rig_hello(&r, 1, 1, NULL);
    assert_int_equal(rig_assigned(&r, 1), 0);
    assert_string_equal(rig_why(&r, 1), "project a is paused");
    submit(&r, 2, "b", NULL, NULL);
    assert_int_equal(rig_assigned(&r, 2), 1);
    rig_result(&r, 2, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 1), 0);
    rig_pause(&r, "a", false);
    assert_int_equal(rig_assigned(&r, 1), 1);
    rig_close(&r);
}

static void a_paused_queue_takes_and_gives_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 2, NULL);
    rig_pause(&r, NULL, true);
    assert_true(r.fx.queues.n == 1 && r.fx.queues.v[0].is_paused);
    submit(&r, 1, NULL, NULL, NULL);
    assert_int_equal(rig_assigned(&r, 1), 0);
    assert_string_equal(rig_why(&r, 1), "the queue is paused");
    rig_hello(&r, 2, 1, NULL);
    assert_int_equal(rig_assigned(&r, 1), 0);
    rig_pause(&r, NULL, false);
    assert_true(rig_assigned(&r, 1));
    rig_close(&r);
}

static void a_group_has_a_capacity(void **state)
{
    const struct msg_group_set two = { .name = "deploy", .capacity = 2, .has = { .capacity = true } }, none = { .name = "deploy" };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 8, NULL);
    for (unsigned t = 1; t <= 5; t++)
        submit(&r, t, NULL, NULL, "deploy");
    assert_string_equal(rig_why(&r, 2), "concurrency group deploy is full: 1 of 1");
    submit(&r, 6, NULL, NULL, NULL);
    assert_int_equal(rig_assigned(&r, 6), 1);     /* who names no group is not held up */
    rig_step(&r, INPUT_GROUP_SET, &two);
    assert_true(rig_assigned(&r, 2) && !rig_assigned(&r, 3));
    assert_int_equal(r.fx.groups.v[0].capacity, 2);
    rig_result(&r, 1, 1, "succeeded", "build");
    assert_true(rig_assigned(&r, 3) && !rig_assigned(&r, 4));
    rig_step(&r, INPUT_GROUP_SET, &none);
    assert_int_equal(r.fx.groups.v[0].capacity, GROUP_DEFAULT);
    rig_result(&r, 2, 1, "succeeded", "build");
    assert_false(rig_assigned(&r, 4));
    rig_result(&r, 3, 1, "succeeded", "build");
    assert_true(rig_assigned(&r, 4) && !rig_assigned(&r, 5));
    rig_close(&r);
}

static void a_group_spans_projects_and_labels(void **state)
{
    const char *label = "gpu";
    struct msg_task_submit gpu = { .task_id = rig_id(2), .project = "b", .labels = { &label, 1 }, .concurrency_group = "deploy" };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_hello(&r, 2, 1, "gpu");
    submit(&r, 1, "a", NULL, "deploy");
    rig_submit_message(&r, &gpu);
    assert_int_equal(rig_assigned(&r, 2), 0);
    rig_result(&r, 1, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 2), 2);
    rig_close(&r);
}

static void a_draining_agent_gets_nothing_new(void **state)
{
    const struct msg_agent_set drain = { .agent_id = rig_id(1), .draining = true, .has = { .draining = true } };
    const struct msg_agent_set resume = { .agent_id = rig_id(1), .has = { .draining = true } };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 2, NULL);
    submit(&r, 1, NULL, NULL, NULL);
    rig_step(&r, INPUT_AGENT_SET, &drain);
    assert_true(r.fx.agents.v[0].is_draining);
    submit(&r, 2, NULL, NULL, NULL);
    assert_int_equal(rig_assigned(&r, 2), 0);
    assert_string_equal(rig_why(&r, 2), "every agent that fits is draining");
    rig_result(&r, 1, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 2), 0);
    rig_hello(&r, 1, 2, NULL);                    /* coming back does not end a drain */
    assert_int_equal(rig_assigned(&r, 2), 0);
    rig_step(&r, INPUT_AGENT_SET, &resume);
    assert_int_equal(rig_assigned(&r, 2), 1);
    rig_close(&r);
}

static void labels_that_must_not_be_there(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, "gpu");
    rig_submit(&r, 1, "!gpu");
    assert_int_equal(rig_assigned(&r, 1), 0);
    assert_string_equal(rig_why(&r, 1), "no connected agent meets the label !gpu");
    rig_hello(&r, 2, 1, "os=linux");
    assert_int_equal(rig_assigned(&r, 1), 2);
    rig_close(&r);
}

static void the_reason_names_the_place(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    submit(&r, 1, NULL, NULL, NULL);
    assert_string_equal(rig_why(&r, 1), "no agent is connected");
    rig_hello(&r, 1, 1, NULL);
    submit(&r, 2, NULL, NULL, NULL);
    submit(&r, 3, NULL, "low", NULL);
    submit(&r, 4, NULL, "high", NULL);
    assert_string_equal(rig_why(&r, 2), "all 1 slots of the 1 agents that fit are busy; position 2 in project default");
    assert_string_equal(rig_why(&r, 1), "");
    assert_string_equal(rig_why(&r, 77), "");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_order_a_project),
        cmocka_unit_test(waiting_outweighs_a_class),
        cmocka_unit_test(a_long_queue_does_not_delay_another_project),
        cmocka_unit_test(idle_time_is_not_saved_up),
        cmocka_unit_test(weights_share_the_slots),
        cmocka_unit_test(a_paused_project_waits_alone),
        cmocka_unit_test(a_paused_queue_takes_and_gives_nothing),
        cmocka_unit_test(a_group_has_a_capacity),
        cmocka_unit_test(a_group_spans_projects_and_labels),
        cmocka_unit_test(a_draining_agent_gets_nothing_new),
        cmocka_unit_test(labels_that_must_not_be_there),
        cmocka_unit_test(the_reason_names_the_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
