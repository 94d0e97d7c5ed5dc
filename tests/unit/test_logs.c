/* test_logs.c - where an attempt's log lies and how it ends: placed, moved once, sealed late, never worse than it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "tests/unit/core_fixture.h"

/* Task 7 on agent 1, its log on *sink_r, running. */
static void run_one(struct rig *r, const char **sink_r)
{
    static char sink[SINK_NAME_SIZE];

    rig_open_sinks(r, 3);
    rig_hello(r, 1, 4, NULL);
    rig_submit(r, 7, NULL);
    strcpy(sink, rig_attempt(r, 7, 1)->sink);
    rig_accept(r, 7, 1);
    *sink_r = sink;
}

static void lose_agent(struct rig *r)
{
    rig_clock(r, INPUT_LEASE_OUT, 1, 0, r->session);
}

static struct input_sealed said(const char *sink, enum log_state state, int64_t bytes, bool is_forced)
{
    struct input_sealed in = { .state = state, .bytes = bytes, .lines = 1, .is_forced = is_forced };

    strcpy(in.sink, sink);
    return in;
}

#define SAYS(rig, sink, state, bytes, forced)                                                                          \
    do {                                                                                                               \
        struct input_sealed in_ = said(sink, state, bytes, forced);                                                    \
        rig_sealed_by(rig, 7, &in_);                                                                                   \
    } while (0)

/* --- places -------------------------------------------------------------------------------------------------------- */

static void new_logs_go_where_it_is_up(void **state)
{
    struct rig r;

    (void)state;
    rig_open_sinks(&r, 3);
    rig_hello(&r, 1, 100, NULL);
    rig_sink(&r, "sink-1", SINK_DOWN, false);
    assert_true(rig_event(&r, "sink.down"));
    assert_int_equal(r.fx.sinks.n, 1);
    rig_sink(&r, "sink-3", SINK_FULL, false);
    for (unsigned task = 1; task <= 20; task++) {
        rig_submit(&r, task, NULL);
        assert_string_equal(rig_attempt(&r, task, 1)->sink, "sink-2");
    }
    rig_sink(&r, "sink-2", SINK_LOST, true);   /* nobody is up: any will do */
    for (unsigned task = 21; task <= 40; task++) {
        rig_submit(&r, task, NULL);
        assert_non_null(rig_attempt(&r, task, 1)->sink);
    }
    rig_close(&r);
}

static void a_sink_is_told_once(void **state)
{
    struct rig r;

    (void)state;
    rig_open_sinks(&r, 3);
    rig_sink(&r, "sink-1", SINK_UP, false);    /* nobody had said so yet */
    assert_true(rig_event(&r, "sink.up"));
    rig_sink(&r, "sink-1", SINK_UP, false);
    assert_false(effects_have_rows(&r.fx));
    rig_sink(&r, "sink-1", SINK_LOST, true);
    rig_sink(&r, "sink-1", SINK_DOWN, false);  /* lost until it is seen */
    assert_false(effects_have_rows(&r.fx));
    rig_sink(&r, "sink-1", SINK_FULL, false);
    assert_true(rig_event(&r, "sink.full"));
    rig_close(&r);
}

/* --- moves --------------------------------------------------------------------------------------------------------- */

static void open_logs_leave_a_lost_sink(void **state)
{
    const struct msg_log_move *move;
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_sink(&r, sink, SINK_DOWN, false);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 0);
    rig_sink(&r, sink, SINK_LOST, true);
    move = rig_message(&r, MSG_LOG_MOVE, 0);
    assert_string_not_equal(move->sink, sink);
    rig_sink(&r, sink, SINK_LOST, true);       /* said again: asked again */
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 1);
    assert_false(effects_have_rows(&r.fx));
    rig_hello_holding(&r, 1, 2, 7, 1);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 1);
    rig_close(&r);
}

static void a_full_sink_keeps_what_it_has_for_a_while(void **state)
{
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_sink(&r, sink, SINK_FULL, false);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 0);
    rig_sink(&r, sink, SINK_FULL, true);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 1);
    rig_close(&r);
}

static void nowhere_to_go(void **state)
{
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_sink(&r, "sink-1", SINK_LOST, true);
    rig_sink(&r, "sink-2", SINK_LOST, true);
    rig_sink(&r, "sink-3", SINK_LOST, true);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 0);
    rig_sink(&r, "sink-2", SINK_UP, false);
    rig_sink(&r, sink, SINK_LOST, true);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), strcmp(sink, "sink-2") != 0);
    rig_close(&r);
}

static void moved_is_a_fact(void **state)
{
    const char *sink, *to;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_sink(&r, sink, SINK_LOST, true);
    to = strcmp(sink, "sink-1") ? "sink-1" : "sink-2";   /* whatever was asked */
    rig_moved(&r, 7, to, 3, 70);
    assert_string_equal(((const struct msg_task_ack *)rig_message(&r, MSG_TASK_ACK, 0))->fact, "moved");
    assert_true(rig_event(&r, "log.moved"));
    assert_int_equal(r.fx.segments.n, 1);
    assert_string_equal(r.fx.segments.v[0].sink, to);
    assert_int_equal(r.fx.segments.v[0].offset, 70);
    assert_int_equal(r.fx.segments.v[0].chunk, 3);
    rig_moved(&r, 7, to, 3, 70);
    assert_false(effects_have_rows(&r.fx));              /* twice is once, and acknowledged */
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 1);
    rig_hello_holding(&r, 1, 2, 7, 1);
    assert_int_equal(rig_count(&r, MSG_LOG_MOVE), 0);    /* it is where it should be */
    rig_close(&r);
}

static void an_older_sessions_word_does_not_count(void **state)
{
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_hello_holding(&r, 1, 2, 7, 1);
    r.session--;
    rig_moved(&r, 7, strcmp(sink, "sink-1") ? "sink-1" : "sink-2", 3, 70);
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 0);    /* it is said again */
    assert_int_equal(r.fx.segments.n, 0);
    rig_close(&r);
}

static void the_newest_sink_is_asked_and_believed(void **state)
{
    const char *sink, *to;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    to = strcmp(sink, "sink-1") ? "sink-1" : "sink-2";
    rig_moved(&r, 7, to, 0, 0);
    rig_result(&r, 7, 1, "succeeded", "build");
    assert_non_null(rig_message(&r, MSG_LOG_SEAL, 0));
    for (size_t i = 0; i < r.fx.messages.n; i++)
        if (r.fx.messages.v[i].type == MSG_LOG_SEAL)
            assert_string_equal(r.fx.messages.v[i].sink, to);
    SAYS(&r, sink, LOG_GAP, 0, true);
    assert_false(effects_have_rows(&r.fx));
    SAYS(&r, to, LOG_COMPLETE, 5, false);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_COMPLETE);
    rig_moved(&r, 7, sink, 9, 90);                       /* nothing can be missing any more */
    assert_false(effects_have_rows(&r.fx));
    assert_int_equal(rig_count(&r, MSG_TASK_ACK), 1);
    rig_close(&r);
}

/* --- ends ---------------------------------------------------------------------------------------------------------- */

static void complete_stays_complete(void **state)
{
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_result(&r, 7, 1, "succeeded", "build");
    SAYS(&r, sink, LOG_GAP, 3, false);                   /* of before: it has less than there was */
    assert_false(effects_have_rows(&r.fx));
    SAYS(&r, sink, LOG_COMPLETE, 5, false);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_COMPLETE);
    SAYS(&r, sink, LOG_GAP, 3, true);
    assert_false(effects_have_rows(&r.fx));
    rig_close(&r);
}

static void a_gap_may_become_complete(void **state)
{
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_result(&r, 7, 1, "succeeded", "build");
    SAYS(&r, sink, LOG_GAP, 3, true);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_GAP);
    assert_false(rig_attempt(&r, 7, 1)->is_wanted);
    SAYS(&r, sink, LOG_GAP, 3, true);
    assert_false(effects_have_rows(&r.fx));
    SAYS(&r, sink, LOG_COMPLETE, 5, false);              /* unasked */
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_COMPLETE);
    rig_close(&r);
}

static void a_late_result_says_what_there_was(void **state)
{
    const struct msg_log_seal *seal;
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    lose_agent(&r);
    assert_int_equal(((const struct msg_log_seal *)rig_message(&r, MSG_LOG_SEAL, 0))->head.len, 0);
    SAYS(&r, sink, LOG_GAP, 3, true);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_bytes, 3);
    rig_result(&r, 7, 1, "succeeded", "build");
    assert_int_equal(rig_attempt(&r, 7, 1)->late_state, ATTEMPT_SUCCEEDED);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_bytes, 5);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_GAP);
    assert_true(rig_attempt(&r, 7, 1)->is_wanted);
    seal = rig_message(&r, MSG_LOG_SEAL, 0);
    assert_int_equal(seal->head.len, 32);
    SAYS(&r, sink, LOG_GAP, 3, false);                   /* the answer of before, once more */
    assert_false(effects_have_rows(&r.fx));
    SAYS(&r, sink, LOG_COMPLETE, 5, false);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_COMPLETE);
    assert_false(rig_attempt(&r, 7, 1)->is_wanted);
    rig_close(&r);
}

static void an_agent_that_still_has_it_is_a_reason_to_ask(void **state)
{
    const struct msg_held held = { .task_id = rig_id(7), .attempt = 1, .state = "log" };
    struct msg_agent_hello hello = { .major = MSG_MAJOR, .agent_id = rig_id(1), .instance = rig_id(101), .name = "agent",
                                     .version = "1", .slots = 1, .held = { &held, 1 } };
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_result(&r, 7, 1, "succeeded", "build");
    SAYS(&r, sink, LOG_GAP, 3, true);
    rig_step(&r, INPUT_HELLO, &hello);
    assert_true(rig_attempt(&r, 7, 1)->is_wanted);
    assert_int_equal(rig_count(&r, MSG_LOG_SEAL), 1);
    SAYS(&r, sink, LOG_GAP, 3, true);
    assert_false(rig_attempt(&r, 7, 1)->is_wanted);
    rig_close(&r);
}

static void nothing_waits_for_a_lost_sink(void **state)
{
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_submit(&r, 8, NULL);
    rig_result(&r, 7, 1, "succeeded", "build");
    rig_sink(&r, sink, SINK_LOST, true);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_GAP);
    assert_true(rig_attempt(&r, 7, 1)->is_wanted);
    assert_true(rig_event(&r, "log.sealed"));
    rig_sink(&r, sink, SINK_UP, false);
    SAYS(&r, sink, LOG_COMPLETE, 5, false);
    assert_int_equal(rig_attempt(&r, 7, 1)->log_state, LOG_COMPLETE);
    rig_close(&r);
}

static void what_was_forgotten_is_asked_for(void **state)
{
    const struct msg_task_result result = { .task_id = rig_id(7), .attempt = 1, .outcome = "succeeded", .cause = "build" };
    const struct input in = { INPUT_RESULT, 0, { 1, 1 }, &result };
    const char *sink;
    struct uuid ids[2], seven = rig_id(7);
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    assert_int_equal(core_unknown(r.core, &in, ids, 2), 0);
    rig_result(&r, 7, 1, "succeeded", "build");
    SAYS(&r, sink, LOG_GAP, 3, true);
    r.now_ms += CORE_RECENT_MS;
    rig_submit(&r, 8, NULL);
    rig_submit(&r, 9, NULL);
    assert_int_equal(core_unknown(r.core, &in, ids, 2), 1);
    assert_int_equal(uuid_cmp(&ids[0], &seven), 0);
    rig_close(&r);
}

/* --- what projects say --------------------------------------------------------------------------------------------- */

static void projects_limit_their_logs(void **state)
{
    struct msg_project_set set = { .name = "default", .log_max = 1000, .log_keep_ms = 5000,
                                   .has = { .log_max = true, .log_keep_ms = true } };
    const struct msg_log_seal *seal;
    const char *sink;
    struct rig r;

    (void)state;
    run_one(&r, &sink);
    rig_step(&r, INPUT_PROJECT_SET, &set);
    assert_int_equal(r.fx.projects.v[0].log_max, 1000);
    rig_submit(&r, 8, NULL);
    assert_int_equal(((const struct msg_task_assign *)rig_message(&r, MSG_TASK_ASSIGN, 0))->log_max, 1000);
    rig_result(&r, 7, 1, "succeeded", "build");
    seal = rig_message(&r, MSG_LOG_SEAL, 0);
    assert_int_equal(seal->keep_ms, 5000);
    assert_string_equal(seal->project, "default");
    set.log_max = 0;                                     /* no limit */
    set.has.log_keep_ms = false;
    rig_step(&r, INPUT_PROJECT_SET, &set);
    assert_int_equal(r.fx.projects.v[0].log_max, 0);
    assert_int_equal(r.fx.projects.v[0].log_keep_ms, 5000);
    rig_submit(&r, 9, NULL);
    assert_false(((const struct msg_task_assign *)rig_message(&r, MSG_TASK_ASSIGN, 0))->has.log_max);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_logs_go_where_it_is_up),
        cmocka_unit_test(a_sink_is_told_once),
        cmocka_unit_test(open_logs_leave_a_lost_sink),
        cmocka_unit_test(a_full_sink_keeps_what_it_has_for_a_while),
        cmocka_unit_test(nowhere_to_go),
        cmocka_unit_test(moved_is_a_fact),
        cmocka_unit_test(an_older_sessions_word_does_not_count),
        cmocka_unit_test(the_newest_sink_is_asked_and_believed),
        cmocka_unit_test(complete_stays_complete),
        cmocka_unit_test(a_gap_may_become_complete),
        cmocka_unit_test(a_late_result_says_what_there_was),
        cmocka_unit_test(an_agent_that_still_has_it_is_a_reason_to_ask),
        cmocka_unit_test(nothing_waits_for_a_lost_sink),
        cmocka_unit_test(what_was_forgotten_is_asked_for),
        cmocka_unit_test(projects_limit_their_logs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
