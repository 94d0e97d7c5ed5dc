/* test_byte_range.c - Range, If-Range and If-None-Match as clients send them, and as they should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/byte_range.h"

static void assert_part(const char *header, uint64_t size, uint64_t from, uint64_t to)
{
    uint64_t from_is, to_is;

    assert_int_equal(byte_range(header, size, &from_is, &to_is), RANGE_PART);
    assert_int_equal(from_is, from);
    assert_int_equal(to_is, to);
}

static void assert_end(const char *header, uint64_t size, enum range_end end)
{
    uint64_t from, to;

    assert_int_equal(byte_range(header, size, &from, &to), end);
}

static void test_parts(void **state)
{
    (void)state;
    assert_part("bytes=0-0", 10, 0, 1);
    assert_part("bytes=2-4", 10, 2, 5);
    assert_part("bytes=2-", 10, 2, 10);
    assert_part("bytes=2-99", 10, 2, 10);
    assert_part("bytes=2-18446744073709551615", 10, 2, 10);
    assert_part("bytes=2-99999999999999999999999", 10, 2, 10);
    assert_part("bytes=-3", 10, 7, 10);
    assert_part("bytes=-30", 10, 0, 10);
    assert_part("Bytes= 1-2 ", 10, 1, 3);
}

static void test_nothing_there(void **state)
{
    (void)state;
    assert_end("bytes=10-", 10, RANGE_UNSATISFIABLE);
    assert_end("bytes=10-20", 10, RANGE_UNSATISFIABLE);
    assert_end("bytes=99999999999999999999999-", 10, RANGE_UNSATISFIABLE);
    assert_end("bytes=-0", 10, RANGE_UNSATISFIABLE);
    assert_end("bytes=-5", 0, RANGE_UNSATISFIABLE);
    assert_end("bytes=0-", 0, RANGE_UNSATISFIABLE);
}

static void test_the_whole(void **state)
{
    static const char *const odd[] = { NULL, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=4-2",
                                       "bytes=1-2,4-5", "bytes=1-2x", "lines=1-2", "bytes=-5x", "bytes 1-2" };

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        assert_end(odd[i], 10, RANGE_NONE);
}

static void test_tags(void **state)
{
    (void)state;
    assert_true(etag_is_listed("\"ab\"", "\"ab\""));
    assert_true(etag_is_listed("W/\"ab\"", "\"ab\""));
    assert_true(etag_is_listed("\"x\" , \"ab\"", "\"ab\""));
    assert_true(etag_is_listed(" * ", "\"ab\""));
    assert_false(etag_is_listed(NULL, "\"ab\""));
    assert_false(etag_is_listed("", "\"ab\""));
    assert_false(etag_is_listed("\"abc\", ab", "\"ab\""));
    assert_true(etag_allows_range(NULL, "\"ab\""));
    assert_true(etag_allows_range("\"ab\"", "\"ab\""));
    assert_false(etag_allows_range("W/\"ab\"", "\"ab\""));
    assert_false(etag_allows_range("Sat, 21 Nov 2026 03:14:15 GMT", "\"ab\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_the_whole),
        cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
