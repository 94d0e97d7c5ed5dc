/* test_ring.c - the newest bytes of a log under their absolute offsets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/ring.h"

#define PUT(r, offset, text, max) ring_put(r, offset, (const uint8_t *)(text), strlen(text), max)

static void assert_bytes(const struct ring *r, uint64_t offset, const char *text)
{
    const uint8_t *data;

    assert_int_equal(ring_peek(r, offset, &data), strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static void test_grows(void **state)
{
    struct ring r = { 0 };
    const uint8_t *data;

    (void)state;
    assert_int_equal(ring_peek(&r, 0, &data), 0);
    PUT(&r, 100, "hello ", 1000);
    PUT(&r, 106, "world", 1000);
    assert_bytes(&r, 100, "hello world");
    assert_bytes(&r, 106, "world");
    assert_int_equal(ring_end(&r), 111);
    assert_int_equal(ring_peek(&r, 99, &data), 0);
    assert_int_equal(ring_peek(&r, 111, &data), 0);
    ring_fini(&r);
}

static void test_known_bytes_are_skipped(void **state)
{
    struct ring r = { 0 };

    (void)state;
    PUT(&r, 0, "abcdef", 1000);
    PUT(&r, 0, "abc", 1000);
    PUT(&r, 3, "defghi", 1000);
    assert_bytes(&r, 0, "abcdefghi");
    ring_fini(&r);
}

static void test_a_hole_drops_the_old(void **state)
{
    struct ring r = { 0 };
    const uint8_t *data;

    (void)state;
    PUT(&r, 0, "abc", 1000);
    PUT(&r, 10, "xyz", 1000);
    assert_int_equal(ring_peek(&r, 0, &data), 0);
    assert_bytes(&r, 10, "xyz");
    ring_fini(&r);
}

static void test_keeps_the_newest(void **state)
{
    struct ring r = { 0 };

    (void)state;
    PUT(&r, 0, "abcdef", 4);
    assert_bytes(&r, 2, "cdef");
    PUT(&r, 6, "gh", 4);
    assert_bytes(&r, 4, "efgh");
    ring_fini(&r);
}

/* Every byte names its offset, over many moves of the buffer. */
static void test_stays_bounded_and_right(void **state)
{
    enum { MAX = 64 * 1024 };
    struct ring r = { 0 };
    uint8_t chunk[1500];
    const uint8_t *data;
    uint64_t offset = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        size_t len = 1 + (size_t)i * 7 % sizeof(chunk);
        for (size_t j = 0; j < len; j++)
            chunk[j] = (uint8_t)((offset + j) * 31 >> 3);
        ring_put(&r, offset, chunk, len, MAX);
        offset += len;
        assert_true(r.len <= MAX && r.cap <= 4 * MAX);
        size_t n = ring_peek(&r, r.offset, &data);
        assert_int_equal(n, r.len);
        assert_int_equal(data[0], (uint8_t)(r.offset * 31 >> 3));
        assert_int_equal(data[n - 1], (uint8_t)((offset - 1) * 31 >> 3));
        assert_int_equal(data[n / 2], (uint8_t)((r.offset + n / 2) * 31 >> 3));
    }
    ring_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_known_bytes_are_skipped),
        cmocka_unit_test(test_a_hole_drops_the_old),
        cmocka_unit_test(test_keeps_the_newest),
        cmocka_unit_test(test_stays_bounded_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
