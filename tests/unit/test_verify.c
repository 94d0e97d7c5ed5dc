/* test_verify.c - the walk along a log: whole ones, holes, damage in bytes, in the list, in heads; pages and cuts of any
 * size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/verify.h"
#include "lib/buf.h"

enum { CHUNKS_MAX = 16, GAPS_MAX = 8, ATTEMPT = 3 };

/* A log as it was written, and what a walk along it came to. */
struct fixture {
    struct uuid task;
    char bytes[1024];
    size_t len;
    struct msg_log_item items[CHUNKS_MAX];
    struct hash heads[CHUNKS_MAX];
    size_t n;
    struct verify_facts facts;
    struct verify verify;
    struct verify_gap gaps[GAPS_MAX];
    size_t gaps_n;
};

static void on_gap(void *arg, const struct verify_gap *gap)
{
    struct fixture *f = arg;

    assert_true(f->gaps_n < GAPS_MAX);
    f->gaps[f->gaps_n++] = *gap;
}

static void write_chunk(struct fixture *f, const char *text)
{
    struct hash head = f->facts.head;
    const struct chain_chunk c = { .seq = f->n + 1, .offset = f->len, .length = (uint32_t)strlen(text), .stream = CHAIN_BOTH,
                                   .time_ns = 1000 * f->n };

    chain_next(&head, &c, text);
    memcpy(f->bytes + f->len, text, c.length);
    f->heads[f->n] = f->facts.head = head;
    f->items[f->n] = (struct msg_log_item){ .seq = (int64_t)c.seq, .offset = (int64_t)c.offset, .length = c.length,
                                            .time_ns = (int64_t)c.time_ns,
                                            .head = { f->heads[f->n].b, sizeof(f->heads[f->n].b) } };
    f->n++;
    f->len += c.length;
}

static void write_log(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    uuid_random(&f->task);
    chain_start(&f->task, ATTEMPT, &f->facts.head);
    write_chunk(f, "one\ntwo\n");
    write_chunk(f, "three");
    write_chunk(f, " goes on\n");
    write_chunk(f, "four\nfive\n");
    write_chunk(f, "no end");
    f->facts.has_bytes = f->facts.has_lines = f->facts.has_head = true;
    f->facts.bytes = f->len;
    f->facts.lines = 6;
    f->facts.log_state = "complete";
    verify_init(&f->verify, &f->task, ATTEMPT);
    f->verify.on_gap = on_gap;
    f->verify.arg = f;
}

/* [at, to) as it is read: in pieces of `cut` bytes. */
static void feed(struct fixture *f, uint64_t to, size_t cut)
{
    while (f->verify.at < to) {
        size_t left = (size_t)(to - f->verify.at);
        verify_bytes(&f->verify, f->bytes + f->verify.at, left < cut ? left : cut);
    }
}

static void page(struct fixture *f, size_t from, size_t n)
{
    verify_page(&f->verify, f->items + from, n);
}

static void test_a_whole_log_in_any_pieces(void **state)
{
    struct fixture f;

    (void)state;
    for (size_t pages = 1; pages <= 5; pages++) {
        for (size_t cut = 1; cut < 40; cut += 3) {
            write_log(&f);
            for (size_t at = 0; at < f.n; at += pages) {
                page(&f, at, at + pages < f.n ? pages : f.n - at);
                feed(&f, verify_page_end(&f.verify), cut);
            }
            assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_COMPLETE);
            assert_int_equal(verify_lines(&f.verify), 6);
            assert_int_equal(f.verify.bytes, f.len);
            assert_int_equal(f.verify.seq, 5);
            assert_int_equal(f.gaps_n, 0);
        }
    }
}

static void test_an_empty_log(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.facts.head = f.verify.head;
    f.facts.bytes = f.facts.lines = 0;
    page(&f, 0, 0);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_COMPLETE);
}

static void test_a_changed_byte_is_found_at_its_chunk(void **state)
{
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        write_log(&f);
        f.bytes[f.items[i].offset] ^= 1;
        page(&f, 0, f.n);
        feed(&f, f.len, 1000);
        assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
        assert_int_equal(f.verify.broken.seq, i + 1);
        assert_int_equal(f.verify.broken.offset, f.items[i].offset);
    }
}

static void test_a_changed_time_or_stream_is_found(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.items[1].time_ns++;
    page(&f, 0, f.n);
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
    assert_int_equal(f.verify.broken.seq, 2);
}

/* A sink that made up a whole chain of its own is told by the result's head alone. */
static void test_another_chain_is_found_at_the_end(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.facts.head.b[7] ^= 4;
    page(&f, 0, f.n);
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
    assert_non_null(strstr(f.verify.broken.what, "the chain leads to head"));
}

static void test_a_list_that_leaves_out_a_chunk(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.items[2] = f.items[3];
    f.items[3] = f.items[4];
    page(&f, 0, 4);
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
    assert_int_equal(f.verify.broken.seq, 3);
    assert_int_equal(f.verify.broken.offset, 13);
}

static void test_a_hole_of_whole_chunks_is_a_gap(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    page(&f, 0, f.n);
    feed(&f, 8, 1000);
    verify_missing(&f.verify, 13, "damaged");
    verify_missing(&f.verify, 22, "damaged");
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_GAPS);
    assert_int_equal(f.gaps_n, 1);
    assert_int_equal(f.gaps[0].from, 8);
    assert_int_equal(f.gaps[0].to, 22);
    assert_string_equal(f.gaps[0].reason, "damaged");
    assert_int_equal(f.verify.missing, 14);
    assert_int_equal(f.verify.unproven, 0);
    assert_true(f.verify.is_chained);
}

/* What is left of a chunk that is not whole proves nothing; what is behind it does. */
static void test_a_hole_inside_chunks(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    page(&f, 0, f.n);
    feed(&f, 10, 1000);
    verify_missing(&f.verify, 15, "frame");
    feed(&f, f.len, 1);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_GAPS);
    assert_int_equal(f.verify.missing, 5);
    assert_int_equal(f.verify.unproven, 2 + 7);
    assert_int_equal(f.verify.bytes, f.len - 5);
}

static void test_two_holes_with_reasons_of_their_own(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    page(&f, 0, f.n);
    verify_missing(&f.verify, 8, "one");
    verify_missing(&f.verify, 13, "two");
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_GAPS);
    assert_int_equal(f.gaps_n, 2);
    assert_string_equal(f.gaps[1].reason, "two");
}

/* Chunks 2 and 3 never came: a base stands for them. */
static void test_a_base_behind_a_hole(void **state)
{
    struct fixture f;
    struct msg_log_item base;

    (void)state;
    write_log(&f);
    base = f.items[2];
    base.flags = CHAIN_BASE;
    base.offset += base.length;
    base.length = 0;
    f.items[1] = base;
    memmove(&f.items[2], &f.items[3], 2 * sizeof(f.items[0]));
    page(&f, 0, 4);
    feed(&f, 8, 1000);
    verify_missing(&f.verify, 22, "log sink s is lost");
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_GAPS);
    assert_int_equal(f.gaps_n, 1);
    assert_int_equal(f.verify.unproven, 0);
    assert_int_equal(f.verify.seq, 5);
}

/* A log that moved to another sink: its list begins with a base that repeats what was. */
static void test_a_base_without_a_hole_must_fit(void **state)
{
    struct fixture f;
    struct msg_log_item second[4];

    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct hash head;
        write_log(&f);
        head = f.heads[1];
        head.b[0] ^= (uint8_t)wrong;
        second[0] = (struct msg_log_item){ .seq = 2, .offset = 13, .flags = CHAIN_BASE, .head = { head.b, sizeof(head.b) } };
        memcpy(second + 1, f.items + 2, 3 * sizeof(second[0]));
        page(&f, 0, 2);
        feed(&f, 13, 1000);
        verify_page(&f.verify, second, 4);
        feed(&f, f.len, 1000);
        assert_int_equal(verify_end(&f.verify, &f.facts), wrong ? VERIFY_BROKEN : VERIFY_COMPLETE);
    }
}

/* A list of somebody who has other bytes: a base with the number of a later chunk, or without a hash, proves nothing. */
static void test_a_base_proves_nothing_in_front(void **state)
{
    struct fixture f;
    struct msg_log_item list[6];

    (void)state;
    for (int way = 0; way < 2; way++) {
        write_log(&f);
        f.bytes[f.len - 2] ^= 1;
        memcpy(list, f.items, 5 * sizeof(list[0]));
        list[4].head = (struct msg_bytes){ 0 };
        list[4].has.head = false;
        list[5] = f.items[4];
        list[5].flags = CHAIN_BASE;
        list[5].offset += list[5].length;
        list[5].length = 0;
        list[5].seq += way == 0;
        if (way == 1)
            list[5].head = (struct msg_bytes){ 0 };
        verify_page(&f.verify, list, 6);
        feed(&f, f.len, 1000);
        assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
    }
}

static void test_the_end_is_missing(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.facts.log_state = "gap";
    page(&f, 0, 4);
    feed(&f, 32, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_GAPS);
    assert_int_equal(f.gaps[0].from, 32);
    assert_int_equal(f.gaps[0].to, 38);
    write_log(&f);
    page(&f, 0, 4);
    feed(&f, 32, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
    assert_int_equal(f.verify.broken.offset, 32);
}

static void test_everything_is_missing(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    verify_missing(&f.verify, f.len, "removed: older than 30 days");
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_GAPS);
    assert_int_equal(f.gaps_n, 1);
    assert_int_equal(f.gaps[0].to, f.len);
}

static void test_a_log_that_is_not_at_its_end(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.facts = (struct verify_facts){ .log_state = "open" };
    page(&f, 0, 3);
    feed(&f, 22, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_OPEN);
    write_log(&f);
    f.facts.log_state = "open"; /* the result is there, the last bytes are not */
    page(&f, 0, 3);
    feed(&f, 22, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_OPEN);
}

static void test_more_than_the_result_said(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.facts.bytes -= 6;
    f.facts.head = f.heads[3];
    f.facts.lines = 5;
    page(&f, 0, f.n);
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
}

static void test_lines_are_counted_against_the_result(void **state)
{
    struct fixture f;

    (void)state;
    write_log(&f);
    f.facts.lines = 5;
    page(&f, 0, f.n);
    feed(&f, f.len, 1000);
    assert_int_equal(verify_end(&f.verify, &f.facts), VERIFY_BROKEN);
    assert_string_equal(f.verify.broken.what, "6 lines, the result said 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_log_in_any_pieces),
        cmocka_unit_test(test_an_empty_log),
        cmocka_unit_test(test_a_changed_byte_is_found_at_its_chunk),
        cmocka_unit_test(test_a_changed_time_or_stream_is_found),
        cmocka_unit_test(test_another_chain_is_found_at_the_end),
        cmocka_unit_test(test_a_list_that_leaves_out_a_chunk),
        cmocka_unit_test(test_a_hole_of_whole_chunks_is_a_gap),
        cmocka_unit_test(test_a_hole_inside_chunks),
        cmocka_unit_test(test_two_holes_with_reasons_of_their_own),
        cmocka_unit_test(test_a_base_behind_a_hole),
        cmocka_unit_test(test_a_base_without_a_hole_must_fit),
        cmocka_unit_test(test_a_base_proves_nothing_in_front),
        cmocka_unit_test(test_the_end_is_missing),
        cmocka_unit_test(test_everything_is_missing),
        cmocka_unit_test(test_a_log_that_is_not_at_its_end),
        cmocka_unit_test(test_more_than_the_result_said),
        cmocka_unit_test(test_lines_are_counted_against_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
