/* test_core.c - the life of a task, input by input: kept, assigned, accepted, ended; refused; repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core_fixture.h"

static void one_step_from_submit_to_assignment(void **state)
{
    const struct msg_task_submitted *yes;
    const struct msg_task_assign *assign;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    yes = rig_message(&r, MSG_TASK_SUBMITTED, 0);
    assign = rig_message(&r, MSG_TASK_ASSIGN, 0);
    assert_string_equal(yes->state, "assigned");
    assert_true(yes->has.agent_id);
    assert_int_equal(assign->attempt, 1);
    assert_int_equal(assign->session, 1);
    assert_string_equal(assign->sink, "sink-1");
    assert_int_equal(r.fx.tasks.n, 1);      /* the write budget of that step */
    assert_int_equal(r.fx.attempts.n, 1);
    assert_string_equal(rig_attempt(&r, 7, 1)->sink, "sink-1");
    assert_int_equal(r.fx.events.n, 1);
    rig_close(&r);
}

static void a_whole_life(void **state)
{
    const struct msg_log_seal *seal;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_accept(&r, 7, 1);
    assert_int_equal(rig_task(&r, 7)->state, TASK_RUNNING);
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 1);
    rig_prepared(&r, 7, 1, "c0ffee");
    assert_string_equal(rig_task(&r, 7)->commit, "c0ffee");
    rig_result(&r, 7, 1, "failed", "build");
    assert_int_equal(rig_task(&r, 7)->state, TASK_FAILED);
    assert_int_equal(rig_task(&r, 7)->exit_code, 2);
    assert_string_equal(rig_task(&r, 7)->message, "said");
    seal = rig_message(&r, MSG_LOG_SEAL, 0);
    assert_int_equal(seal->bytes, 5);
    assert_int_equal(seal->head.len, 32);
    rig_sealed(&r, 7, 1);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_COMPLETE);
    rig_sealed(&r, 7, 1);                   /* the sink says it for every seal */
    assert_false(effects_have_rows(&r.fx));
    rig_close(&r);
}

static void facts_may_overtake_and_repeat(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_result(&r, 7, 1, "succeeded", "build");
    assert_int_equal(rig_task(&r, 7)->state, TASK_SUCCEEDED);
    assert_true(rig_task(&r, 7)->started_ms != 0);
    rig_accept(&r, 7, 1);                   /* late: acknowledged, told to stop, changes nothing */
    assert_false(effects_have_rows(&r.fx));
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 1);
    rig_result(&r, 7, 1, "succeeded", "build");
    assert_false(effects_have_rows(&r.fx));
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 1);
    rig_close(&r);
}

static void a_known_id_is_answered_from_its_row(void **state)
{
    const struct msg_task_submitted *yes;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit(&r, 7, NULL);
    rig_submit(&r, 7, NULL);
    yes = rig_message(&r, MSG_TASK_SUBMITTED, 0);
    assert_true(yes->existed);
    assert_string_equal(yes->state, "queued");
    assert_false(effects_have_rows(&r.fx));
    rig_close(&r);
}

static void keys(void **state)
{
    uint8_t body[32] = { 1 };
    struct msg_task_submit m = { .task_id = rig_id(7), .idempotency_key = "k", .body_hash = { body, 32 } };
    const struct msg_task_submitted *yes;
    struct uuid first = rig_id(7);
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit_message(&r, &m);
    assert_int_equal(r.fx.keys.n, 1);
    m.task_id = rig_id(8);
    rig_submit_message(&r, &m);
    yes = rig_message(&r, MSG_TASK_SUBMITTED, 0);
    assert_int_equal(uuid_cmp(&yes->task_id, &first), 0);
    assert_true(yes->existed);
    assert_null(rig_task(&r, 8));
    body[0] = 2;
    rig_submit_message(&r, &m);
    assert_string_equal(((const struct msg_task_refused *)rig_message(&r, MSG_TASK_REFUSED, 0))->reason, "key_reused");
    m.project = "other";                    /* keys belong to a project */
    rig_submit_message(&r, &m);
    assert_non_null(rig_task(&r, 8));
    r.now_ms += CORE_KEY_MS;                /* a day later the key is free, and its row goes */
    m.project = NULL;
    rig_submit(&r, 9, NULL);
    assert_int_equal(r.fx.old_keys.n, 2);
    m.task_id = rig_id(10);
    rig_submit_message(&r, &m);
    assert_non_null(rig_task(&r, 10));
    rig_close(&r);
}

static void no_agent(void **state)
{
    struct msg_task_submit m = { .task_id = rig_id(7), .need_agent = true };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit_message(&r, &m);
    assert_string_equal(((const struct msg_task_refused *)rig_message(&r, MSG_TASK_REFUSED, 0))->reason, "no_agent");
    assert_false(effects_have_rows(&r.fx));
    rig_hello(&r, 1, 0, NULL);
    rig_clock(&r, INPUT_GONE, 1, 0, 1);     /* its socket closed: the lease still counts */
    rig_submit_message(&r, &m);
    assert_non_null(rig_task(&r, 7));
    rig_close(&r);
}

static void the_farm_is_at_fault(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    for (int64_t n = 1; n < 3; n++) {
        rig_result(&r, 7, n, "failed", "infrastructure");
        assert_true(rig_event(&r, "task.requeued"));
        assert_int_equal(rig_assigned(&r, 7), 1);
    }
    rig_result(&r, 7, 3, "failed", "infrastructure");
    assert_int_equal(rig_task(&r, 7)->state, TASK_FAILED);
    assert_string_equal(rig_task(&r, 7)->cause, "infrastructure");
    rig_close(&r);
}

static void giving_back_costs_no_try(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    for (int64_t n = 1; n <= 10; n++) {
        rig_result(&r, 7, n, "lost", "agent");
        assert_int_equal(rig_assigned(&r, 7), 1);
    }
    rig_close(&r);
}

static void time_never_goes_back(void **state)
{
    struct rig r;
    int64_t before;

    (void)state;
    rig_open(&r);
    rig_submit(&r, 7, NULL);
    before = r.fx.events.v[0].at_ms;
    r.now_ms -= 3600000;
    rig_submit(&r, 8, NULL);
    assert_int_equal(r.fx.events.v[0].at_ms, before);
    assert_int_equal(rig_task(&r, 8)->created_ms, before);
    rig_close(&r);
}

static void ended_tasks_are_forgotten(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_result(&r, 7, 1, "succeeded", "build");
    r.now_ms += CORE_RECENT_MS;
    rig_submit(&r, 8, NULL);
    assert_int_equal(core_count(r.core).tasks, 2);   /* its log is open */
    rig_sealed(&r, 7, 1);
    rig_submit(&r, 9, NULL);
    assert_int_equal(core_count(r.core).tasks, 2);
    rig_result(&r, 7, 1, "succeeded", "build");      /* a repeat from long ago */
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 1);
    assert_false(effects_have_rows(&r.fx));          /* its row would have come first (core_unknown), if it were news */
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_from_submit_to_assignment),
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(facts_may_overtake_and_repeat),
        cmocka_unit_test(a_known_id_is_answered_from_its_row),
        cmocka_unit_test(keys),
        cmocka_unit_test(no_agent),
        cmocka_unit_test(the_farm_is_at_fault),
        cmocka_unit_test(giving_back_costs_no_try),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(ended_tasks_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
