/* test_cast.c - events of an asciicast: times that never go back, characters that are never cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/cast.h"

static void put(struct cast *c, unsigned stream, uint64_t time_ns, const char *text, struct buf *out)
{
    cast_put(c, stream, time_ns, (const uint8_t *)text, strlen(text), out);
}

static void assert_out(struct buf *out, const char *text)
{
    assert_string_equal(out->data ? out->data : "", text);
    buf_reset(out);
}

static void test_events(void **state)
{
    struct cast c = { 0 };
    struct buf out = { 0 };

    (void)state;
    put(&c, 0, 1500000, "hi\nyou", &out);
    assert_out(&out, "[0.001500,\"o\",\"hi\\r\\nyou\"]\n");
    put(&c, 0, 61000000000, "\t\x1b[31m\"\\", &out);
    assert_out(&out, "[61.000000,\"o\",\"\\t\\u001b[31m\\\"\\\\\"]\n");
    put(&c, 0, 5, "back in time", &out);
    assert_out(&out, "[61.000000,\"o\",\"back in time\"]\n");
    cast_put(&c, 0, 61000000000, (const uint8_t *)"\0\xFFz", 3, &out);
    assert_out(&out, "[61.000000,\"o\",\"\\u0000\xEF\xBF\xBDz\"]\n");
    cast_end(&c, &out);
    assert_out(&out, "");
    cast_fini(&c);
    buf_fini(&out);
}

static void test_characters_that_are_cut(void **state)
{
    struct cast c = { 0 };
    struct buf out = { 0 };

    (void)state;
    put(&c, 1, 0, "\xF0\x9F", &out);
    assert_out(&out, "");
    put(&c, 2, 0, "x\xC3", &out);            /* another stream's half does not mix in */
    assert_out(&out, "[0.000000,\"o\",\"x\"]\n");
    put(&c, 1, 0, "\x9A\x80!", &out);
    assert_out(&out, "[0.000000,\"o\",\"\xF0\x9F\x9A\x80!\"]\n");
    put(&c, 2, 0, "\xA9", &out);
    assert_out(&out, "[0.000000,\"o\",\"\xC3\xA9\"]\n");
    put(&c, 0, 0, "end\xE2\x82", &out);
    assert_out(&out, "[0.000000,\"o\",\"end\"]\n");
    cast_end(&c, &out);
    assert_out(&out, "[0.000000,\"o\",\"\xEF\xBF\xBD\xEF\xBF\xBD\"]\n");
    cast_fini(&c);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_characters_that_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
