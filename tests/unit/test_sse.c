/* test_sse.c - log bytes as events: where one ends, and that nothing a build writes can end it early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/sse.h"

static struct sse_event event;

static bool next(const char *text, enum sse_rest rest)
{
    return sse_next((const uint8_t *)text, strlen(text), rest, &event);
}

static void assert_event(size_t shown, size_t taken, bool is_part)
{
    assert_int_equal(event.shown, shown);
    assert_int_equal(event.taken, taken);
    assert_int_equal(event.is_part, is_part);
}

static void test_lines(void **state)
{
    (void)state;
    assert_true(next("hello\nworld", SSE_WAIT));
    assert_event(5, 6, false);
    assert_true(next("\n", SSE_WAIT));
    assert_event(0, 1, false);
    assert_true(next("dos\r\n", SSE_WAIT));
    assert_event(3, 5, false);
    assert_true(next("\r\n", SSE_WAIT));
    assert_event(0, 2, false);
    assert_false(next("", SSE_LAST));
}

static void test_unfinished_line(void **state)
{
    (void)state;
    assert_false(next("10%", SSE_WAIT));
    assert_true(next("10%", SSE_QUIET));
    assert_event(3, 3, true);
    assert_true(next("10%\r", SSE_QUIET));   /* an LF may be next */
    assert_event(3, 3, true);
    assert_false(next("\r", SSE_QUIET));
    assert_true(next("\r", SSE_LAST));
    assert_event(1, 1, true);
    assert_true(next("caf\xC3", SSE_QUIET)); /* a cut character waits for its rest */
    assert_event(3, 3, true);
    assert_true(next("caf\xC3", SSE_LAST));
    assert_event(4, 4, true);
    assert_true(next("caf\xFF", SSE_QUIET)); /* one that cannot be completed does not */
    assert_event(4, 4, true);
}

static void test_long_line(void **state)
{
    static char text[3 * SSE_LINE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_true(sse_next((uint8_t *)text, sizeof(text), SSE_WAIT, &event));
    assert_event(SSE_LINE_MAX, SSE_LINE_MAX, true);
    assert_false(sse_next((uint8_t *)text, SSE_LINE_MAX, SSE_WAIT, &event));
    text[SSE_LINE_MAX] = '\n';
    assert_true(sse_next((uint8_t *)text, sizeof(text), SSE_WAIT, &event));
    assert_event(SSE_LINE_MAX, SSE_LINE_MAX + 1, false);
    text[SSE_LINE_MAX] = 'x';
    memcpy(text + SSE_LINE_MAX - 2, "\xE2\x82\xAC", 3);
    assert_true(sse_next((uint8_t *)text, sizeof(text), SSE_WAIT, &event));
    assert_event(SSE_LINE_MAX - 2, SSE_LINE_MAX - 2, true);
}

static void assert_text(const char *data, size_t len, const char *expected)
{
    char out[256];
    size_t written;

    assert_int_equal(sse_text((const uint8_t *)data, len, out, sizeof(out), &written), len);
    assert_int_equal(written, strlen(expected));
    assert_memory_equal(out, expected, written);
}

static void test_text(void **state)
{
    (void)state;
    assert_text("plain \x1B[31mred", 14, "plain \x1B[31mred");
    assert_text("10%\r20%", 7, "10%\ndata: 20%");
    assert_text("a\0b", 3, "a\xEF\xBF\xBD" "b");
    assert_text("caf\xC3\xA9", 5, "caf\xC3\xA9");
    assert_text("\xFFx\xC3", 3, "\xEF\xBF\xBDx\xEF\xBF\xBD");
    assert_text("\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_text("", 0, "");
}

/* Whatever the room, the pieces make the same text. */
static void test_text_in_pieces(void **state)
{
    static const char data[] = "one\rtwo \xC3\xA9\xE2\x82\xAC \xFF\xF0\x9F\x98\x80 three\0four";
    size_t len = sizeof(data) - 1;
    char whole[256], out[256];
    size_t whole_len;

    (void)state;
    assert_int_equal(sse_text((const uint8_t *)data, len, whole, sizeof(whole), &whole_len), len);
    for (size_t room = SSE_STEP_MAX; room < 40; room++) {
        size_t at = 0, used = 0, written;
        while (at < len) {
            size_t done = sse_text((const uint8_t *)data + at, len - at, out + used, room, &written);
            assert_true(done > 0 && written <= room);
            at += done;
            used += written;
        }
        assert_int_equal(used, whole_len);
        assert_memory_equal(out, whole, used);
    }
}

static void test_whole_event(void **state)
{
    static const uint8_t log[] = "a\rb\0\n";
    const struct sse_form named = { true, 7 }, plain = { false, 12345 };
    struct buf out = { 0 };

    (void)state;
    assert_true(sse_next(log, 5, SSE_WAIT, &event));
    sse_put(&named, &event, log, 995, &out);
    assert_string_equal(out.data, "event: log\nid: 7.1000\ndata: a\ndata: b\xEF\xBF\xBD\n\n");
    buf_reset(&out);
    assert_true(sse_next(log, 1, SSE_QUIET, &event));
    sse_put(&named, &event, log, 0, &out);
    assert_string_equal(out.data, "event: part\nid: 7.1\ndata: a\n\n");
    buf_reset(&out);
    sse_put(&plain, &event, log, UINT64_MAX / 2, &out);
    assert_string_equal(out.data, "id: 12345.9223372036854775808\ndata: a\n\n");
    buf_fini(&out);
}

static void test_longest_head(void **state)
{
    const struct sse_form form = { true, INT64_MAX };
    char head[SSE_HEAD_MAX];

    (void)state;
    assert_true(sse_head(&form, true, UINT64_MAX, head) <= sizeof(head));
}

/* A piece of a log may end within a character whose rest is in the next piece: a viewer saw U+FFFD instead. */
static void test_a_character_cut_by_a_piece(void **state)
{
    static const char text[] = "ab\xF0\x9F\x98\x80";

    (void)state;
    assert_int_equal(sse_cut_character((const uint8_t *)text, 2), 0);
    for (size_t n = 3; n < 6; n++)
        assert_int_equal(sse_cut_character((const uint8_t *)text, n), n - 2);
    assert_int_equal(sse_cut_character((const uint8_t *)text, 6), 0);
    assert_int_equal(sse_cut_character((const uint8_t *)"a\x80\x80", 3), 0);
    assert_int_equal(sse_cut_character((const uint8_t *)"a\xFF", 2), 0);
    assert_int_equal(sse_cut_character((const uint8_t *)"a\r", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_unfinished_line),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_in_pieces),
        cmocka_unit_test(test_whole_event),
        cmocka_unit_test(test_longest_head),
        cmocka_unit_test(test_a_character_cut_by_a_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
