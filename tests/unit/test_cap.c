/* test_cap.c - the limit of a log: the first part, the last part, whole lines, and the counts of what is between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/runner/cap.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "proto/chain.h"

struct rig {
    struct cap *cap;
    struct buf all, head, tail;
    struct cap_end end;
    uint64_t now_ns;
    bool is_open;           /* the head's last line */
};

static void rig_init(struct rig *g, uint64_t max)
{
    *g = (struct rig){ .cap = cap_new(max) };
}

static void write_stream(struct rig *g, const char *data, size_t len, uint8_t stream)
{
    const size_t n = cap_admit(g->cap, (const uint8_t *)data, len, g->is_open);

    assert_true(n <= len);
    buf_append(&g->all, data, len);
    buf_append(&g->head, data, n);
    if (g->head.len)
        g->is_open = g->head.data[g->head.len - 1] != '\n';
    g->now_ns += 1000000;
    if (n < len) {
        assert_true(cap_is_reached(g->cap));
        cap_put(g->cap, &(struct piece){ .data = (const uint8_t *)data + n, .len = len - n, .stream = stream,
                                         .time_ns = g->now_ns });
    }
}

static void write_text(struct rig *g, const char *text)
{
    write_stream(g, text, strlen(text), CHAIN_BOTH);
}

static void rig_end(struct rig *g)
{
    struct piece p;

    cap_settle(g->cap, &g->end);
    while (cap_first(g->cap, &p)) {
        assert_true(p.len > 0 && p.len <= CHAIN_DATA_MAX);
        buf_append(&g->tail, p.data, p.len);
        cap_drop(g->cap, p.len);
    }
    assert_int_equal(g->head.len + g->end.bytes + g->tail.len, g->all.len);
}

static void rig_fini(struct rig *g)
{
    cap_free(&g->cap);
    buf_fini(&g->all);
    buf_fini(&g->head);
    buf_fini(&g->tail);
}

static const char *text_of(struct buf *b)
{
    buf_append(b, "", 0);
    return b->data;
}

static void test_below_the_limit(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 40);
    write_text(&g, "one\ntwo\n");
    write_text(&g, "three\nfour\nfive\nsix\nsevn\n"); /* 33: past the first part, not past the whole */
    rig_end(&g);
    assert_int_equal(g.end.bytes, 0);
    assert_int_equal(g.end.lines, 0);
    assert_string_equal(text_of(&g.head), "one\ntwo\nthree\nfour\nfive\nsix\n");
    assert_string_equal(text_of(&g.tail), "sevn\n");
    rig_fini(&g);
}

static void test_whole_lines_at_both_borders(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 40); /* 30 and 10 */
    for (int i = 10; i < 30; i++) {
        char line[32];

        snprintf(line, sizeof(line), "line %d\n", i);
        write_text(&g, line);
    }
    rig_end(&g);
    assert_string_equal(text_of(&g.head), "line 10\nline 11\nline 12\n");
    assert_string_equal(text_of(&g.tail), "line 28\nline 29\n"); /* 40 - 24 bytes */
    assert_int_equal(g.end.lines, 15);
    assert_int_equal(g.end.bytes, 15 * 8);
    rig_fini(&g);
}

static void test_one_endless_line(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 40);
    for (int i = 0; i < 100; i++)
        write_text(&g, "abc");
    rig_end(&g);
    assert_int_equal(g.head.len, 30);
    assert_int_equal(g.tail.len, 10);
    assert_int_equal(g.end.lines, 0);
    assert_string_equal(text_of(&g.tail), "cabcabcabc");
    rig_fini(&g);
}

static void test_tail_that_begins_at_a_line(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 40);
    for (int i = 0; i < 20; i++)
        write_text(&g, "1234\n"); /* two of them are the last 10 bytes, exactly */
    rig_end(&g);
    assert_int_equal(g.tail.len, 10);
    assert_int_equal(g.end.lines, 12);
    rig_fini(&g);
}

static void test_limits_too_small_to_keep_anything(void **state)
{
    (void)state;
    for (uint64_t max = 1; max < 6; max++) {
        struct rig g;

        rig_init(&g, max);
        write_text(&g, "some\nlines\n");
        write_text(&g, "and more\n");
        rig_end(&g);
        assert_true(g.head.len + g.tail.len <= max);
        rig_fini(&g);
    }
}

/* The pieces of two streams stay apart, in order, with the time at which they were read. */
static void test_streams(void **state)
{
    uint64_t before = 0;
    struct piece p;
    struct rig g;
    unsigned n = 0;

    (void)state;
    rig_init(&g, 400);
    for (int i = 0; i < 100; i++)
        write_stream(&g, "xxxxxxxxx\n", 10, i % 2 ? CHAIN_STDERR : CHAIN_STDOUT);
    cap_settle(g.cap, &g.end);
    for (; cap_first(g.cap, &p); n++) {
        assert_int_equal(p.len, 10);
        assert_int_equal(p.stream, n % 2 ? CHAIN_STDERR : CHAIN_STDOUT);
        assert_true(p.time_ns > before);
        before = p.time_ns;
        cap_drop(g.cap, 5);
        assert_true(cap_first(g.cap, &p));
        assert_int_equal(p.len, 5);
        cap_drop(g.cap, 5);
    }
    assert_int_equal(n, 10);
    rig_fini(&g);
}

/* Single bytes far apart: the pieces are bounded, too. */
static void test_many_pieces(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 4 << 20);
    for (int i = 0; i < 3 << 20; i++)
        buf_putc(&g.all, 'h');
    assert_int_equal(cap_admit(g.cap, (const uint8_t *)g.all.data, g.all.len, false), g.all.len);
    buf_append(&g.head, g.all.data, g.all.len);
    for (int i = 0; i < 100000; i++) {
        g.now_ns += 100000000;
        write_stream(&g, i % 10 == 9 ? "\n" : "x", 1, CHAIN_BOTH);
    }
    rig_end(&g);
    assert_int_equal(g.tail.len % 10, 0);
    assert_true(g.tail.len > 16000 && g.tail.len <= 16384);
    assert_int_equal(g.end.lines, 10000 - g.tail.len / 10);
    rig_fini(&g);
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    return n;
}

/* Whatever comes: a beginning and an end of it, and exact counts. */
static void test_random(void **state)
{
    (void)state;
    srand(4711);
    for (int round = 0; round < 2000; round++) {
        const uint64_t max = (uint64_t)(rand() % 300 + 1);
        struct rig g;

        rig_init(&g, max);
        for (int i = rand() % 60; i > 0; i--) {
            char data[120];
            size_t len = (size_t)(rand() % 100 + 1);

            for (size_t k = 0; k < len; k++)
                data[k] = (char)(rand() % (round % 40 + 1) ? 'a' + rand() % 26 : '\n');
            write_stream(&g, data, len, (uint8_t)(rand() % 2 + 1));
        }
        rig_end(&g);
        assert_true(g.head.len + g.tail.len <= max);
        assert_memory_equal(text_of(&g.head), text_of(&g.all), g.head.len);
        assert_memory_equal(text_of(&g.tail), text_of(&g.all) + g.all.len - g.tail.len, g.tail.len);
        assert_int_equal(count_lines(g.all.data + g.head.len, g.end.bytes), g.end.lines);
        if (g.all.len <= max)
            assert_int_equal(g.end.bytes, 0);
        rig_fini(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below_the_limit),
        cmocka_unit_test(test_whole_lines_at_both_borders),
        cmocka_unit_test(test_one_endless_line),
        cmocka_unit_test(test_tail_that_begins_at_a_line),
        cmocka_unit_test(test_limits_too_small_to_keep_anything),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
