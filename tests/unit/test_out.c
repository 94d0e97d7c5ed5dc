/* test_out.c - texts for JSON documents, whatever bytes they hold and however they are cut; spans; short forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/out.h"

static void check_text(const char *text, const char *json)
{
    struct buf out = { 0 };

    out_json_text(&out, text);
    assert_string_equal(out.data, json);
    buf_fini(&out);
}

static void test_json_text(void **state)
{
    (void)state;
    check_text(NULL, "null");
    check_text("", "\"\"");
    check_text("a\"b\\c\n\t\x01\x7f", "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
    check_text("gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80", "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80\"");
    check_text("x\xFFy", "\"x\xEF\xBF\xBDy\"");
    check_text("x\xC3(", "\"x\xEF\xBF\xBD(\"");
    check_text("\xC3", "\"\xEF\xBF\xBD\"");
    check_text("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");    /* a surrogate */
    check_text("\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                    /* overlong */
    check_text("\xE2\xE2\x82\xAC", "\"\xEF\xBF\xBD\xE2\x82\xAC\"");            /* cut short by the next one */
}

/* The same bytes one by one give the same text. */
static void test_json_cut(void **state)
{
    static const char bytes[] = "\xE2\x82\xAC\0\xF0\x9F\x9A\x80\xF0\x9F z\xC3\xBC";
    struct out_utf8 u = { 0 }, v = { 0 };
    struct buf whole = { 0 }, cut = { 0 };

    (void)state;
    out_json_bytes(&u, &whole, bytes, sizeof(bytes) - 1);
    out_json_bytes_end(&u, &whole);
    for (size_t i = 0; i + 1 < sizeof(bytes); i++)
        out_json_bytes(&v, &cut, bytes + i, 1);
    out_json_bytes_end(&v, &cut);
    assert_string_equal(whole.data, cut.data);
    assert_non_null(strstr(whole.data, "\\u0000"));
    buf_fini(&whole);
    buf_fini(&cut);
}

static void test_span(void **state)
{
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(out_span(&a, 1234), "1.2 s");
    assert_string_equal(out_span(&a, 59999), "59 s");
    assert_string_equal(out_span(&a, 61000), "1m 01s");
    assert_string_equal(out_span(&a, 7380000), "2h 03m");
    assert_null(out_span(&a, -1));
    arena_fini(&a);
}

static void test_short(void **state)
{
    struct arena a = { 0 };

    (void)state;
    assert_string_equal(out_short(&a, "abcdef", 6), "abcdef");
    assert_string_equal(out_short(&a, "abcdefg", 6), "abc...");
    assert_string_equal(out_short(&a, "\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC", 4), "\xC3\xBC...");
    assert_null(out_short(&a, NULL, 4));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_text),
        cmocka_unit_test(test_json_cut),
        cmocka_unit_test(test_span),
        cmocka_unit_test(test_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
