/* test_lines.c - bytes of a log as lines: whole, long, cut anywhere, of streams that interleave; and the texts that are
 * looked for in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <stdlib.h>

#include "gateway/base64.h"
#include "gateway/grep.h"
#include "gateway/lines.h"
#include "lib/mem.h"

struct seen {
    struct buf text[LINE_SOURCES];   /* what was returned, newlines put back */
    size_t lines, pieces;
    struct line last;
};

static void see(struct seen *seen, const struct line *line)
{
    assert_true(line->len <= LINE_PIECE_MAX);
    buf_append(&seen->text[line->source], line->data, line->len);
    if (line->is_ended)
        buf_putc(&seen->text[line->source], '\n');
    seen->lines += line->is_first;
    seen->pieces++;
    seen->last = *line;
}

static void feed(struct lines *l, unsigned source, uint64_t offset, const char *data, size_t len, struct seen *seen)
{
    size_t done = 0;

    while (done < len) {
        const struct line_origin from = { source, source % 3, offset + done, 1000 + offset + done };
        struct line line;
        size_t n = lines_take(l, &from, (const uint8_t *)data + done, len - done, &line);
        assert_true(n > 0 || line.data);
        done += n;
        if (line.data)
            see(seen, &line);
    }
}

static void rest(struct lines *l, struct seen *seen)
{
    struct line line;

    while (lines_rest(l, &line))
        see(seen, &line);
}

static void seen_fini(struct seen *seen)
{
    for (size_t i = 0; i < LINE_SOURCES; i++)
        buf_fini(&seen->text[i]);
}

static void test_whole_lines(void **state)
{
    struct lines l = { 0 };
    struct seen seen = { 0 };

    (void)state;
    feed(&l, 0, 100, "one\n\ntwo\r\n", 10, &seen);
    assert_int_equal(seen.lines, 3);
    assert_int_equal(seen.last.offset, 105);
    assert_int_equal(seen.last.len, 4);   /* the CR is the line's */
    assert_true(seen.last.is_ended);
    assert_true(lines_pending(&l) == UINT64_MAX);
    rest(&l, &seen);
    assert_int_equal(seen.pieces, 3);
    assert_string_equal(seen.text[0].data, "one\n\ntwo\r\n");
    lines_fini(&l);
    seen_fini(&seen);
}

static void test_a_line_that_comes_in_bits(void **state)
{
    struct lines l = { 0 };
    struct seen seen = { 0 };

    (void)state;
    feed(&l, 0, 0, "he", 2, &seen);
    feed(&l, 0, 2, "llo", 3, &seen);
    assert_int_equal(seen.pieces, 0);
    assert_int_equal(lines_pending(&l), 0);
    feed(&l, 0, 5, "\nnext", 5, &seen);
    assert_int_equal(seen.pieces, 1);
    assert_int_equal(seen.last.offset, 0);
    assert_int_equal(seen.last.time_ns, 1000);   /* when it began */
    assert_int_equal(lines_pending(&l), 6);
    rest(&l, &seen);
    assert_int_equal(seen.last.offset, 6);
    assert_false(seen.last.is_ended);
    assert_string_equal(seen.text[0].data, "hello\nnext");
    lines_fini(&l);
    seen_fini(&seen);
}

static void test_streams_do_not_mix(void **state)
{
    struct lines l = { 0 };
    struct seen seen = { 0 };

    (void)state;
    feed(&l, 1, 0, "out", 3, &seen);
    feed(&l, 2, 3, "err\n", 4, &seen);
    feed(&l, LINE_NOTES, 7, "[note]\n", 7, &seen);
    assert_int_equal(seen.pieces, 2);
    assert_int_equal(lines_pending(&l), 0);
    feed(&l, 1, 14, "put\n", 4, &seen);
    assert_int_equal(seen.last.offset, 0);
    assert_string_equal(seen.text[1].data, "output\n");
    assert_string_equal(seen.text[2].data, "err\n");
    assert_string_equal(seen.text[LINE_NOTES].data, "[note]\n");
    lines_fini(&l);
    seen_fini(&seen);
}

/* A long line comes in pieces that do not cut characters; only the first one is a line's beginning. */
static void test_long_lines(void **state)
{
    size_t len = 3 * LINE_PIECE_MAX + 100;
    char *text = mem_alloc(len + 1);
    struct lines l = { 0 };
    struct seen seen = { 0 };

    (void)state;
    text[0] = 'x';           /* so that the first limit falls into a character */
    for (size_t i = 1; i < len; i++)
        text[i] = i % 2 ? '\xC3' : '\xA9';
    text[len] = '\n';
    feed(&l, 0, 0, text, len + 1, &seen);
    assert_int_equal(seen.lines, 1);
    assert_int_equal(seen.pieces, 4);
    assert_true(seen.last.is_ended);
    assert_int_equal(seen.last.offset, 3 * LINE_PIECE_MAX - 1);
    assert_int_equal(seen.text[0].len, len + 1);
    assert_memory_equal(seen.text[0].data, text, len + 1);
    lines_fini(&l);
    seen_fini(&seen);
    mem_free(&text);
}

/* Whatever the cuts, the bytes come back, and each stream's are its own. */
static void test_any_cuts(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct buf all[LINE_SOURCES] = { { 0 } };
        struct lines l = { 0 };
        struct seen seen = { 0 };
        uint64_t offset = 0;
        unsigned seed = round;
        for (unsigned i = 0; i < 20; i++) {
            static char bytes[20000];
            size_t len = (size_t)rand_r(&seed) % (round % 4 ? 50 : sizeof(bytes)) + 1;
            unsigned source = (unsigned)rand_r(&seed) % LINE_SOURCES;
            for (size_t k = 0; k < len; k++)
                bytes[k] = (char)(rand_r(&seed) % (round % 3 ? 256 : 12));
            buf_append(&all[source], bytes, len);
            feed(&l, source, offset, bytes, len, &seen);
            offset += len;
        }
        rest(&l, &seen);
        for (size_t i = 0; i < LINE_SOURCES; i++) {
            assert_int_equal(seen.text[i].len, all[i].len);
            if (all[i].len > 0)
                assert_memory_equal(seen.text[i].data, all[i].data, all[i].len);
            buf_fini(&all[i]);
        }
        lines_fini(&l);
        seen_fini(&seen);
    }
}

static bool matches(const char *wanted, bool ignores_case, const char *line)
{
    struct grep g;
    bool is_match;

    grep_init(&g, wanted, ignores_case);
    is_match = grep_matches(&g, (const uint8_t *)line, strlen(line));
    grep_fini(&g);
    return is_match;
}

static void test_grep(void **state)
{
    (void)state;
    assert_true(matches("err", false, "an error"));
    assert_false(matches("Err", false, "an error"));
    assert_true(matches("Err", true, "an eRRor"));
    assert_true(matches("\xC3\x84", true, "x\xC3\x84y"));
    assert_false(matches("\xC3\x84", true, "x\xC3\xA4y"));   /* letters A to Z only */
    assert_false(matches("longer", false, "long"));
    assert_false(matches("a", false, ""));
    assert_true(matches(".*", false, "literally .*"));
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = { { "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },
                                            { "foo", "Zm9v" },  { "foob", "Zm9vYg==" },  { "\xFF\xFE\xFD", "//79" } };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf out = { 0 };
        base64_encode((const uint8_t *)pairs[i][0], strlen(pairs[i][0]), &out);
        assert_string_equal(out.data, pairs[i][1]);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_lines),
        cmocka_unit_test(test_a_line_that_comes_in_bits),
        cmocka_unit_test(test_streams_do_not_mix),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_any_cuts),
        cmocka_unit_test(test_grep),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
