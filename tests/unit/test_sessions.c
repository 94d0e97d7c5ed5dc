/* test_sessions.c - agents come, go and come back: sessions, inventory, leases, late results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core_fixture.h"

static void never_accepted_is_sent_again(void **state)
{
    const struct msg_task_assign *assign;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_hello_holding(&r, 1, 2, 0, 0);
    assign = rig_message(&r, MSG_TASK_ASSIGN, 0);
    assert_int_equal(assign->attempt, 1);
    assert_int_equal(assign->session, 2);
    assert_int_equal(rig_attempt(&r, 7, 1)->session, 2);
    rig_decline(&r, 7, 1, 1);               /* the first session's word does not count any more */
    assert_false(effects_have_rows(&r.fx));
    rig_clock(&r, INPUT_ACCEPT_OUT, 7, 1, 1);
    assert_false(effects_have_rows(&r.fx));
    rig_clock(&r, INPUT_ACCEPT_OUT, 7, 1, 2);
    assert_int_equal(rig_attempt(&r, 7, 1)->state, ATTEMPT_LOST);
    assert_int_equal(rig_count(&r, MSG_TASK_STOP), 1);
    rig_close(&r);
}

static void accepted_and_not_listed_is_lost(void **state)
{
    const struct msg_log_seal *seal;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_accept(&r, 7, 1);
    rig_hello_holding(&r, 1, 2, 0, 0);
    assert_int_equal(rig_attempt(&r, 7, 1)->state, ATTEMPT_LOST);
    assert_int_equal(rig_attempt(&r, 7, 2)->state, ATTEMPT_ASSIGNED);
    seal = rig_message(&r, MSG_LOG_SEAL, 0);
    assert_int_equal(seal->attempt, 1);
    assert_int_equal(seal->head.len, 0);
    rig_close(&r);
}

static void listed_goes_on(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_hello_holding(&r, 1, 2, 7, 1);      /* its acceptance was lost on the way */
    assert_int_equal(rig_attempt(&r, 7, 1)->state, ATTEMPT_RUNNING);
    assert_int_equal(rig_count(&r, MSG_TASK_ASSIGN), 0);
    assert_int_equal(rig_count(&r, MSG_AGENT_REFUSED), 1);   /* the older socket */
    rig_clock(&r, INPUT_GONE, 1, 0, 1);     /* of the older session */
    assert_false(effects_have_rows(&r.fx));
    rig_close(&r);
}

static void strangers_are_stopped(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello_holding(&r, 1, 1, 99, 4);
    assert_int_equal(rig_count(&r, MSG_TASK_STOP), 1);
    rig_close(&r);
}

static void a_second_instance_is_refused(void **state)
{
    struct msg_agent_hello m = { .major = MSG_MAJOR, .agent_id = rig_id(1), .instance = rig_id(555), .name = "x",
                                 .version = "1", .slots = 1 };
    const struct msg_agent_refused *no;
    struct effects fx = { 0 };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    core_step(r.core, &(struct input){ INPUT_HELLO, r.now_ms, { 9, 9 }, &m }, &fx);
    assert_int_equal(fx.messages.n, 1);
    no = fx.messages.v[0].message;
    assert_int_equal(no->code, CORE_CLOSE_REPLACED);
    assert_false(effects_have_rows(&fx));
    rig_clock(&r, INPUT_LEASE_OUT, 1, 0, 1);
    core_step(r.core, &(struct input){ INPUT_HELLO, r.now_ms, { 9, 9 }, &m }, &fx);
    assert_int_equal(fx.messages.v[fx.messages.n - 1].type, MSG_AGENT_WELCOME);
    effects_fini(&fx);
    rig_close(&r);
}

static void a_lost_lease_and_a_late_result(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_hello(&r, 1, 1, NULL);
    rig_submit(&r, 7, NULL);
    rig_accept(&r, 7, 1);
    rig_prepared(&r, 7, 1, "c0ffee");
    rig_clock(&r, INPUT_GONE, 1, 0, 1);
    assert_null(rig_attempt(&r, 7, 1));     /* its lease runs on */
    rig_clock(&r, INPUT_LEASE_OUT, 1, 0, 1);
    assert_int_equal(rig_attempt(&r, 7, 1)->state, ATTEMPT_LOST);
    assert_int_equal(rig_task(&r, 7)->state, TASK_QUEUED);
    rig_hello(&r, 2, 1, NULL);
    assert_int_equal(rig_assigned(&r, 7), 2);
    assert_string_equal(((const struct msg_task_assign *)rig_message(&r, MSG_TASK_ASSIGN, 0))->commit, "c0ffee");
    rig_result(&r, 7, 1, "succeeded", "build");
    assert_int_equal(rig_attempt(&r, 7, 1)->late_state, ATTEMPT_SUCCEEDED);
    assert_int_equal(rig_attempt(&r, 7, 1)->state, ATTEMPT_LOST);
    assert_null(rig_task(&r, 7));
    rig_result(&r, 7, 2, "failed", "build");
    assert_int_equal(rig_task(&r, 7)->state, TASK_FAILED);
    rig_close(&r);
}

static void tries_run_out(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit(&r, 7, NULL);
    for (int64_t n = 1; n <= 3; n++) {
        rig_hello(&r, 1, 1, NULL);
        rig_accept(&r, 7, n);
        rig_clock(&r, INPUT_LEASE_OUT, 1, 0, n);
    }
    assert_int_equal(rig_task(&r, 7)->state, TASK_LOST);
    assert_string_equal(rig_task(&r, 7)->cause, "agent");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_accepted_is_sent_again),
        cmocka_unit_test(accepted_and_not_listed_is_lost),
        cmocka_unit_test(listed_goes_on),
        cmocka_unit_test(strangers_are_stopped),
        cmocka_unit_test(a_second_instance_is_refused),
        cmocka_unit_test(a_lost_lease_and_a_late_result),
        cmocka_unit_test(tries_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
