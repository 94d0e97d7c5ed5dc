/* test_buildenv.c - the environment of builds, and texts made fit to be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "lib/mem.h"

static void test_environment(void **state)
{
    static const struct msg_pair own[] = { { "MY", "x" },          { "PATH", "/own" },   { "ORION_TASK_ID", "forged" },
                                           { "ORION", "forged" },  { "A=B", "c" },       { "", "c" },
                                           { "MY", "y" },          { "LANG", "de_DE" } };
    const struct buildenv b = { .path = "/tools:/usr/bin", .home = "/h", .tmp = "/t", .task_id = "id", .attempt = 3,
                                .repo = "zlib", .commit = "c0", .target = "all", .own = { own, ARRAY_LEN(own) } };
    struct arena a = { 0 };
    struct msg_pairs env = buildenv_make(&b, &a);

    (void)state;
    assert_string_equal(buildenv_get(env, "PATH"), "/own");
    assert_string_equal(buildenv_get(env, "MY"), "y");
    assert_string_equal(buildenv_get(env, "LANG"), "de_DE");
    assert_string_equal(buildenv_get(env, "HOME"), "/h");
    assert_string_equal(buildenv_get(env, "TMPDIR"), "/t");
    assert_string_equal(buildenv_get(env, "CI"), "true");
    assert_string_equal(buildenv_get(env, "ORION"), "true");
    assert_string_equal(buildenv_get(env, "ORION_TASK_ID"), "id");
    assert_string_equal(buildenv_get(env, "ORION_ATTEMPT"), "3");
    assert_string_equal(buildenv_get(env, "ORION_TARGET"), "all");
    assert_null(buildenv_get(env, "ORION_MR"));
    assert_null(buildenv_get(env, "A=B"));
    assert_int_equal(env.n, 12);
    arena_fini(&a);
}

static void test_commands(void **state)
{
    static const char *const argv[] = { "make", "-j2", "CFLAGS=-O2 -g", "it's", "", "a;b", "$(x)" };
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(text_command((struct msg_strs){ argv, ARRAY_LEN(argv) }, &a),
                        "make -j2 'CFLAGS=-O2 -g' 'it'\\''s' '' 'a;b' '$(x)'");
    assert_string_equal(text_command((struct msg_strs){ 0 }, &a), "");
    arena_fini(&a);
}

static void test_clean(void **state)
{
    static const struct {
        const char *in;
        size_t max;
        const char *out;
    } rows[] = {
        { "plain\n\ttext", 100, "plain\n\ttext" },
        { "a\rb\033[0mc", 100, "a b [0mc" },
        { "gr\xc3\xbc\xc3\x9f", 100, "gr\xc3\xbc\xc3\x9f" },
        { "bad \xff\xc3 \xe2\x82 \xed\xa0\x80 \xc0\xaf", 100, "bad ?? ?? ??? ??" },
        { "\xf0\x9f\x98\x80 \xf4\x90\x80\x80", 100, "\xf0\x9f\x98\x80 ????" },
        { "cut", 2, "cu" },
        { "a\xc3\xbc", 2, "a" },
        { "", 5, "" },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(text_clean(rows[i].in, rows[i].max, &a), rows[i].out);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
