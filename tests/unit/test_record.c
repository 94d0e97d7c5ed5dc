/* test_record.c - an attempt's record says after a restart what it said before; what is not whole is refused; and the
 * decision what becomes of the attempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/record.h"
#include "lib/hash.h"

static struct record sample(struct arena *a, unsigned seed)
{
    void *order, *verdict, *result, *base;

    msg_sample(MSG_TASK_ASSIGN, seed, a, &order);
    msg_sample(MSG_TASK_RESULT, seed, a, &verdict);
    msg_sample(MSG_TASK_RESULT, seed + 1, a, &result);
    msg_sample(MSG_LOG_BASE, seed, a, &base);
    return (struct record){
        .stage = seed % 2 ? RECORD_FINISHED : RECORD_STARTED,
        .order = *(struct msg_task_assign *)order,
        .boot = "3f6f1a60-0000-4000-8000-000000000001",
        .began_ms = 123456789012,
        .commit = seed % 3 ? "0123456789abcdef0123456789abcdef01234567" : NULL,
        .driver = seed % 3 ? "make" : NULL,
        .verdict = seed % 4 ? verdict : NULL,
        .result = seed % 5 || seed % 2 ? result : NULL,
        .base = seed % 6 ? base : NULL,
    };
}

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 60; seed++) {
        struct arena a = { 0 };
        struct record one = sample(&a, seed), two;
        struct buf first = { 0 }, second = { 0 };
        struct err e = { 0 };

        record_encode(&one, &first);
        if (record_decode(first.data, first.len, &a, &two, &e))
            fail_msg("seed %u: %s\n%.*s", seed, e.text, (int)first.len, first.data);
        assert_int_equal(two.stage, one.stage);
        assert_string_equal(two.boot, one.boot);
        assert_true(two.began_ms == one.began_ms);
        assert_string_equal(two.order.repo, one.order.repo);
        record_encode(&two, &second);
        assert_int_equal(second.len, first.len);
        assert_memory_equal(second.data, first.data, first.len);
        buf_fini(&first);
        buf_fini(&second);
        arena_fini(&a);
    }
}

/* The least there is: accepted, and nothing else. A verdict needs no log yet. */
static void test_accepted_with_a_verdict(void **state)
{
    const struct msg_task_result verdict = { .outcome = "cancelled", .cause = "policy", .message = "not\nwanted" };
    const struct record r = { .order = { .project = "", .repo = "lib", .sink = "sink-1", .env = { 0 } },
                              .boot = "unknown",
                              .verdict = &verdict };
    struct buf text = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    struct record back;

    (void)state;
    record_encode(&r, &text);
    if (record_decode(text.data, text.len, &a, &back, &e))
        fail_msg("%s", e.text);
    assert_int_equal(back.stage, RECORD_ACCEPTED);
    assert_string_equal(back.verdict->message, "not\nwanted");
    assert_null(back.result);
    assert_null(back.commit);
    buf_fini(&text);
    arena_fini(&a);
}

/* Not one byte may be missing, or another. */
static void test_damage_is_seen(void **state)
{
    struct arena a = { 0 };
    struct record r = sample(&a, 1), back;
    struct buf text = { 0 };

    (void)state;
    record_encode(&r, &text);
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(record_decode(text.data, len, &a, &back, NULL), -1);
    for (size_t at = 0; at < text.len; at++) {
        text.data[at] ^= 4;
        assert_int_equal(record_decode(text.data, text.len, &a, &back, NULL), -1);
        text.data[at] ^= 4;
    }
    assert_int_equal(record_decode(text.data, text.len, &a, &back, NULL), 0);
    buf_fini(&text);
    arena_fini(&a);
}

static void assert_refused(const char *body, const char *why)
{
    struct arena a = { 0 };
    struct buf text = { 0 };
    struct err e = { 0 };
    struct record r;

    buf_puts(&text, body);
    buf_printf(&text, "end %08x\n", hash_crc32c(0, body, strlen(body)));
    assert_int_equal(record_decode(text.data, text.len, &a, &r, &e), -1);
    if (!strstr(e.text, why))
        fail_msg("%s: not about \"%s\"", e.text, why);
    buf_fini(&text);
    arena_fini(&a);
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("orion-attempt 2\n", "another version");
    assert_refused("something else\n", "not an attempt's record");
    assert_refused("orion-attempt 1\n", "stage is missing");
    assert_refused("orion-attempt 1\nstage lost\n", "unknown stage");
    assert_refused("orion-attempt 1\nstage started\nbegan yesterday\n", "unreadable time");
    assert_refused("orion-attempt 1\nstage started\nbegan x 5y\n", "unreadable time");
    assert_refused("orion-attempt 1\nstage started\nbegan x 5\n", "order is missing");
    assert_refused("orion-attempt 1\nstage started\nbegan x 5\norder {}\n", "order: epoch is missing");
}

static void test_decisions(void **state)
{
    static const struct {
        enum record_stage stage;
        bool has_runner;
        enum resume want;
    } rows[] = {
        { RECORD_ACCEPTED, false, RESUME_PREPARE }, { RECORD_ACCEPTED, true, RESUME_RUNNER },
        { RECORD_STARTED, false, RESUME_PREPARE },  { RECORD_STARTED, true, RESUME_RUNNER },
        { RECORD_FINISHED, false, RESUME_TELL },    { RECORD_FINISHED, true, RESUME_TELL },
        { RECORD_DROPPED, false, RESUME_END },      { RECORD_DROPPED, true, RESUME_END },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(resume_decide(rows[i].stage, rows[i].has_runner), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_accepted_with_a_verdict),
        cmocka_unit_test(test_damage_is_seen), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_decisions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
