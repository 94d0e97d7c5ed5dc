/* test_log_view.c - what `orion logs` makes of a log on its way to the screen: events and JSON lines through breaks, lines
 * that hold a text, text without escape sequences; points in time; when a replay's chunks are due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/events.h"
#include "cli/json_lines.h"
#include "cli/line_filter.h"
#include "cli/plain.h"
#include "cli/replay_clock.h"
#include "cli/since.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- events ------------------------------------------------------------------------------------------------------ */

static const char event_text[] = "retry: 2000\n\n:\n\nevent: log\nid: 1.4\ndata: one\n\nevent: log\nid: 1.5\ndata:\n\n"
                                 "event: part\nid:1.9\ndata: two\ndata: half\n\nevent: end\nid: 1.9\ndata: {}\n\n";
static const char event_out[] = "event: log\nid: 1.4\ndata: one\n\nevent: log\nid: 1.5\ndata:\n\n"
                                "event: part\nid:1.9\ndata: two\ndata: half\n\nevent: end\nid: 1.9\ndata: {}\n\n";

static void test_events_in_any_pieces(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof(event_text); cut++) {
        struct events s = { 0 };
        struct buf out = { 0 };
        for (size_t at = 0; at < strlen(event_text); at += cut) {
            size_t left = strlen(event_text) - at;
            assert_true(events_feed(&s, event_text + at, left < cut ? left : cut, &out));
        }
        assert_string_equal(out.data, event_out);
        assert_string_equal(s.last_id, "1.9");
        assert_true(s.has_ended);
        events_fini(&s);
        buf_fini(&out);
    }
}

/* Cut anywhere, begun again behind the last whole event: nothing is missed, nothing comes twice. */
static void test_events_through_a_break(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < strlen(event_text); cut++) {
        struct events s = { 0 };
        struct buf out = { 0 };
        char line[EVENTS_ID_SIZE + 1];
        const char *rest = event_text;
        events_feed(&s, event_text, cut, &out);
        events_break(&s);
        if (s.last_id[0] && !s.has_ended) {
            snprintf(line, sizeof(line), "%s\n", s.last_id);
            rest = strstr(strstr(event_text, line), "\n\n") + 2;
        }
        if (!s.has_ended)
            events_feed(&s, rest, strlen(rest), &out);
        assert_string_equal(out.data, event_out);
        events_fini(&s);
        buf_fini(&out);
    }
}

static void test_an_event_without_end_is_bounded(void **state)
{
    struct events s = { 0 };
    struct buf out = { 0 };
    char text[65536];
    size_t fed = 0;

    (void)state;
    memset(text, 'x', sizeof(text));
    while (events_feed(&s, text, sizeof(text), &out))
        fed += sizeof(text);
    assert_in_range(fed, EVENTS_PENDING_MAX - sizeof(text), EVENTS_PENDING_MAX);
    assert_int_equal(out.len, 0);
    events_fini(&s);
}

/* --- JSON lines -------------------------------------------------------------------------------------------------- */

#define LINE(stream, offset, next, text)                                                                           \
    "{\"attempt\":1,\"offset\":" #offset ",\"next\":" #next ",\"t_ms\":1,\"stream\":\"" stream "\",\"text\":\"" text "\"}\n"

static void test_json_lines_through_a_break(void **state)
{
    static const char first[] = LINE("both", 0, 4, "one") LINE("both", 4, 8, "two");
    static const char again[] = LINE("both", 4, 8, "two") LINE("both", 8, 14, "three");

    (void)state;
    for (size_t cut = strlen(LINE("both", 0, 4, "one")); cut <= strlen(first); cut++) {
        struct json_lines l = { 0 };
        struct buf out = { 0 };
        struct err e = { 0 };
        assert_int_equal(json_lines_feed(&l, first, cut, &out, &e), 0);
        json_lines_break(&l);
        assert_int_equal(l.next, cut == strlen(first) ? 8 : 4);
        assert_int_equal(json_lines_feed(&l, again, strlen(again), &out, &e), 0);
        assert_string_equal(out.data, LINE("both", 0, 4, "one") LINE("both", 4, 8, "two") LINE("both", 8, 14, "three"));
        assert_int_equal(l.next, 14);
        json_lines_fini(&l);
        buf_fini(&out);
    }
}

/* A line of stdout that is not at its end holds `next` back; lines of stderr behind it come again. */
static void test_json_lines_of_two_streams(void **state)
{
    static const char first[] = LINE("stderr", 5, 0, "warn") LINE("stderr", 20, 0, "more");
    static const char again[] = LINE("stdout", 0, 5, "long") LINE("stderr", 5, 10, "warn") LINE("stderr", 20, 25, "more")
        LINE("stdout", 25, 30, "end");
    struct json_lines l = { 0 };
    struct buf out = { 0 };
    struct err e = { 0 };

    (void)state;
    json_lines_feed(&l, first, strlen(first), &out, &e);
    json_lines_break(&l);
    json_lines_feed(&l, again, strlen(again), &out, &e);
    assert_string_equal(out.data, LINE("stderr", 5, 0, "warn") LINE("stderr", 20, 0, "more") LINE("stdout", 0, 5, "long")
                        LINE("stdout", 25, 30, "end"));
    json_lines_fini(&l);
    buf_fini(&out);
}

static void test_json_lines_with_a_gap(void **state)
{
    static const char gap[] = "{\"gap\":{\"attempt\":1,\"from\":4,\"to\":90,\"reason\":\"log sink s is lost\"}}\n";
    struct json_lines l = { 0 };
    struct buf out = { 0 };
    struct err e = { 0 };

    (void)state;
    json_lines_feed(&l, LINE("both", 0, 4, "one"), strlen(LINE("both", 0, 4, "one")), &out, &e);
    assert_int_equal(json_lines_feed(&l, gap, strlen(gap), &out, &e), 0);
    assert_int_equal(json_lines_feed(&l, gap, strlen(gap), &out, &e), 0);
    assert_int_equal(l.next, 90);
    assert_true(l.has_gaps);
    assert_int_equal(out.len, strlen(LINE("both", 0, 4, "one")) + strlen(gap));
    assert_int_equal(json_lines_feed(&l, "no such line\n", 13, &out, &e), -1);
    json_lines_fini(&l);
    buf_fini(&out);
}

/* --- lines with a text ------------------------------------------------------------------------------------------- */

static char *filtered(const char *text, const char *wanted, bool ignore_case, size_t cut)
{
    struct line_filter f = { .text = wanted, .ignore_case = ignore_case };
    struct buf out = { 0 };

    for (size_t at = 0; at < strlen(text); at += cut) {
        size_t left = strlen(text) - at;
        line_filter_feed(&f, text + at, left < cut ? left : cut, &out);
    }
    line_filter_end(&f, &out);
    line_filter_fini(&f);
    return buf_take(&out);
}

static void test_lines_that_hold_a_text(void **state)
{
    static const struct {
        const char *text, *wanted;
        bool ignore_case;
        const char *out;
    } rows[] = {
        { "one\ntwo\nthree\n", "o", false, "1:one\n2:two\n" },
        { "one\nTWO\n", "two", false, "" },
        { "one\nTWO\n", "two", true, "2:TWO\n" },
        { "x error: y", "error", false, "1:x error: y" },
        { "\n\nerror\n\n", "error", false, "3:error\n" },
        { "ends with err", "error", false, "" },
        { "a\nb\n", "", false, "1:a\n2:b\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t cut = 1; cut < 20; cut++) {
            char *out = filtered(rows[i].text, rows[i].wanted, rows[i].ignore_case, cut);
            assert_string_equal(out, rows[i].out);
            free(out);
        }
    }
}

/* Of an endless line the memory is bounded; the text is found wherever it lies, and the rest of the line is shown. */
static void test_a_text_in_an_endless_line(void **state)
{
    (void)state;
    for (size_t at = LINE_FILTER_MAX - 6; at < LINE_FILTER_MAX + 3; at++) {
        struct line_filter f = { .text = "error" };
        struct buf line = { 0 }, out = { 0 };
        for (size_t i = 0; i < 4 * LINE_FILTER_MAX; i++)
            buf_putc(&line, '.');
        memcpy(line.data + at, "error", 5);
        for (size_t i = 0; i < line.len; i += 1000) {
            line_filter_feed(&f, line.data + i, line.len - i < 1000 ? line.len - i : 1000, &out);
            assert_true(f.line.len <= LINE_FILTER_MAX + 1000);
        }
        line_filter_feed(&f, "\nnext\n", 6, &out);
        assert_non_null(strstr(out.data, "error"));
        assert_null(strstr(out.data, "next"));
        assert_int_equal(out.data[out.len - 1], '\n');
        line_filter_fini(&f);
        buf_fini(&line);
        buf_fini(&out);
    }
}

/* --- plain text -------------------------------------------------------------------------------------------------- */

static void test_escape_sequences_go(void **state)
{
    static const struct {
        const char *text, *out;
    } rows[] = {
        { "plain\ttext\n", "plain\ttext\n" },
        { "\033[1;31mred\033[0m\n", "red\n" },
        { "\033]0;title\007a\033]8;;http://x\033\\b", "ab" },
        { "\033Pq#1\033\\c\033(Bd\033Me", "cde" },
        { "10%\r20%\r30%\r\nend\n", "10%\n20%\n30%\nend\n" },
        { "bell\a del\x7f back\b.", "bell del back." },
        { "caf\xC3\xA9 \xC2\xA0\xC2\x9B" "31mx \xF0\x9F\x98\x80", "caf\xC3\xA9 \xC2\xA0x \xF0\x9F\x98\x80" },
        { "\033[3\nnext", "\nnext" },
        { "\033]endless title\nnext", "\nnext" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t cut = 1; cut < 12; cut++) {
            struct plain p = { 0 };
            struct buf out = { 0 };
            for (size_t at = 0; at < strlen(rows[i].text); at += cut) {
                size_t left = strlen(rows[i].text) - at;
                plain_feed(&p, rows[i].text + at, left < cut ? left : cut, &out);
            }
            assert_string_equal(out.data, rows[i].out);
            buf_fini(&out);
        }
    }
}

/* --- times ------------------------------------------------------------------------------------------------------- */

static void test_points_in_time(void **state)
{
    static const struct {
        const char *text, *wall;
    } rows[] = {
        { "10m", "2026-11-21T03:04:15.000Z" },
        { "90s", "2026-11-21T03:12:45.000Z" },
        { "2h", "2026-11-21T01:14:15.000Z" },
        { "1d", "2026-11-20T03:14:15.000Z" },
        { "2026-11-21T00:00:00Z", "2026-11-21T00:00:00.000Z" },
        { "2026-11-21T02:00:00+02:00", "2026-11-21T00:00:00.000Z" },
        { "02:30", "2026-11-21T02:30:00.000Z" },
        { "02:30:05", "2026-11-21T02:30:05.000Z" },
        { "23:00", "2026-11-20T23:00:00.000Z" },
        { "2026-11-19 12:30", "2026-11-19T12:30:00.000Z" },
        { "2026-11-19T12:30:01", "2026-11-19T12:30:01.000Z" },
        { "2026-11-19", "2026-11-19T00:00:00.000Z" },
    };
    static const char *const wrong[] = { "", "10", "m", "10x", "-5m", "25:00", "yesterday", "2026-13-01", "1h2m" };
    static const char now[] = "2026-11-21T03:14:15.000Z";
    int64_t now_ms, ms;
    char text[CLOCK_TEXT_SIZE];
    struct err e = { 0 };

    (void)state;
    setenv("TZ", "UTC", 1);
    clock_parse(now, strlen(now), &now_ms);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(since_parse(rows[i].text, now_ms, &ms, &e), 0);
        clock_format(ms, text);
        assert_string_equal(text, rows[i].wall);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(since_parse(wrong[i], now_ms, &ms, &e), -1);
}

static void test_when_chunks_are_due(void **state)
{
    struct replay_clock c;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(replay_clock_init(&c, NULL, 0, &e), 0);
    assert_int_equal(replay_clock_due(&c, 5000), 0);
    assert_int_equal(replay_clock_due(&c, 6000), 1000);
    assert_int_equal(replay_clock_due(&c, 6000), 1000);
    assert_int_equal(replay_clock_due(&c, 4000), 1000);
    assert_int_equal(replay_clock_due(&c, 7000), 2000);
    assert_int_equal(replay_clock_init(&c, "20", 2, &e), 0);
    replay_clock_due(&c, 0);
    assert_int_equal(replay_clock_due(&c, 20000000), 1000000);
    assert_int_equal(replay_clock_due(&c, 20020000000), 3000000); /* 1 s, cut to 2 ms */
    assert_int_equal(replay_clock_init(&c, "0.5", 0, &e), 0);
    replay_clock_due(&c, 0);
    assert_int_equal(replay_clock_due(&c, 1000), 2000);
    for (const char *const *wrong = (const char *const[]){ "", "0", "-1", "x", "2x", "1e9", "nan", NULL }; *wrong; wrong++)
        assert_int_equal(replay_clock_init(&c, *wrong, 0, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_in_any_pieces),
        cmocka_unit_test(test_events_through_a_break),
        cmocka_unit_test(test_an_event_without_end_is_bounded),
        cmocka_unit_test(test_json_lines_through_a_break),
        cmocka_unit_test(test_json_lines_of_two_streams),
        cmocka_unit_test(test_json_lines_with_a_gap),
        cmocka_unit_test(test_lines_that_hold_a_text),
        cmocka_unit_test(test_a_text_in_an_endless_line),
        cmocka_unit_test(test_escape_sequences_go),
        cmocka_unit_test(test_points_in_time),
        cmocka_unit_test(test_when_chunks_are_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
