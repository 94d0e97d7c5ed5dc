/* test_log_query.c - the forms of a log and their parameters: what is taken, and how mistakes are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/log_query.h"
#include "gateway/moment.h"

#define NOW INT64_C(1795230000000)

static struct arena arena;
static struct log_query query;
static struct err error;

/* 0 when the query is right for the form it names or Accept asks for. */
static int ask(const char *text, const char *accept)
{
    struct query q;

    error = (struct err){ 0 };
    assert_int_equal(query_parse(text, &arena, &q, &error), 0);
    return log_query_form(&q, accept, &query, &error) < 0 ? -1 : log_query_read(&q, NOW, &query, &error);
}

static void assert_refused(const char *text, const char *field, const char *words)
{
    assert_int_equal(ask(text, NULL), -1);
    assert_string_equal(error.field, field);
    if (!strstr(error.text, words))
        fail_msg("%s: %s does not say %s", text, error.text, words);
}

static void test_forms(void **state)
{
    (void)state;
    assert_int_equal(ask("", NULL), 0);
    assert_int_equal(query.form, FORM_TEXT);
    assert_string_equal(query.type, "text/plain; charset=utf-8");
    assert_int_equal(ask("", "application/x-ndjson"), 0);
    assert_int_equal(query.form, FORM_JSONL);
    assert_string_equal(query.type, "application/x-ndjson");
    assert_int_equal(ask("format=jsonl", "text/plain"), 0);
    assert_string_equal(query.type, "application/jsonl");
    assert_int_equal(ask("format=cast", NULL), 0);
    assert_int_equal(query.form, FORM_CAST);
    assert_int_equal(ask("format=chunks&seq=7", NULL), 0);
    assert_int_equal(query.seq, 7);
    assert_int_equal(ask("", "image/png"), -1);
    assert_string_equal(error.field, "");
    assert_refused("format=xml", "format", "text, sse, jsonl, cast or chunks");
}

static void test_defaults_and_values(void **state)
{
    (void)state;
    assert_int_equal(ask("", NULL), 0);
    assert_int_equal(query.attempt, 0);
    assert_int_equal(query.offset, 0);
    assert_true(query.limit == INT64_MAX);
    assert_int_equal(query.tail, -1);
    assert_true(query.since_ms == -1);
    assert_null(query.grep);
    assert_int_equal(query.max_matches, 1000);
    assert_false(query.is_following);
    assert_int_equal(ask("attempt=2&offset=3&limit=4&tail=0&follow=1&gaps=stop&grep=a+b&ignore_case=1&max_matches=5"
                         "&since=5min", NULL), 0);
    assert_int_equal(query.attempt, 2);
    assert_int_equal(query.offset, 3);
    assert_int_equal(query.limit, 4);
    assert_int_equal(query.tail, 0);
    assert_true(query.is_following && query.stops_at_gaps && query.ignores_case);
    assert_string_equal(query.grep, "a b");
    assert_int_equal(query.max_matches, 5);
    assert_true(query.since_ms == NOW - 300000);
    assert_int_equal(ask("format=cast&cols=120", NULL), 0);
    assert_int_equal(query.cols, 120);
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    assert_refused("offst=1", "offst", "did you mean offset");
    assert_refused("offset=-1", "offset", "number from 0");
    assert_refused("tail=100001", "tail", "0 to 100000");
    assert_refused("tail=all", "tail", "number");
    assert_refused("follow=yes", "follow", "0 to 1");
    assert_refused("since=yesterday", "since", "90s");
    assert_refused("grep=", "grep", "1 to 1024");
    assert_refused("grep=a%0Ab", "grep", "one line");
    assert_refused("ignore_case=1", "ignore_case", "grep=TEXT");
    assert_refused("max_matches=1", "max_matches", "grep=TEXT");
    assert_refused("grep=a&max_matches=100001", "max_matches", "100000");
    assert_refused("gaps=skip", "gaps", "mark");
    assert_refused("format=cast&cols=5", "cols", "10 to 1000");
    assert_refused("format=cast&tail=5", "tail", "does not go with format=cast");
    assert_refused("seq=5", "seq", "does not go with format=text");
    assert_refused("format=chunks&grep=x", "grep", "does not go with format=chunks");
}

static void test_moments(void **state)
{
    static const struct { const char *text; int64_t ms; } good[] = {
        { "90", NOW - 90000 }, { "90s", NOW - 90000 }, { "5m", NOW - 300000 }, { "5min", NOW - 300000 },
        { "2h", NOW - 7200000 }, { "1d", NOW - 86400000 }, { "0", NOW }, { "999999999d", 0 },
        { "1970-01-01T00:00:01Z", 1000 }, { "1970-01-01T01:00:00+01:00", 0 },
    };
    static const char *const bad[] = { "", "s", "-5m", "5 m", "5mins", "1.5h", "9999999999", "2026-11-21", "now" };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(moment_parse(good[i].text, NOW, &ms), 0);
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(moment_parse(bad[i], NOW, &ms), -1);
}

static int fini(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_defaults_and_values),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_moments),
    };
    return cmocka_run_group_tests(tests, NULL, fini);
}
