/* test_text.c - what is UTF-8 and what is not, where it was cut, and how names are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/text.h"

static void test_valid_and_not(void **state)
{
    static const char *const good[] = {
        "", "a", "abcdefgh", "abcdefghi\xC3\xBC", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
        "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF",
    };
    static const char *const bad[] = {
        "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2x", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "abcdefgh\xFE",
        "12345678123456\xF0\x90\x80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(text_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(text_is_valid(bad[i], strlen(bad[i])));
    assert_true(text_is_valid("a\0b", 3));
}

/* Each code point there is, encoded and found again; each way to write one that there is not, refused. */
static void test_every_code_point(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 0x200000; code++) {
        bool is_there = code < 0xD800 || (code >= 0xE000 && code <= 0x10FFFF);
        int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        static const uint8_t firsts[] = { 0, 0x00, 0xC0, 0xE0, 0xF0 };
        uint8_t b[4];
        unsigned rest = code;
        for (int i = n - 1; i > 0; i--, rest >>= 6)
            b[i] = (uint8_t)(0x80 | (rest & 0x3F));
        b[0] = (uint8_t)(firsts[n] | rest);
        if (text_step(b, (size_t)n) != (is_there ? n : 0))
            fail_msg("U+%X", code);
    }
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(text_step("", 0), -1);
    assert_int_equal(text_step("\xF0\x9F\x98", 3), -1);
    assert_int_equal(text_step("\xE2", 1), -1);
    assert_int_equal(text_step("\xE0\x9F", 2), 0);
    assert_int_equal(text_step("\xF4\x90", 2), 0);
    assert_int_equal(text_step("\x80", 1), 0);
    assert_int_equal(text_step("\xC3\xBC" "rest", 6), 2);
}

static void test_distance(void **state)
{
    char longest[65];

    (void)state;
    assert_int_equal(text_distance("state", "state"), 0);
    assert_int_equal(text_distance("stat", "state"), 1);
    assert_int_equal(text_distance("sttae", "state"), 1);
    assert_int_equal(text_distance("wieght", "weight"), 1);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("repo", "mr"), 4);
    memset(longest, 'x', sizeof(longest));
    longest[64] = '\0';
    assert_true(text_distance(longest, "x") == SIZE_MAX);
    assert_int_equal(text_distance(longest + 1, "x"), 62);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_and_not),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
