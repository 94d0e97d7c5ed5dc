/* test_tail.c - where the last lines of a log begin, against counting from the front. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <stdlib.h>

#include "gateway/tail.h"
#include "lib/mem.h"

static uint64_t run(const char *log, uint64_t low, uint64_t end, uint64_t lines)
{
    struct tail t;

    tail_begin(&t, low, end, lines);
    while (!t.is_done) {
        uint64_t from = tail_block(&t);
        assert_true(from >= low && from < t.at && t.at - from <= TAIL_BLOCK);
        tail_look(&t, (const uint8_t *)log + from);
    }
    return t.start;
}

static uint64_t tail_of(const char *log, uint64_t lines)
{
    return run(log, 0, strlen(log), lines);
}

static void test_small(void **state)
{
    (void)state;
    assert_int_equal(tail_of("", 3), 0);
    assert_int_equal(tail_of("a\nb\nc\n", 1), 4);
    assert_int_equal(tail_of("a\nb\nc\n", 2), 2);
    assert_int_equal(tail_of("a\nb\nc\n", 3), 0);
    assert_int_equal(tail_of("a\nb\nc\n", 9), 0);
    assert_int_equal(tail_of("a\nb\nc", 1), 4);
    assert_int_equal(tail_of("a\nb\nc", 2), 2);
    assert_int_equal(tail_of("a\n\n", 1), 2);
    assert_int_equal(tail_of("\n", 1), 0);
    assert_int_equal(tail_of("a\nb\n", 0), 4);   /* nothing but what is still to come */
    assert_int_equal(run("a\nb\nc\n", 2, 6, 5), 2);
    assert_int_equal(run("a\nb\nc\n", 9, 6, 5), 6);
}

static uint64_t slowly(const char *log, uint64_t len, uint64_t lines)
{
    uint64_t at = len;

    for (; at > 0; at--)
        if (at < len && log[at - 1] == '\n' && --lines == 0)
            return at;
    return 0;
}

/* Across blocks. */
static void test_large(void **state)
{
    size_t len = 3 * TAIL_BLOCK + 12345;
    char *log = mem_alloc(len);
    unsigned seed = 7;

    (void)state;
    for (unsigned every = 1; every < 3000000; every *= 7) {
        for (size_t i = 0; i < len; i++)
            log[i] = (unsigned)rand_r(&seed) % every == 0 ? '\n' : 'x';
        for (uint64_t lines = 1; lines < 1000000; lines *= 10)
            assert_int_equal(run(log, 0, len, lines), slowly(log, len, lines));
    }
    mem_free(&log);
}

static void test_does_not_look_back_for_ever(void **state)
{
    struct tail t;

    (void)state;
    tail_begin(&t, 0, 10 * TAIL_REACH, 1);
    assert_int_equal(t.low, 9 * TAIL_REACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_does_not_look_back_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
