/* test_stops.c - cancel in every state and race, supersede, time limits, retries, quarantine: one end for each task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "tests/unit/core_fixture.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void open_with(struct rig *r, int64_t slots)
{
    rig_open(r);
    rig_hello(r, 1, slots, NULL);
}

/* --- cancel --------------------------------------------------------------------------------------------------------- */

static void a_queued_task_ends_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit(&r, 1, NULL);
    rig_cancel(&r, 1);
    assert_int_equal(rig_task(&r, 1)->state, TASK_CANCELLED);
    assert_string_equal(rig_task(&r, 1)->cause, "policy");
    assert_string_equal(rig_task(&r, 1)->message, "not needed");
    assert_int_equal(rig_count(&r, MSG_CHANGE_DONE), 1);
    rig_hello(&r, 1, 1, NULL);
    assert_int_equal(rig_assigned(&r, 1), 0);
    rig_cancel(&r, 1);                                 /* again: nothing changes, and it is said so */
    assert_int_equal(rig_count(&r, MSG_CHANGE_DONE), 1);
    assert_null(rig_task(&r, 1));
    rig_cancel(&r, 2);
    assert_string_equal(((const struct msg_change_refused *)rig_message(&r, MSG_CHANGE_REFUSED, 0))->reason, "not_found");
    rig_close(&r);
}

static void a_running_one_is_told_to_stop(void **state)
{
    const struct msg_task_stop *stop;
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit(&r, 1, NULL);
    rig_accept(&r, 1, 1);
    rig_cancel(&r, 1);
    stop = rig_message(&r, MSG_TASK_STOP, 0);
    assert_string_equal(stop->outcome, "cancelled");
    assert_string_equal(stop->reason, "not needed");
    assert_int_equal(rig_attempt(&r, 1, 1)->state, ATTEMPT_STOPPING);
    assert_int_equal(rig_armed(&r, TIMER_STOP)->in_ms, r.config.stop_ms);
    rig_result(&r, 1, 1, "cancelled", "policy");
    assert_int_equal(rig_attempt(&r, 1, 1)->state, ATTEMPT_CANCELLED);
    assert_int_equal(rig_task(&r, 1)->state, TASK_CANCELLED);
    assert_string_equal(rig_task(&r, 1)->message, "not needed");
    rig_timer(&r, TIMER_STOP, 1, 1);
    assert_null(rig_task(&r, 1));
    rig_close(&r);
}

static void the_first_fact_wins(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit(&r, 1, NULL);
    rig_accept(&r, 1, 1);
    rig_cancel(&r, 1);
    rig_result(&r, 1, 1, "succeeded", "build");        /* it was done before the word arrived */
    assert_int_equal(rig_task(&r, 1)->state, TASK_SUCCEEDED);
    rig_close(&r);
}

static void at_the_deadline_the_task_ends_and_the_slot_stays_taken(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit(&r, 1, NULL);
    rig_accept(&r, 1, 1);
    rig_cancel(&r, 1);
    rig_submit(&r, 2, NULL);
    rig_timer(&r, TIMER_STOP, 1, 1);
    assert_int_equal(rig_task(&r, 1)->state, TASK_CANCELLED);
    assert_int_equal(rig_assigned(&r, 2), 0);
    rig_result(&r, 1, 1, "succeeded", "build");        /* late */
    assert_null(rig_task(&r, 1));
    assert_int_equal(rig_attempt(&r, 1, 1)->state, ATTEMPT_CANCELLED);
    assert_int_equal(rig_attempt(&r, 1, 1)->late_state, ATTEMPT_SUCCEEDED);
    assert_int_equal(rig_assigned(&r, 2), 1);
    rig_close(&r);
}

static void cancelled_before_it_was_accepted(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit(&r, 1, NULL);
    rig_cancel(&r, 1);
    rig_accept(&r, 1, 1);                              /* it crossed the word: said again */
    assert_int_equal(rig_count(&r, MSG_TASK_STOP), 1);
    assert_int_equal(rig_attempt(&r, 1, 1)->state, ATTEMPT_STOPPING);
    rig_result(&r, 1, 1, "cancelled", "policy");
    assert_int_equal(rig_task(&r, 1)->state, TASK_CANCELLED);

    rig_submit(&r, 2, NULL);
    rig_cancel(&r, 2);
    rig_clock(&r, INPUT_ACCEPT_OUT, 2, 1, 1);          /* it never was */
    assert_int_equal(rig_task(&r, 2)->state, TASK_CANCELLED);

    rig_submit(&r, 3, NULL);
    rig_cancel(&r, 3);
    rig_decline(&r, 3, 1, 1);
    assert_int_equal(rig_task(&r, 3)->state, TASK_CANCELLED);
    rig_close(&r);
}

static void a_lost_agent_does_not_bring_it_back(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 2);
    rig_submit(&r, 1, NULL);
    rig_submit(&r, 2, NULL);
    rig_accept(&r, 1, 1);
    rig_cancel(&r, 1);
    rig_cancel(&r, 2);
    rig_clock(&r, INPUT_LEASE_OUT, 1, 0, 1);
    assert_int_equal(rig_task(&r, 1)->state, TASK_CANCELLED);
    assert_int_equal(rig_task(&r, 2)->state, TASK_CANCELLED);
    assert_int_equal(rig_attempt(&r, 1, 1)->state, ATTEMPT_LOST);
    rig_close(&r);
}

static void a_new_session_hears_it_again(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit(&r, 1, NULL);
    rig_accept(&r, 1, 1);
    rig_clock(&r, INPUT_GONE, 1, 0, 1);
    rig_cancel(&r, 1);
    assert_int_equal(rig_count(&r, MSG_TASK_STOP), 0);
    rig_hello_holding(&r, 1, 2, 1, 1);
    assert_string_equal(((const struct msg_task_stop *)rig_message(&r, MSG_TASK_STOP, 0))->outcome, "cancelled");
    rig_close(&r);
}

/* --- supersede -------------------------------------------------------------------------------------------------------- */

static void submit_mr(struct rig *r, unsigned task, const char *ref, const char *policy)
{
    struct msg_task_submit m = { .task_id = rig_id(task), .mr = "7", .target = "all", .ref = ref, .supersede = policy };

    rig_submit_message(r, &m);
}

static void a_newer_one_ends_the_queued_one(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit(&r, 9, NULL);
    submit_mr(&r, 1, "a", NULL);
    submit_mr(&r, 2, "b", NULL);
    assert_int_equal(rig_task(&r, 1)->state, TASK_SUPERSEDED);
    assert_non_null(strstr(rig_task(&r, 1)->message, "superseded by task 01020304-"));
    submit_mr(&r, 3, "c", "off");
    assert_null(rig_task(&r, 2));
    rig_close(&r);
}

static void a_running_one_only_by_policy(void **state)
{
    const struct msg_project_set policy = { .name = "default", .supersede = "running" };
    struct rig r;

    (void)state;
    open_with(&r, 1);
    submit_mr(&r, 1, "a", NULL);
    rig_accept(&r, 1, 1);
    submit_mr(&r, 2, "b", NULL);
    assert_int_equal(rig_count(&r, MSG_TASK_STOP), 0);
    rig_step(&r, INPUT_PROJECT_SET, &policy);
    submit_mr(&r, 3, "c", NULL);
    assert_int_equal(rig_task(&r, 2)->state, TASK_SUPERSEDED);
    assert_int_equal(rig_count(&r, MSG_TASK_STOP), 1);
    rig_result(&r, 1, 1, "cancelled", "policy");
    assert_int_equal(rig_task(&r, 1)->state, TASK_SUPERSEDED);
    assert_int_equal(rig_attempt(&r, 1, 1)->state, ATTEMPT_CANCELLED);
    assert_int_equal(rig_assigned(&r, 3), 1);
    rig_close(&r);
}

static void another_build_of_the_request_stays(void **state)
{
    const char *arg = "--release", *label = "arm64";
    struct msg_task_submit args = { .task_id = rig_id(2), .mr = "7", .target = "all", .args = { &arg, 1 } };
    struct msg_task_submit labels = { .task_id = rig_id(3), .mr = "7", .target = "all", .labels = { &label, 1 } };
    struct rig r;

    (void)state;
    rig_open(&r);
    submit_mr(&r, 1, "a", NULL);
    rig_submit_message(&r, &args);
    assert_null(rig_task(&r, 1));
    rig_submit_message(&r, &labels);
    assert_null(rig_task(&r, 1));
    rig_close(&r);
}

/* --- twins ----------------------------------------------------------------------------------------------------------- */

static const struct msg_task_submitted *submit_commit(struct rig *r, unsigned task, const char *ref, bool join)
{
    struct msg_task_submit m = { .task_id = rig_id(task), .target = "all", .ref = ref, .join = join };

    rig_submit_message(r, &m);
    return rig_message(r, MSG_TASK_SUBMITTED, 0);
}

static void the_same_commit_is_joined(void **state)
{
    const struct msg_task_submitted *yes;
    const struct uuid first = rig_id(1);
    struct rig r;

    (void)state;
    open_with(&r, 1);
    submit_commit(&r, 1, COMMIT, true);
    yes = submit_commit(&r, 2, COMMIT, true);
    assert_true(yes->joined);
    assert_memory_equal(&yes->task_id, &first, sizeof first);
    assert_false(submit_commit(&r, 3, COMMIT, false)->joined);      /* forced, or of a route that never joins */
    assert_false(submit_commit(&r, 4, "main", true)->joined);
    assert_false(submit_commit(&r, 5, "main", true)->joined);       /* a branch may mean another commit now */
    rig_result(&r, 1, 1, "succeeded", "build");
    yes = submit_commit(&r, 6, COMMIT, true);                        /* the next open one */
    assert_true(yes->joined);
    assert_int_equal(yes->task_id.b[15], 3);
    rig_close(&r);
}

static void a_key_that_joined_joined(void **state)
{
    static const uint8_t hash[32] = { 7 };
    struct msg_task_submit m = { .task_id = rig_id(2), .target = "all", .ref = COMMIT, .join = true, .idempotency_key = "k",
                                 .body_hash = { hash, sizeof hash } };
    const struct msg_task_submitted *yes;
    struct rig r;

    (void)state;
    open_with(&r, 1);
    submit_commit(&r, 1, COMMIT, true);
    rig_submit_message(&r, &m);
    assert_true(r.fx.keys.v[0].is_joined);
    m.task_id = rig_id(3);                             /* the same request, once more */
    rig_submit_message(&r, &m);
    yes = rig_message(&r, MSG_TASK_SUBMITTED, 0);
    assert_true(yes->joined);
    assert_int_equal(yes->task_id.b[15], 1);
    m.task_id = rig_id(4);
    m.idempotency_key = "other";
    m.ref = "main";
    rig_submit_message(&r, &m);
    m.task_id = rig_id(5);
    rig_submit_message(&r, &m);                        /* one that made its task */
    yes = rig_message(&r, MSG_TASK_SUBMITTED, 0);
    assert_false(yes->joined);
    assert_int_equal(yes->task_id.b[15], 4);
    rig_close(&r);
}

static void a_stopping_one_is_not_joined(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 1);
    submit_commit(&r, 1, COMMIT, true);
    rig_accept(&r, 1, 1);
    rig_cancel(&r, 1);
    assert_false(submit_commit(&r, 2, COMMIT, true)->joined);
    rig_close(&r);
}

/* --- time limits ------------------------------------------------------------------------------------------------------- */

static void limits_go_to_the_agent(void **state)
{
    struct msg_task_submit m = { .task_id = rig_id(1), .timeout_ms = 60000, .silence_timeout_ms = 5000,
                                 .has = { .timeout_ms = true, .silence_timeout_ms = true } };
    const struct msg_task_assign *assign;
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit_message(&r, &m);
    assign = rig_message(&r, MSG_TASK_ASSIGN, 0);
    assert_int_equal(assign->timeout_ms, 60000);
    assert_int_equal(assign->silence_timeout_ms, 5000);
    rig_accept(&r, 1, 1);
    assert_int_equal(rig_armed(&r, TIMER_WALL)->in_ms, 60000 + r.config.stop_ms);
    rig_timer(&r, TIMER_WALL, 1, 1);   /* the agent did not keep to it */
    assert_string_equal(((const struct msg_task_stop *)rig_message(&r, MSG_TASK_STOP, 0))->outcome, "timed_out");
    rig_result(&r, 1, 1, "timed_out", "policy");
    assert_int_equal(rig_task(&r, 1)->state, TASK_TIMED_OUT);
    rig_close(&r);
}

static void not_started_in_time(void **state)
{
    struct msg_task_submit m = { .task_id = rig_id(1), .queue_timeout_ms = 1000, .has = { .queue_timeout_ms = true } };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit_message(&r, &m);
    assert_int_equal(rig_armed(&r, TIMER_QUEUE)->in_ms, 1000);
    rig_timer(&r, TIMER_QUEUE, 1, 0);
    assert_int_equal(rig_task(&r, 1)->state, TASK_TIMED_OUT);
    m.task_id = rig_id(2);
    rig_hello(&r, 1, 1, NULL);
    rig_submit_message(&r, &m);
    rig_accept(&r, 2, 1);
    rig_timer(&r, TIMER_QUEUE, 2, 0);   /* it has started: void */
    assert_null(rig_task(&r, 2));
    rig_close(&r);
}

/* --- retries ------------------------------------------------------------------------------------------------------------ */

static void a_retry_backs_off(void **state)
{
    struct rig r;

    (void)state;
    open_with(&r, 1);
    r.config.retry_ms = 1000;
    rig_submit(&r, 1, NULL);
    rig_accept(&r, 1, 1);
    rig_result(&r, 1, 1, "failed", "infrastructure");
    assert_int_equal(rig_task(&r, 1)->state, TASK_WAITING);
    assert_int_equal(rig_armed(&r, TIMER_BACKOFF)->in_ms, 1000);
    assert_true(rig_task(&r, 1)->not_before_ms == r.now_ms + 1000);
    assert_string_equal(rig_why(&r, 1), "waits 1 s before attempt 2; attempt 1: said");
    rig_timer(&r, TIMER_BACKOFF, 1, 1);
    assert_int_equal(rig_assigned(&r, 1), 1);
    rig_accept(&r, 1, 2);
    rig_timer(&r, TIMER_BACKOFF, 1, 1);   /* an old one is void */
    assert_null(rig_task(&r, 1));
    rig_result(&r, 1, 2, "failed", "infrastructure");
    assert_int_equal(rig_armed(&r, TIMER_BACKOFF)->in_ms, 2000);
    rig_cancel(&r, 1);
    assert_int_equal(rig_task(&r, 1)->state, TASK_CANCELLED);
    rig_timer(&r, TIMER_BACKOFF, 1, 2);
    assert_int_equal(rig_assigned(&r, 1), 0);
    rig_close(&r);
}

static void exit_codes_that_are_tried_again(void **state)
{
    const int64_t codes[] = { 2 };
    struct msg_task_submit m = { .task_id = rig_id(1), .retry_exit_codes = { codes, 1 }, .tries = 2, .has = { .tries = true } };
    struct rig r;

    (void)state;
    open_with(&r, 1);
    rig_submit_message(&r, &m);
    rig_accept(&r, 1, 1);
    rig_result(&r, 1, 1, "failed", "build");      /* the fixture's builds fail with 2 */
    assert_int_equal(rig_assigned(&r, 1), 1);
    rig_accept(&r, 1, 2);
    rig_result(&r, 1, 2, "failed", "build");
    assert_int_equal(rig_task(&r, 1)->state, TASK_FAILED);
    assert_int_equal(rig_task(&r, 1)->exit_code, 2);
    assert_string_equal(rig_task(&r, 1)->cause, "build");
    rig_close(&r);
}

static void causes_that_are_not(void **state)
{
    const char *none = "none";
    struct msg_task_submit m = { .task_id = rig_id(1), .retry_on = { &none, 1 } };
    struct rig r;

    (void)state;
    open_with(&r, 2);
    rig_submit_message(&r, &m);
    rig_accept(&r, 1, 1);
    m.task_id = rig_id(2);
    rig_submit_message(&r, &m);
    rig_decline(&r, 2, 1, 1);                     /* never begun: that is always tried again */
    assert_int_equal(rig_assigned(&r, 2), 1);
    rig_result(&r, 1, 1, "failed", "infrastructure");
    assert_int_equal(rig_task(&r, 1)->state, TASK_FAILED);
    rig_close(&r);
}

static void a_task_that_kills_agents_is_quarantined(void **state)
{
    struct msg_task_submit m = { .task_id = rig_id(1), .tries = 50, .has = { .tries = true } };
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_submit_message(&r, &m);
    for (unsigned agent = 1; agent <= 3; agent++) {
        rig_hello(&r, agent, 1, NULL);
        assert_int_equal(rig_assigned(&r, 1), agent);
        rig_accept(&r, 1, agent);
        rig_clock(&r, INPUT_LEASE_OUT, agent, 0, agent);
    }
    assert_int_equal(rig_task(&r, 1)->state, TASK_LOST);
    assert_string_equal(rig_task(&r, 1)->cause, "quarantine");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queued_task_ends_at_once),
        cmocka_unit_test(a_running_one_is_told_to_stop),
        cmocka_unit_test(the_first_fact_wins),
        cmocka_unit_test(at_the_deadline_the_task_ends_and_the_slot_stays_taken),
        cmocka_unit_test(cancelled_before_it_was_accepted),
        cmocka_unit_test(a_lost_agent_does_not_bring_it_back),
        cmocka_unit_test(a_new_session_hears_it_again),
        cmocka_unit_test(a_newer_one_ends_the_queued_one),
        cmocka_unit_test(a_running_one_only_by_policy),
        cmocka_unit_test(another_build_of_the_request_stays),
        cmocka_unit_test(the_same_commit_is_joined),
        cmocka_unit_test(a_key_that_joined_joined),
        cmocka_unit_test(a_stopping_one_is_not_joined),
        cmocka_unit_test(limits_go_to_the_agent),
        cmocka_unit_test(not_started_in_time),
        cmocka_unit_test(a_retry_backs_off),
        cmocka_unit_test(exit_codes_that_are_tried_again),
        cmocka_unit_test(causes_that_are_not),
        cmocka_unit_test(a_task_that_kills_agents_is_quarantined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
