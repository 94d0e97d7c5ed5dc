/* test_submission.c - what a submission of /v1 may say: the sentence for each mistake, and the translation there and
 * back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/submission.h"

#define ID_A "01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90"
#define ID_B "01985c0a-7d3e-7c41-9a52-3f1b6c2d8e91"

static struct arena arena;

static int clean(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* Through the decoder, as it comes in. */
static int read_text(const char *json, struct msg_task_submit *task_r, struct err *e)
{
    struct msg_v1_submit in = { 0 };

    if (msg_from_json(MSG_V1_SUBMIT, json, strlen(json), &arena, &in, e) < 0)
        return -1;
    return submission_read(&in, &arena, task_r, e);
}

static void refused(const char *members, const char *field, const char *part)
{
    char *json = arena_printf(&arena, "{\"repo\": \"r\", %s}", members);
    struct msg_task_submit task;
    struct err e = { 0 };

    assert_int_equal(read_text(json, &task, &e), -1);
    assert_string_equal(e.field, field);
    if (!strstr(e.text, part))
        fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

static struct msg_task_submit taken(const char *members)
{
    char *json = arena_printf(&arena, "{\"repo\": \"r\"%s%s}", members[0] ? ", " : "", members);
    struct msg_task_submit task = { 0 };
    struct err e = { 0 };

    if (read_text(json, &task, &e) < 0)
        fail_msg("%s: %s", json, e.text);
    return task;
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    refused("\"priority\": \"urgent\"", "priority", "critical, high, normal, low");
    refused("\"supersede\": \"all\"", "supersede", "off, queued, running");
    refused("\"after\": [\"" ID_A "\"], \"after_condition\": \"done\"", "after_condition", "succeeded, finished, any");
    refused("\"after_condition\": \"any\"", "after_condition", "name some");
    refused("\"after\": [\"" ID_A "\", \"x\"]", "after[1]", "UUID");
    refused("\"after\": [\"" ID_A "\", \"" ID_B "\", \"01985C0A7D3E7C419A523F1B6C2D8E90\"]", "after[2]", "after[0]");
    refused("\"timeout_s\": 0", "timeout_s", "at least 1 second");
    refused("\"silence_timeout_s\": 0", "silence_timeout_s", "at least 1 second");
    refused("\"queue_timeout_s\": 0", "queue_timeout_s", "at least 1 second");
    refused("\"tries\": 0", "tries", "from 1 to 100");
    refused("\"tries\": 101", "tries", "100");
    refused("\"retry_on\": [\"agent\", \"build\"]", "retry_on[1]", "agent, infrastructure, none");
    refused("\"retry_on\": [\"\"]", "retry_on[0]", "empty");
    refused("\"retry_on\": [\"agent\", \"none\"]", "retry_on[1]", "alone");
    refused("\"retry_on\": [\"none\", \"agent\"]", "retry_on[0]", "alone");
    refused("\"retry_exit_codes\": [75, 0]", "retry_exit_codes[1]", "1 to 255");
    refused("\"retry_exit_codes\": [256]", "retry_exit_codes[0]", "255");
}

static void test_repo_is_needed(void **state)
{
    struct msg_task_submit task;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(read_text("{\"repo\": \"\"}", &task, &e), -1);
    assert_string_equal(e.field, "repo");
}

static void test_at_most_100_are_waited_for(void **state)
{
    struct buf json = { 0 };
    struct msg_task_submit task;
    struct err e = { 0 };

    (void)state;
    for (int n = 100; n <= 101; n++) {
        buf_reset(&json);
        buf_puts(&json, "{\"repo\": \"r\", \"after\": [");
        for (int i = 0; i < n; i++)
            buf_printf(&json, "%s\"01985c0a-7d3e-7c41-9a52-%012x\"", i ? ", " : "", i);
        buf_puts(&json, "]}");
        assert_int_equal(read_text(json.data, &task, &e), n == 100 ? 0 : -1);
    }
    assert_string_equal(e.field, "after");
    buf_fini(&json);
}

static void test_nothing_said_is_nothing_sent(void **state)
{
    struct msg_task_submit t = taken("");

    (void)state;
    assert_string_equal(t.project, "default");
    assert_null(t.priority);
    assert_null(t.concurrency_group);
    assert_null(t.after_condition);
    assert_null(t.supersede);
    assert_int_equal(t.after.n + t.retry_on.n + t.retry_exit_codes.n, 0);
    assert_false(t.has.timeout_ms || t.has.silence_timeout_ms || t.has.queue_timeout_ms || t.has.tries);
    assert_true(t.join && t.has.join);
    t = taken("\"force\": true, \"priority\": \"\", \"mr\": null, \"tries\": null, \"retry_on\": null");
    assert_false(t.join);
    assert_true(t.force && t.has.force);
    assert_null(t.priority);
    assert_false(t.has.tries);
    assert_int_equal(t.retry_on.n, 0);
}

static void test_all_is_sent(void **state)
{
    struct msg_task_submit t = taken(
        "\"priority\": \"high\", \"concurrency_group\": \"deploy\", \"after\": [\"01985C0A7D3E7C419A523F1B6C2D8E90\"], "
        "\"after_condition\": \"any\", \"timeout_s\": 60, \"silence_timeout_s\": 5, \"queue_timeout_s\": 2592000, "
        "\"tries\": 100, \"retry_on\": [\"agent\", \"infrastructure\"], \"retry_exit_codes\": [1, 255], "
        "\"supersede\": \"running\"");

    (void)state;
    assert_string_equal(t.priority, "high");
    assert_string_equal(t.concurrency_group, "deploy");
    assert_int_equal(t.after.n, 1);
    assert_string_equal(t.after.v[0].key, ID_A);
    assert_string_equal(t.after.v[0].value, "");
    assert_string_equal(t.after_condition, "any");
    assert_true(t.has.timeout_ms && t.timeout_ms == 60000);
    assert_true(t.has.silence_timeout_ms && t.silence_timeout_ms == 5000);
    assert_true(t.has.queue_timeout_ms && t.queue_timeout_ms == PROTO_TIMEOUT_MAX);
    assert_true(t.has.tries && t.tries == 100);
    assert_int_equal(t.retry_on.n, 2);
    assert_int_equal(t.retry_exit_codes.v[1], 255);
    assert_string_equal(t.supersede, "running");
}

static void test_an_empty_list_of_causes_is_none(void **state)
{
    struct msg_task_submit t = taken("\"retry_on\": []");

    (void)state;
    assert_int_equal(t.retry_on.n, 1);
    assert_string_equal(t.retry_on.v[0], "none");
}

/* Only a state that stays is told: the scheduler knows the others better. */
static void test_states_of_what_it_waits_for(void **state)
{
    struct msg_task_submit t = taken("\"after\": [\"" ID_A "\", \"" ID_B "\", \"01985c0a-7d3e-7c41-9a52-000000000000\"]");
    struct msg_v1_task rows[2] = { { .state = "running" }, { .state = "failed" } };
    const struct msg_v1_tasks tasks = { .tasks = { rows, 2 } };

    (void)state;
    uuid_parse(ID_B, strlen(ID_B), &rows[0].id);
    uuid_parse(ID_A, strlen(ID_A), &rows[1].id);
    submission_after(&t, &tasks, &arena);
    assert_int_equal(t.after.n, 3);
    assert_string_equal(t.after.v[0].key, ID_A);
    assert_string_equal(t.after.v[0].value, "failed");
    assert_string_equal(t.after.v[1].value, "");
    assert_string_equal(t.after.v[2].value, "");
}

static void test_shown_as_asked_for(void **state)
{
    struct msg_task_submit t = taken("\"target\": \"all\", \"mr\": \"7\", \"after\": [\"" ID_B "\"], \"timeout_s\": 9, "
                                     "\"tries\": 2, \"retry_exit_codes\": [75]");
    struct msg_v1_task shown;

    (void)state;
    uuid_parse(ID_A, strlen(ID_A), &t.task_id);
    submission_show(&t, &arena, &shown);
    assert_int_equal(uuid_cmp(&shown.id, &t.task_id), 0);
    assert_int_equal(shown.created_at, uuid_time_ms(&t.task_id));
    assert_string_equal(shown.project, "default");
    assert_string_equal(shown.priority, "normal");
    assert_string_equal(shown.after.v[0], ID_B);
    assert_string_equal(shown.after_condition, "succeeded");
    assert_true(shown.has.timeout_s && shown.timeout_s == 9);
    assert_false(shown.has.silence_timeout_s || shown.has.queue_timeout_s);
    assert_true(shown.has.tries && shown.tries == 2);
    assert_int_equal(shown.retry_exit_codes.v[0], 75);
    assert_false(shown.has.retry_of);
}

static void test_again_is_the_same(void **state)
{
    static const char json[] =
        "{\"id\": \"" ID_A "\", \"state\": \"failed\", \"project\": \"p\", \"repo\": \"r\", \"target\": \"t\", "
        "\"args\": [\"-k\"], \"ref\": \"main\", \"mr\": \"7\", \"labels\": [\"big\"], \"env\": {\"A\": \"1\"}, "
        "\"created_at\": \"2026-01-01T00:00:00Z\", \"attempt\": 3, \"priority\": \"low\", \"after\": [\"" ID_B "\"], "
        "\"after_condition\": \"finished\", \"timeout_s\": 60, \"tries\": 5, \"retry_on\": [\"none\"]}";
    struct msg_v1_task row = { 0 }, shown;
    struct msg_task_submit t;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(msg_from_json(MSG_V1_TASK, json, strlen(json), &arena, &row, &e), 0);
    submission_again(&row, &arena, &t);
    assert_int_equal(uuid_cmp(&t.retry_of, &row.id), 0);
    assert_true(t.has.retry_of && t.force);
    assert_false(t.join);
    assert_string_equal(t.supersede, "off");
    submission_show(&t, &arena, &shown);
    assert_string_equal(shown.project, "p");
    assert_string_equal(shown.ref, "main");
    assert_string_equal(shown.mr, "7");
    assert_string_equal(shown.env.v[0].value, "1");
    assert_string_equal(shown.priority, "low");
    assert_string_equal(shown.after.v[0], ID_B);
    assert_string_equal(shown.after_condition, "finished");
    assert_int_equal(shown.timeout_s, 60);
    assert_int_equal(shown.tries, 5);
    assert_string_equal(shown.retry_on.v[0], "none");
    assert_int_equal(uuid_cmp(&shown.retry_of, &row.id), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_mistakes_are_named, clean),
        cmocka_unit_test_teardown(test_repo_is_needed, clean),
        cmocka_unit_test_teardown(test_at_most_100_are_waited_for, clean),
        cmocka_unit_test_teardown(test_nothing_said_is_nothing_sent, clean),
        cmocka_unit_test_teardown(test_all_is_sent, clean),
        cmocka_unit_test_teardown(test_an_empty_list_of_causes_is_none, clean),
        cmocka_unit_test_teardown(test_states_of_what_it_waits_for, clean),
        cmocka_unit_test_teardown(test_shown_as_asked_for, clean),
        cmocka_unit_test_teardown(test_again_is_the_same, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
