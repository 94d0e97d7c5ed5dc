/* test_after.c - tasks that wait for tasks; a core that is loaded in parts; keys of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "tests/unit/core_fixture.h"

static void submit_after(struct rig *r, unsigned task, unsigned on, const char *condition, const char *known_end)
{
    char id[UUID_TEXT_SIZE];
    struct uuid on_id = rig_id(on);
    struct msg_pair after = { id, known_end ? known_end : "" };
    struct msg_task_submit m = { .task_id = rig_id(task), .after = { &after, 1 }, .after_condition = condition };

    uuid_format(&on_id, id);
    rig_submit_message(r, &m);
}

static void it_waits_and_holds_no_slot(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 2, NULL);
    rig_submit(&r, 1, NULL);
    submit_after(&r, 2, 1, NULL, NULL);
    assert_int_equal(rig_task(&r, 2)->state, TASK_WAITING);
    assert_int_equal(rig_assigned(&r, 2), 0);
    assert_non_null(strstr(rig_why(&r, 2), "waits for task 01020304-0506-7000-8000-000000000001 (assigned)"));
    rig_submit(&r, 3, NULL);
    assert_int_equal(rig_assigned(&r, 3), 1);
    rig_result(&r, 1, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 2), 1);
    rig_close(&r);
}

static void conditions(void **state)
{
    static const struct {
        const char *condition, *outcome;
        bool is_met;
    } cases[] = {
        { "succeeded", "failed", false }, { "finished", "failed", true }, { "any", "failed", true },
        { "finished", "timed_out", false }, { "any", "timed_out", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig r;
        rig_open(&r);
        rig_hello(&r, 1, 1, NULL);
        rig_submit(&r, 1, NULL);
        submit_after(&r, 2, 1, cases[i].condition, NULL);
        rig_result(&r, 1, 1, cases[i].outcome, "build");
        if (cases[i].is_met)
            assert_int_equal(rig_assigned(&r, 2), 1);
        else
            assert_int_equal(rig_task(&r, 2)->state, TASK_CANCELLED);
        rig_close(&r);
    }
}

static void a_chain_falls_in_one_step(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit(&r, 1, NULL);
    for (unsigned t = 2; t <= 500; t++)
        submit_after(&r, t, t - 1, NULL, NULL);
    rig_cancel(&r, 1);
    for (unsigned t = 1; t <= 500; t++)
        assert_int_equal(rig_task(&r, t)->state, TASK_CANCELLED);
    assert_non_null(strstr(rig_task(&r, 500)->message, "ended cancelled"));
    rig_close(&r);
}

static void what_ended_before(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 4, NULL);
    submit_after(&r, 2, 1, NULL, "succeeded");       /* known to the rows only */
    assert_int_equal(rig_assigned(&r, 2), 1);
    submit_after(&r, 3, 1, NULL, "failed");
    assert_int_equal(rig_task(&r, 3)->state, TASK_CANCELLED);
    submit_after(&r, 4, 1, NULL, NULL);              /* known to nobody */
    assert_string_equal(((const struct msg_task_refused *)rig_message(&r, MSG_TASK_REFUSED, 0))->reason, "after");
    assert_null(rig_task(&r, 4));
    submit_after(&r, 5, 5, NULL, NULL);              /* itself */
    assert_int_equal(rig_count(&r, MSG_TASK_REFUSED), 1);
    rig_close(&r);
}

/* --- a core in parts ------------------------------------------------------------------------------------------------- */

static struct row_task row_of(unsigned task, enum task_state state, const struct spec *spec)
{
    return (struct row_task){ .id = rig_id(task), .state = state, .spec = spec, .exit_code = -1, .created_ms = 1700000000000 + task };
}

static void the_queue_comes_behind(void **state)
{
    const struct uuid on = rig_id(1);
    const struct policy policy = { .after = &on, .n_after = 1, .retry_on = 3 };
    const struct spec plain = { .project = "default", .repo = "r" }, waits = { .project = "default", .repo = "r", .policy = &policy };
    const struct row_task first[] = { row_of(2, TASK_WAITING, &waits) }, second[] = { row_of(1, TASK_QUEUED, &plain) };
    const struct core_rows part = { .epoch = 2, .seq = 5, .now_ms = 1700000000000, .is_partial = true, .tasks = first, .n_tasks = 1 };
    const struct core_rows page = { .tasks = second, .n_tasks = 1 };
    const struct msg_task_submit keyed = { .task_id = rig_id(9), .project = "default", .repo = "r", .idempotency_key = "k" };
    const struct msg_task_cancel unknown = { .task_id = rig_id(1) };
    const struct input cancel = { INPUT_CANCEL, 0, { 0 }, &unknown }, submit = { INPUT_SUBMIT, 0, { 0 }, &keyed };
    struct err e = { 0 };
    struct rig r;

    (void)state;
    rig_open(&r);
    core_free(&r.core);
    r.core = core_new(&r.config);
    assert_int_equal(core_load(r.core, &part, &e), 0);
    assert_true(core_needs_all(r.core, &cancel));
    assert_true(core_needs_all(r.core, &submit));
    rig_hello(&r, 1, 1, NULL);
    assert_int_equal(core_load_more(r.core, &page, &e), 0);
    rig_step(&r, INPUT_LOADED, &(struct input_loaded){ false });
    assert_int_equal(rig_assigned(&r, 1), 1);
    assert_int_equal(core_load_more(r.core, &page, &e), 0);   /* a page that comes again changes nothing */
    rig_step(&r, INPUT_LOADED, &(struct input_loaded){ true });
    assert_false(core_needs_all(r.core, &submit));
    rig_result(&r, 1, 1, "succeeded", "build");
    assert_int_equal(rig_assigned(&r, 2), 1);
    rig_close(&r);
}

/* --- keys of changes ---------------------------------------------------------------------------------------------------- */

static void a_change_with_a_key(void **state)
{
    const uint8_t one[32] = { 1 }, other[32] = { 2 };
    struct msg_queue_set m = { .request_id = rig_id(1), .paused = true, .has = { .paused = true }, .idempotency_key = "k",
                               .body_hash = { one, 32 } };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_step(&r, INPUT_QUEUE_SET, &m);
    assert_false(((const struct msg_change_done *)rig_message(&r, MSG_CHANGE_DONE, 0))->replayed);
    assert_int_equal(r.fx.keys.n, 1);
    rig_pause(&r, NULL, false);
    rig_step(&r, INPUT_QUEUE_SET, &m);                /* the same again: answered, not done */
    assert_true(((const struct msg_change_done *)rig_message(&r, MSG_CHANGE_DONE, 0))->replayed);
    assert_int_equal(r.fx.queues.n, 0);
    m.body_hash.data = other;
    rig_step(&r, INPUT_QUEUE_SET, &m);
    assert_string_equal(((const struct msg_change_refused *)rig_message(&r, MSG_CHANGE_REFUSED, 0))->reason, "key_reused");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_and_holds_no_slot),
        cmocka_unit_test(conditions),
        cmocka_unit_test(a_chain_falls_in_one_step),
        cmocka_unit_test(what_ended_before),
        cmocka_unit_test(the_queue_comes_behind),
        cmocka_unit_test(a_change_with_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
