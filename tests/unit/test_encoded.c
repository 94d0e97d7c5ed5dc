/* test_encoded.c - events made once are those that a viewer would make itself, from whatever place it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/encoded.h"
#include "lib/mem.h"

static const struct sse_form named = { true, 3 };

static void add(struct encoded *e, uint64_t offset, const char *text)
{
    struct buf scratch = { 0 };

    encoded_add(e, &named, offset, (const uint8_t *)text, strlen(text), &scratch);
    buf_fini(&scratch);
}

static void assert_get(struct encoded *e, uint64_t offset, size_t room, const char *want, uint64_t want_next)
{
    const char *text = "";
    uint64_t next = offset;
    size_t n = encoded_get(e, offset, room, &text, &next);

    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
    assert_int_equal(next, want_next);
}

#define LOG(id, text) "event: log\nid: 3." id "\ndata: " text "\n\n"

static void test_whole_events(void **state)
{
    struct encoded e = { 0 };

    (void)state;
    assert_get(&e, 0, 1000, "", 0);
    assert_true(encoded_wants(&e, 0, 8, 2));
    add(&e, 0, "one\ntwo\nth");
    assert_get(&e, 0, 1000, LOG("4", "one") LOG("8", "two"), 8);
    assert_get(&e, 4, 1000, LOG("8", "two"), 8);
    assert_get(&e, 0, strlen(LOG("4", "one")), LOG("4", "one"), 4);
    assert_get(&e, 0, strlen(LOG("4", "one")) + 5, LOG("4", "one"), 4);
    assert_get(&e, 0, strlen(LOG("4", "one")) - 1, "", 0);   /* the viewer writes it bit by bit */
    assert_get(&e, 2, 1000, "", 2);                          /* nobody's place */
    assert_get(&e, 8, 1000, "", 8);
    assert_false(encoded_wants(&e, 8, 10, 2));               /* nothing new since */
    assert_true(encoded_wants(&e, 8, 12, 2));
    add(&e, 8, "three\r\n\n");
    assert_get(&e, 8, 1000, LOG("15", "three") LOG("16", ""), 16);
    encoded_fini(&e);
}

/* Another crowd's place is not given up for one viewer. */
static void test_begins_anew_for_many(void **state)
{
    struct encoded e = { 0 };

    (void)state;
    add(&e, 100, "x\n");
    for (int i = 0; i < 5; i++) {
        assert_false(encoded_wants(&e, 5000, 6000, 4));
        assert_get(&e, 5000, 1000, "", 5000);
    }
    assert_true(encoded_wants(&e, 5000, 6000, 4));
    assert_get(&e, 100, 1000, LOG("102", "x"), 102);
    assert_false(encoded_wants(&e, 5000, 6000, 4));
    add(&e, 5000, "y\n");
    assert_get(&e, 5000, 1000, LOG("5002", "y"), 5002);
    assert_get(&e, 100, 1000, "", 100);
    encoded_fini(&e);
}

/* Random bytes, in pieces, far more than is kept: what comes out at each place is what sse_put makes of it. */
static void test_same_as_own(void **state)
{
    enum { BYTES = 3 * 1024 * 1024 };
    struct encoded e = { 0 };
    struct buf scratch = { 0 }, own = { 0 };
    uint8_t *log = mem_alloc(BYTES);
    uint64_t shown = 0;
    size_t hits = 0;

    (void)state;
    srandom(7);
    for (size_t i = 0; i < BYTES; i++)
        log[i] = (uint8_t)(random() % 40 == 0 ? '\n' : random() % (i / 1000 % 2 ? 243 : 90) + 13);
    for (size_t end = 0, begin = 0; end < BYTES; begin = (size_t)shown) {
        end += (size_t)random() % 30000 + 1;
        end = end < BYTES ? end : BYTES;
        encoded_add(&e, &named, begin, log + begin, end - begin, &scratch);
        const char *text;
        uint64_t next;
        size_t n;
        while ((n = encoded_get(&e, shown, 1 + (size_t)random() % 4000, &text, &next)) > 0) {
            struct sse_event event;
            buf_reset(&own);
            while (shown < next) {
                assert_true(sse_next(log + shown, BYTES - (size_t)shown, SSE_WAIT, &event));
                sse_put(&named, &event, log + shown, shown, &own);
                shown += event.taken;
            }
            assert_int_equal(shown, next);
            assert_int_equal(own.len, n);
            assert_memory_equal(own.data, text, n);
            hits++;
        }
        if (encoded_get(&e, shown, SIZE_MAX / 2, &text, &next) > 0)
            shown = next;
    }
    assert_true(hits > 1000);
    assert_true(encoded_memory(&e) < 2 * ENCODED_MIN + 1024 * 1024);
    encoded_fini(&e);
    buf_fini(&scratch);
    buf_fini(&own);
    mem_free(&log);
}

/* The largest event there is: 16 KiB of carriage returns, each a new line of data. */
static void test_largest_event(void **state)
{
    struct encoded e = { 0 };
    struct buf scratch = { 0 };
    char *log = mem_alloc(4 * SSE_LINE_MAX);
    const char *text;
    uint64_t next;

    (void)state;
    memset(log, '\r', 4 * SSE_LINE_MAX);
    encoded_add(&e, &named, 0, (const uint8_t *)log, 4 * SSE_LINE_MAX, &scratch);
    for (uint64_t at = 0; at < SSE_LINE_MAX; at = next)
        if (encoded_get(&e, at, SIZE_MAX / 2, &text, &next) == 0)
            break;   /* dropped from the front already: whoever stands there makes it himself */
    assert_true(encoded_memory(&e) <= 2 * ENCODED_MIN + 64 * sizeof(struct encoded_mark));
    encoded_fini(&e);
    buf_fini(&scratch);
    mem_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_events),
        cmocka_unit_test(test_begins_anew_for_many),
        cmocka_unit_test(test_same_as_own),
        cmocka_unit_test(test_largest_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
