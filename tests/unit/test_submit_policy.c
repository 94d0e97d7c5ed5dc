/* test_submit_policy.c - the options of `orion submit` that say when and how often: what reaches the request's body, and
 * what is said of mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/submit_policy.h"

#define ID "01938f2e-7c1a-7000-8000-0123456789ab"

struct fixture {
    struct arena arena;
    struct submit_policy p;
    struct buf json;
    struct err e;
};

static int fill(struct fixture *f)
{
    struct msg_v1_submit m = { .repo = "r" };

    f->e = (struct err){ 0 };
    buf_reset(&f->json);
    int rc = submit_policy_fill(&f->p, &f->arena, &m, &f->e);
    if (rc == 0)
        msg_to_json(MSG_V1_SUBMIT, &m, false, &f->json);
    return rc;
}

static void end(struct fixture *f)
{
    buf_fini(&f->json);
    arena_fini(&f->arena);
}

static void list_of(struct opt_list *l, const char **v, size_t n)
{
    *l = (struct opt_list){ v, n };
}

static void test_all(void **state)
{
    const char *after[] = { ID }, *causes[] = { "agent" }, *codes[] = { "75", "1" };
    struct fixture f = { .p = { .priority = "high", .group = "db", .after_condition = "any", .supersede = "off",
                                .build_timeout = { 90000, true }, .silence_timeout = { 1000, true },
                                .queue_timeout = { 3600000, true }, .tries = { 5, true } } };
    static const char *const parts[] = {
        "\"priority\":\"high\"",      "\"concurrency_group\":\"db\"", "\"after\":[\"" ID "\"]",
        "\"after_condition\":\"any\"", "\"timeout_s\":90",             "\"silence_timeout_s\":1",
        "\"queue_timeout_s\":3600",   "\"tries\":5",                  "\"retry_on\":[\"agent\"]",
        "\"retry_exit_codes\":[75,1]", "\"supersede\":\"off\"",
    };

    (void)state;
    list_of(&f.p.after, after, 1);
    list_of(&f.p.retry_on, causes, 1);
    list_of(&f.p.retry_exit_codes, codes, 2);
    assert_int_equal(fill(&f), 0);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_non_null(strstr(f.json.data, parts[i]));
    end(&f);
}

/* What was not said is not sent with a value: the project's and the farm's settings hold. */
static void test_nothing(void **state)
{
    struct fixture f = { 0 };

    (void)state;
    assert_int_equal(fill(&f), 0);
    assert_null(strstr(f.json.data, "\"tries\":0"));
    assert_null(strstr(f.json.data, "\"timeout_s\":0"));
    assert_null(strstr(f.json.data, "\"after\":["));
    assert_null(strstr(f.json.data, "\"retry_exit_codes\":["));
    end(&f);
}

static void test_mistakes(void **state)
{
    const char *bad_id[] = { ID, "17" }, *bad_codes[] = { "0", "256", "-1", "x", "", "1x" };
    struct fixture f = { 0 };

    (void)state;
    list_of(&f.p.after, bad_id, 2);
    assert_int_equal(fill(&f), -1);
    assert_string_equal(f.e.field, "after");
    assert_non_null(strstr(f.e.text, "17"));
    f.p.after.n = 0;
    for (size_t i = 0; i < ARRAY_LEN(bad_codes); i++) {
        list_of(&f.p.retry_exit_codes, &bad_codes[i], 1);
        assert_int_equal(fill(&f), -1);
        assert_string_equal(f.e.field, "retry-exit-code");
    }
    f.p.retry_exit_codes.n = 0;
    f.p.build_timeout = (struct opt_int){ 1500, true };
    assert_int_equal(fill(&f), -1);
    assert_string_equal(f.e.field, "build-timeout");
    f.p.build_timeout = (struct opt_int){ 0 };
    f.p.queue_timeout = (struct opt_int){ 0, true };
    assert_int_equal(fill(&f), -1);
    assert_string_equal(f.e.field, "queue-timeout");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
