/* test_gitref.c - what a task may call a ref, and which object a remote's listing makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/gitref.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"

static void test_names(void **state)
{
    static const char *const good[] = { "main", "feature/x-1", "v1.2", "refs/merge-requests/7/head", A, "HEAD", "a@b" };
    static const char *const bad[] = { "",      "-main", "--upload-pack=x", "a b",  "a..b", "HEAD~1", "a^",   "a:b",
                                       "x@{1}", "a*",    "a?",              "a[b",  "a\\b", "a\nb",   "/a",   "a/",
                                       "a//b",  "a.",    "\x7f" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(gitref_check(good[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = { 0 };

        assert_int_equal(gitref_check(bad[i], &e), -1);
        assert_non_null(strstr(e.text, "not a branch, tag, ref or commit id"));
    }
    assert_true(gitref_is_id(A));
    assert_false(gitref_is_id("aaaaaaa"));
    assert_true(gitref_is_short_id("aaaaaaa"));
    assert_false(gitref_is_short_id("aaaaaag"));
    assert_false(gitref_is_short_id("aaaa"));
}

static const char *pick(const char *ref, const char *listing, struct arena *a)
{
    return gitref_pick(listing, gitref_candidates(ref, a), a);
}

static void test_picks(void **state)
{
    const char *listing = A "\tHEAD\n" A "\trefs/heads/main\n" B "\trefs/heads/v1\n" B "\trefs/tags/v1\n" C
                            "\trefs/tags/v2\n" B "\trefs/tags/v2^{}\n" C "\trefs/merge-requests/7/head\n" C
                            "\trefs/x/refs/heads/other\n";
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(pick("HEAD", listing, &a), A);
    assert_string_equal(pick("main", listing, &a), A);
    assert_string_equal(pick("v1", listing, &a), B);
    assert_string_equal(pick("v2", listing, &a), B);
    assert_string_equal(pick("refs/tags/v2", listing, &a), B);
    assert_string_equal(pick("merge-requests/7/head", listing, &a), C);
    assert_string_equal(pick("refs/merge-requests/7/head", listing, &a), C);
    assert_null(pick("other", listing, &a));
    assert_null(pick("mai", listing, &a));
    assert_null(pick("main", "fatal: main\nxx\trefs/heads/main\n", &a));
    assert_null(pick("main", "", &a));
    arena_fini(&a);
}

static void test_merge_requests(void **state)
{
    struct arena a = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_string_equal(gitref_of_mr("refs/merge-requests/{mr}/head", "7", &a, &e), "refs/merge-requests/7/head");
    assert_string_equal(gitref_of_mr("refs/heads/staging", "7", &a, &e), "refs/heads/staging");
    assert_null(gitref_of_mr("refs/pull/{mr}/head", "../../heads/main", &a, &e));
    assert_null(gitref_of_mr("refs/pull/{mr}/head", "7 8", &a, NULL));
    assert_null(gitref_of_mr("refs/pull/{mr}/head", "", &a, NULL));
    assert_null(gitref_of_mr("refs/pull/{mr}/head", "\t", &a, NULL));
    assert_non_null(strstr(e.text, "cannot be part of refs/pull/{mr}/head"));
    arena_fini(&a);
}

static void test_mirror_names(void **state)
{
    struct arena a = { 0 };
    const char *one = gitref_mirror_name("zlib", "file:///a", &a);

    (void)state;
    assert_memory_equal(one, "zlib-", 5);
    assert_string_not_equal(one, gitref_mirror_name("zlib", "file:///b", &a));
    assert_memory_equal(gitref_mirror_name("https://h/x/../..", "u", &a), "_.-", 3);
    assert_null(strchr(gitref_mirror_name("a b/c d;e", "u", &a), ' '));
    assert_null(strchr(gitref_mirror_name("file:///x/y/", "u", &a), '/'));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_picks),
        cmocka_unit_test(test_merge_requests),
        cmocka_unit_test(test_mirror_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
