/* test_msg_json.c - the JSON codec: what it accepts, and the sentence for what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/msg_impl.h"

#define ID "0192e4a0-7b3c-7def-8123-456789abcdef"

/* Decodes and must fail; the sentence is compared whole. */
static void refuse_bytes(enum msg_type type, const char *json, size_t len, const char *field, const char *text)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    void *m = arena_alloc(&a, msg_struct_size(type));

    assert_int_equal(msg_from_json(type, json, len, &a, m, &e), -1);
    assert_string_equal(e.text, text);
    assert_string_equal(e.field, field);
    assert_int_equal(e.kind, ERR_INVALID);
    arena_fini(&a);
}

static void refuse(enum msg_type type, const char *json, const char *field, const char *text)
{
    refuse_bytes(type, json, strlen(json), field, text);
}

static void *accept(enum msg_type type, const char *json, struct arena *a)
{
    struct err e = { 0 };
    void *m = arena_alloc(a, msg_struct_size(type));

    if (msg_from_json(type, json, strlen(json), a, m, &e))
        fail_msg("%s", e.text);
    return m;
}

static void test_submit(void **state)
{
    struct arena a = { 0 };
    const struct msg_v1_submit *m = accept(MSG_V1_SUBMIT,
        " \r\n{\"repo\":\"zlib\",\"args\":[\"-j4\",\"\"],\"target\":\"\",\"mr\":null,\"env\":{\"A\":\"1\",\"B\":\"\"},"
        "\"labels\":[],\"force\":true} \n", &a);

    (void)state;
    assert_string_equal(m->repo, "zlib");
    assert_true(m->has.target);
    assert_string_equal(m->target, "");
    assert_false(m->has.mr);
    assert_null(m->mr);
    assert_int_equal(m->args.n, 2);
    assert_string_equal(m->args.v[0], "-j4");
    assert_string_equal(m->args.v[1], "");
    assert_int_equal(m->env.n, 2);
    assert_string_equal(m->env.v[1].key, "B");
    assert_true(m->has.labels);
    assert_int_equal(m->labels.n, 0);
    assert_true(m->force);
    assert_false(m->separate_streams || m->has.separate_streams);
    arena_fini(&a);
}

static void test_wrong_fields(void **state)
{
    const enum msg_type t = MSG_V1_SUBMIT;

    (void)state;
    refuse(t, "{}", "repo", "repo is missing");
    refuse(t, "{\"repo\":null}", "repo", "repo must be text, not null");
    refuse(t, "{\"repo\":\"a\",\"target\":5}", "target", "target must be text, not a number");
    refuse(t, "{\"repo\":\"a\",\"tagret\":\"x\"}", "tagret", "unknown field \"tagret\"; did you mean \"target\"?");
    refuse(t, "{\"repo\":\"a\",\"whatever\":1}", "whatever", "unknown field \"whatever\"");
    refuse(t, "{\"repo\":\"a\",\"type\":\"v1.submit\"}", "type", "unknown field \"type\"");
    refuse(t, "{\"repo\":\"a\",\"mr\":\"1\\u00002\"}", "mr", "mr must not contain NUL");
    refuse(t, "{\"repo\":\"a\",\"args\":[\"\",\"\",\"\",7]}", "args[3]", "args[3] must be text, not a number");
    refuse(t, "{\"repo\":\"a\",\"args\":\"-j4\"}", "args", "args must be a list, not text");
    refuse(t, "{\"repo\":\"a\",\"args\":{}}", "args", "args must be a list, not an object");
    refuse(t, "{\"repo\":\"a\",\"force\":1}", "force", "force must be true or false, not a number");
    refuse(t, "{\"repo\":\"a\",\"force\":null}", "force", "force must be true or false, not null");
    refuse(t, "{\"repo\":\"a\",\"env\":[]}", "env", "env must be an object of texts, not a list");
    refuse(t, "{\"repo\":\"a\",\"env\":{\"A\":1}}", "env.A", "env.A must be text, not a number");
    refuse(t, "{\"repo\":\"a\",\"env\":{\"\":\"\"}}", "env", "env must not have an empty name");
    refuse(t, "{\"repo\":\"a\",\"env\":{\"A=B\":\"\"}}", "env", "env must not have '=' in a name");
    refuse(t, "{\"repo\":\"a\",\"env\":{\"A\\u0000B\":\"\"}}", "", "no text or name may contain NUL (\\u0000)");
    refuse(t, "{\"repo\\u0000\":\"a\"}", "", "no text or name may contain NUL (\\u0000)");
    refuse(t, "{\"repo\":\"a\",\"driver\":\"123456789012345678901234567890123\"}", "driver",
           "driver has 33 bytes; at most 32 are allowed");
}

static void test_numbers(void **state)
{
    const enum msg_type t = MSG_AGENT_WELCOME;
#define WELCOME(lease) "{\"epoch\":1,\"session\":2,\"agent_id\":\"" ID "\",\"heartbeat_ms\":0,\"lease_ms\":" lease "}"
    static const char *const outside[] = { "-1", "86400001", "9223372036854775808", "18446744073709551615",
                                           "99999999999999999999999", "-99999999999999999999999" };
    static const char *const fractions[] = { "1.5", "1.0", "1e3", "NaN", "Infinity", "-Infinity" };
    char json[256];
    struct arena a = { 0 };
    struct err e = { 0 };
    const struct msg_agent_welcome *m = accept(t, WELCOME("86400000"), &a);
    struct msg_agent_welcome other;

    (void)state;
    assert_int_equal(m->lease_ms, 86400000);
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        snprintf(json, sizeof(json), WELCOME("%s"), outside[i]);
        refuse(t, json, "lease_ms", "lease_ms must be between 0 and 86400000");
    }
    for (size_t i = 0; i < ARRAY_LEN(fractions); i++) {
        snprintf(json, sizeof(json), WELCOME("%s"), fractions[i]);
        assert_int_equal(msg_from_json(t, json, strlen(json), &a, &other, &e), -1);
    }
    refuse(t, WELCOME("\"5\""), "lease_ms", "lease_ms must be a whole number, not text");
    refuse(t, WELCOME("1.5"), "lease_ms", "lease_ms must be a whole number");
    refuse(MSG_AGENT_GONE, "{\"session\":9223372036854775808}", "session",
           "session must be between 0 and 9223372036854775807");
    m = accept(t, "{\"epoch\":9223372036854775807,\"session\":2,\"agent_id\":\"" ID "\",\"lease_ms\":0,\"heartbeat_ms\":0}",
               &a);
    assert_true(m->epoch == INT64_MAX);
    refuse(MSG_AGENT_ALIVE, "{\"sessions\":[1,-1]}", "sessions[1]",
           "sessions[1] must be between 0 and 9223372036854775807");
    arena_fini(&a);
}

static void test_ids_times_bytes(void **state)
{
    static const char *const forms[] = { ID, "0192E4A07B3C7DEF8123456789ABCDEF", ("{" ID "}"), ("urn:uuid:" ID) };
    struct arena a = { 0 };
    char json[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const struct msg_seed_message *m;

        snprintf(json, sizeof(json), "{\"message\":\"\",\"task_id\":\"%s\"}", forms[i]);
        m = accept(MSG_SEED_MESSAGE, json, &a);
        assert_int_equal(m->task_id.b[0], 0x01);
        assert_int_equal(m->task_id.b[15], 0xef);
    }
    refuse(MSG_SEED_MESSAGE, "{\"message\":\"\",\"task_id\":\"42\"}", "task_id",
           "task_id must be a UUID such as 0192e4a0-7b3c-7def-8123-456789abcdef");
#define BUILD(start) "{\"build_id\":\"" ID "\",\"output_file\":\"\",\"start_at\":" start \
    ",\"repo_name\":\"\",\"target\":\"\",\"arguments\":\"\",\"mr\":\"\"}"
    const struct msg_seed_build *b = accept(MSG_SEED_BUILD, BUILD("\"1970-01-01T01:00:00.5+01:00\""), &a);
    assert_int_equal(b->start_at, 500);
    refuse(MSG_SEED_BUILD, BUILD("\"yesterday\""), "start_at",
           "start_at must be a time such as 2026-11-21T03:14:15.123Z");
    refuse(MSG_SEED_BUILD, BUILD("12"), "start_at", "start_at must be text, not a number");
    refuse(MSG_SEED_BUILD, BUILD("\"1960-01-01T00:00:00Z\""), "start_at", "start_at must not be before 1970");
#define SEAL(head) "{\"type\":\"log.seal\",\"task_id\":\"" ID "\",\"attempt\":1,\"head\":" head "}"
    const struct msg_log_seal *s = accept(MSG_LOG_SEAL, SEAL("\"00fFaB\""), &a);
    assert_int_equal(s->head.len, 3);
    assert_memory_equal(s->head.data, "\x00\xff\xab", 3);
    refuse(MSG_LOG_SEAL, SEAL("\"0\""), "head", "head must be hexadecimal with two digits for each byte");
    refuse(MSG_LOG_SEAL, SEAL("\"0g\""), "head", "head must be hexadecimal with two digits for each byte");
    refuse(MSG_LOG_SEAL, SEAL("7"), "head", "head must be hexadecimal text, not a number");
    arena_fini(&a);
}

static void test_records(void **state)
{
    struct arena a = { 0 };
#define HELLO(held) "{\"type\":\"agent.hello\",\"major\":1,\"minor\":0,\"agent_id\":\"" ID "\",\"instance\":\"" ID \
    "\",\"name\":\"n\",\"slots\":1,\"version\":\"1\",\"held\":" held "}"
    const struct msg_agent_hello *m = accept(MSG_AGENT_HELLO,
        HELLO("[{\"task_id\":\"" ID "\",\"attempt\":3,\"state\":\"running\"}]"), &a);

    (void)state;
    assert_int_equal(m->held.n, 1);
    assert_int_equal(m->held.v[0].attempt, 3);
    assert_string_equal(m->held.v[0].state, "running");
    refuse(MSG_AGENT_HELLO, HELLO("[7]"), "held[0]", "held[0] must be an object, not a number");
    refuse(MSG_AGENT_HELLO, HELLO("[null]"), "held[0]", "held[0] must be an object, not null");
    refuse(MSG_AGENT_HELLO, HELLO("[{\"task_id\":\"" ID "\",\"attempt\":3}]"), "held[0].state",
           "held[0].state is missing");
    refuse(MSG_AGENT_HELLO, HELLO("[{\"task_id\":\"" ID "\",\"attempt\":3,\"state\":1}]"), "held[0].state",
           "held[0].state must be text, not a number");
    refuse(MSG_AGENT_HELLO, HELLO("[{\"stat\":1}]"), "held[0].stat",
           "unknown field \"held[0].stat\"; did you mean \"state\"?");
    refuse(MSG_AGENT_HELLO, HELLO("[{\"type\":\"held\"}]"), "held[0].type", "unknown field \"held[0].type\"");
    refuse(MSG_TASK_ACCEPT, "{\"type\":\"task.decline\",\"session\":1,\"task_id\":\"" ID "\",\"attempt\":1}", "type",
           "type must be \"task.accept\" here");
    arena_fini(&a);
}

static void test_bad_json(void **state)
{
    const enum msg_type t = MSG_V1_SUBMIT;
    static const char *const wrong[] = {
        "{\"repo\":\"a\"}x", "{\"repo\":\"a\"}{}", "{\"repo\":\"a\",}", "{'repo':'a'}", "{repo:\"a\"}",
        "{\"repo\":\"a\"",
        "{\"repo\":\"a", "{\"repo\":\"a\\", "{\"repo\":\"\\q\"}", "{\"repo\":\"\\u12\"}",
        "{\"repo\":\"a\" \"mr\":\"b\"}",
        "{\"repo\":\"a\"} // no", "{/**/\"repo\":\"a\"}", "{\"repo\":\"a\",\"force\":TRUE}",
        "{\"repo\":\"a\",\"mr\":Null}",
        "{\"repo\":\"a\nb\"}", "{\"repo\":\"\x01\"}", "{\"repo\":\"\xff\"}", "{\"repo\":\"\xc0\x80\"}",
        "{\"repo\":\"\xed\xa0\x80\"}", "{\"\xff\":1,\"repo\":\"a\"}", "[{\"repo\":\"a\"}]", "\"repo\"", "7", "null",
        "}", "{",
        "\xef\xbb\xbf{\"repo\":\"a\"}", "{\"repo\":01}", "{\"repo\":\"a\",\"args\":[\"x\"",
        "{\"repo\":\"a\",\"args\":[[[[[[[[[[]]]]]]]]]]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct arena a = { 0 };
        struct err e = { 0 };
        struct msg_v1_submit m;

        if (!msg_from_json(t, wrong[i], strlen(wrong[i]), &a, &m, &e))
            fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_true(e.text[0]);
        arena_fini(&a);
    }
    refuse(t, "", "", "a JSON object is needed and nothing was sent");
    refuse(t, "  \n", "", "a JSON object is needed and nothing was sent");
    refuse(t, "[]", "", "a JSON object is needed: {\"name\": value, ...}");
    refuse(t, "{\n  \"repo\": \"a\"", "", "not valid JSON at line 2, column 14: the text ends too early");
    refuse(t, "{\"repo\":\"a\"}x", "", "not valid JSON at line 1, column 13: text after the end of the object");
    refuse_bytes(t, "{\"repo\":\"a\0b\"}", 14, "", "the JSON text must not contain NUL bytes");
    refuse_bytes(t, "{\"repo\":\"a\"}\0", 13, "", "the JSON text must not contain NUL bytes");
}

static void test_too_large(void **state)
{
    struct buf b = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    struct msg_v1_submit m;

    (void)state;
    buf_puts(&b, "{\"repo\":\"");
    while (b.len < MSG_JSON_MAX)
        buf_putc(&b, 'a');
    buf_puts(&b, "\"}");
    assert_int_equal(msg_from_json(MSG_V1_SUBMIT, b.data, b.len, &a, &m, &e), -1);
    assert_int_equal(e.kind, ERR_TOO_LARGE);
    err_clear(&e);
    buf_reset(&b);
    buf_puts(&b, "{\"repo\":[{}");
    for (int i = 0; i < 300000; i++)
        buf_puts(&b, ",{}");
    buf_puts(&b, "]}");
    assert_int_equal(msg_from_json(MSG_V1_SUBMIT, b.data, b.len, &a, &m, &e), -1);
    assert_int_equal(e.kind, ERR_TOO_LARGE);
    err_clear(&e);
    buf_reset(&b);
    buf_puts(&b, "{\"repo\":\"a\",\"args\":[\"\"");
    for (int i = 0; i < PROTO_ELEMENTS_MAX; i++)
        buf_puts(&b, ",\"\"");
    buf_puts(&b, "]}");
    assert_int_equal(msg_from_json(MSG_V1_SUBMIT, b.data, b.len, &a, &m, &e), -1);
    assert_string_equal(e.text, "args has 4097 elements; at most 4096 are allowed");
    buf_fini(&b);
    arena_fini(&a);
}

static void test_lenient(void **state)
{
    struct arena a = { 0 };
    const struct msg_seed_submit *m = accept(MSG_SEED_SUBMIT,
        "{\"repo\":\"r\",\"target\":\"t\",\"args\":null,\"new\":{\"a\":[1,2.5,null]},\"type\":1}", &a);
    const struct msg_problem *p = accept(MSG_PROBLEM, "{\"type\":\"about:blank\",\"title\":\"t\",\"status\":400}", &a);

    (void)state;
    assert_string_equal(m->target, "t");
    assert_false(m->has.args);
    assert_string_equal(p->type, "about:blank");
    refuse(MSG_SEED_SUBMIT, "{\"repo\":\"r\"}", "target", "target is missing");
    refuse(MSG_SEED_SUBMIT, "{\"repo\":\"r\",\"target\":\"t\",\"args\":\"a\"}", "args",
           "args must be a list, not text");
    /* The last of two wins. */
    m = accept(MSG_SEED_SUBMIT, "{\"repo\":\"r\",\"target\":\"t\",\"repo\":\"s\"}", &a);
    assert_string_equal(m->repo, "s");
    arena_fini(&a);
}

static void test_written(void **state)
{
    const struct msg_seed_build build = {
        .build_id = { { 1, 2, 3 } }, .output_file = "a\"b\\c\n\t\r\b\f\x01/\x7f Grüße", .start_at = 1500,
        .repo_name = "bad \xff\xc3", .target = "", .mr = "x", .has = { .start_at = true },
    };
    const struct msg_seed_status status = { .status = "Failed", .exit_code = 2, .has = { .exit_code = true } };
    const struct msg_task_ack ack = { .epoch = 7, .attempt = 1, .fact = "accept" };
    struct buf out = { 0 };

    (void)state;
    msg_to_json(MSG_SEED_BUILD, &build, false, &out);
    assert_string_equal(out.data,
        "{\"build_id\":\"01020300-0000-0000-0000-000000000000\","
        "\"output_file\":\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001/\x7f Grüße\",\"exit_code\":null,"
        "\"start_at\":\"1970-01-01T00:00:01.500Z\",\"end_at\":null,\"repo_name\":\"bad \xEF\xBF\xBD\xEF\xBF\xBD\","
        "\"target\":\"\",\"arguments\":\"\",\"mr\":\"x\"}");
    buf_reset(&out);
    msg_to_json(MSG_SEED_STATUS, &status, false, &out);
    assert_string_equal(out.data, "{\"status\":\"Failed\",\"exit_code\":2}");
    buf_reset(&out);
    msg_to_json(MSG_TASK_ACK, &ack, true, &out);
    assert_string_equal(out.data, "{\"type\":\"task.ack\",\"epoch\":7,\"task_id\":\"00000000-0000-0000-0000-000000000000\","
                                  "\"attempt\":1,\"fact\":\"accept\"}");
    buf_reset(&out);
    msg_to_json(MSG_V1_TASKS, &(struct msg_v1_tasks){ .next = "c" }, false, &out);
    assert_string_equal(out.data, "{\"tasks\":[],\"next\":\"c\"}");
    buf_reset(&out);
    msg_to_json(MSG_AGENT_HEARTBEAT, &(struct msg_agent_heartbeat){ .session = 1 }, true, &out);
    assert_string_equal(out.data, "{\"type\":\"agent.heartbeat\"}");
    buf_fini(&out);
}

static enum msg_type type_of(const char *json, struct err *e)
{
    err_clear(e);
    return msg_json_type(json, strlen(json), e);
}

static void test_type(void **state)
{
    struct err e = { 0 };

    (void)state;
    assert_int_equal(type_of("{\"session\":1,\"type\":\"agent.heartbeat\"}", &e), MSG_AGENT_HEARTBEAT);
    assert_int_equal(type_of("{}", &e), MSG_NONE);
    assert_string_equal(e.text, "type is missing: the name of the message, such as \"agent.hello\"");
    assert_int_equal(type_of("{\"type\":1}", &e), MSG_NONE);
    assert_string_equal(e.text, "type must be text, not a number");
    assert_int_equal(type_of("{\"type\":\"agent.hell\"}", &e), MSG_NONE);
    assert_string_equal(e.text, "there is no message \"agent.hell\" in protocol 1.2");
    assert_int_equal(type_of("garbage", &e), MSG_NONE);
    assert_string_equal(e.field, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit),         cmocka_unit_test(test_wrong_fields),
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_ids_times_bytes),
        cmocka_unit_test(test_records),        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_too_large),      cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_written),        cmocka_unit_test(test_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
