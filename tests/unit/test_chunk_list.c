/* test_chunk_list.c - which sink is asked about an attempt's chunks, and what of its answer counts; sinks are stood in
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/chunk_list.h"
#include "gateway/gateway.h"
#include "lib/loop.h"
#include "proto/chain.h"

/* --- the stand-in: what was asked last, and of whom ------------------------------------------------------------ */

struct sinks {
    char asked[16];
    struct msg_log_list question;
    unsigned questions;
    bool is_here;
};

int sinks_list(struct sinks *s, const char *sink, const struct msg_log_list *list)
{
    snprintf(s->asked, sizeof(s->asked), "%s", sink);
    s->question = *list;
    s->questions++;
    return s->is_here ? 0 : -1;
}

bool sinks_has(const struct sinks *s, const char *sink)
{
    (void)sink;
    return s->is_here;
}

struct rig {
    struct sinks sinks;
    struct gateway g;
    struct chunk_lists *lists;
    struct chunk_list list;
    unsigned answers;
};

static void on_items(void *arg)
{
    struct rig *rig = arg;

    rig->answers++;
    loop_stop(rig->g.loop, 0);
}

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){ .sinks.is_here = true };
    rig->g.loop = loop_new();
    rig->g.sinks = &rig->sinks;
    rig->lists = chunk_lists_new(&rig->g);
    rig->list.on_items = on_items;
    rig->list.arg = rig;
    chunk_list_join(rig->lists, &rig->list);
}

static void rig_fini(struct rig *rig)
{
    chunk_list_leave(&rig->list);
    chunk_lists_free(&rig->lists);
    loop_free(&rig->g.loop);
}

/* The sink answers with chunks from..to of 10 bytes each, of `all`. */
static void answer(struct rig *rig, int64_t from, int64_t to, int64_t all)
{
    static struct msg_log_item items[64];
    struct msg_log_items m = { .token = rig->sinks.question.token, .state = "open", .chunks = all };
    size_t n = 0;

    for (int64_t seq = from; seq <= to; seq++)
        items[n++] = (struct msg_log_item){ .seq = seq, .offset = (seq - 1) * 10, .length = 10, .time_ns = seq };
    m.items.v = items;
    m.items.n = n;
    chunk_lists_take(rig->lists, &m);
}

static void answer_error(struct rig *rig, const char *why)
{
    const struct msg_log_items m = { .token = rig->sinks.question.token, .state = "open", .error = why };

    chunk_lists_take(rig->lists, &m);
}

static const struct log_segment two[] = {
    { .from = 0, .chunk = 0, .sink = "one" },
    { .from = 50, .chunk = 5, .sink = "two" },
};
static const struct log_attempt one_sink = { .number = 3, .segments = two, .n_segments = 1 };
static const struct log_attempt two_sinks = { .number = 3, .segments = two, .n_segments = 2 };

static void assert_asked(const struct rig *rig, const char *sink, enum chunk_place place, int64_t value)
{
    const struct msg_log_list *q = &rig->sinks.question;

    assert_string_equal(rig->sinks.asked, sink);
    assert_int_equal(q->has.seq, place == CHUNK_BY_SEQ);
    assert_int_equal(q->has.offset, place == CHUNK_BY_OFFSET);
    assert_int_equal(q->has.time_ns, place == CHUNK_BY_TIME);
    assert_int_equal(place == CHUNK_BY_SEQ ? q->seq : place == CHUNK_BY_OFFSET ? q->offset : q->time_ns, value);
}

static void assert_page(const struct rig *rig, size_t n, int64_t first, int64_t last, bool is_last)
{
    assert_int_equal(rig->answers, 1);
    assert_false(chunk_list_is_asking(&rig->list));
    assert_string_equal(rig->list.error, "");
    assert_int_equal(rig->list.n, n);
    assert_int_equal(rig->list.is_last, is_last);
    if (n > 0) {
        assert_int_equal(rig->list.items[0].seq, first);
        assert_int_equal(rig->list.items[n - 1].seq, last);
    }
}

/* --- tests ----------------------------------------------------------------------------------------------------- */

static void test_pages_of_one_sink(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    chunk_list_ask(&rig.list, &one_sink, CHUNK_BY_SEQ, 1, 3);
    assert_asked(&rig, "one", CHUNK_BY_SEQ, 1);
    assert_int_equal(rig.sinks.question.attempt, 3);
    assert_int_equal(rig.sinks.question.limit, 3);
    answer(&rig, 1, 3, 5);
    assert_page(&rig, 3, 1, 3, false);
    answer(&rig, 1, 3, 5);   /* an answer that comes twice is nobody's */
    assert_int_equal(rig.answers, 1);
    rig.answers = 0;
    chunk_list_ask(&rig.list, &one_sink, CHUNK_BY_SEQ, 4, 3);
    answer(&rig, 4, 5, 5);
    assert_page(&rig, 2, 4, 5, true);
    rig.answers = 0;
    chunk_list_ask(&rig.list, &one_sink, CHUNK_BY_SEQ, 6, 3);
    answer(&rig, 6, 5, 5);
    assert_page(&rig, 0, 0, 0, true);
    rig_fini(&rig);
}

static void test_goes_on_at_the_next_sink(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_SEQ, 4, 10);
    assert_asked(&rig, "one", CHUNK_BY_SEQ, 4);
    answer(&rig, 4, 8, 8);   /* it had more than it acknowledged */
    assert_page(&rig, 2, 4, 5, false);
    rig.answers = 0;
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_SEQ, 6, 10);
    assert_asked(&rig, "two", CHUNK_BY_SEQ, 6);
    answer(&rig, 6, 9, 9);
    assert_page(&rig, 4, 6, 9, true);
    rig_fini(&rig);
}

static void test_skips_a_sink_that_has_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_OFFSET, 20, 10);
    assert_asked(&rig, "one", CHUNK_BY_OFFSET, 20);
    answer(&rig, 2, 1, 1);
    assert_asked(&rig, "two", CHUNK_BY_SEQ, 6);
    answer_error(&rig, "no such disk");
    assert_int_equal(rig.answers, 1);
    assert_string_equal(rig.list.error, "no such disk");
    rig.answers = 0;
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_SEQ, 1, 10);
    answer_error(&rig, "no such disk");   /* of the first one: the second has the rest */
    assert_int_equal(rig.answers, 0);
    answer(&rig, 6, 7, 7);
    assert_page(&rig, 2, 6, 7, true);
    rig_fini(&rig);
}

static void test_places(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_OFFSET, 49, 10);
    assert_asked(&rig, "one", CHUNK_BY_OFFSET, 49);
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_OFFSET, 50, 10);
    assert_asked(&rig, "two", CHUNK_BY_OFFSET, 50);
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_SEQ, 5, 10);
    assert_asked(&rig, "one", CHUNK_BY_SEQ, 5);
    chunk_list_ask(&rig.list, &two_sinks, CHUNK_BY_TIME, 7, 1);
    assert_asked(&rig, "one", CHUNK_BY_TIME, 7);
    answer(&rig, 1, 0, 9);
    assert_asked(&rig, "two", CHUNK_BY_TIME, 7);
    answer(&rig, 8, 8, 9);
    assert_page(&rig, 1, 8, 8, false);
    rig_fini(&rig);
}

static void test_lost_sinks(void **state)
{
    struct log_segment lost[] = { two[0], two[1] };
    const struct log_attempt a = { .number = 3, .segments = lost, .n_segments = 2 };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.sinks.is_here = false;
    lost[0].is_lost = true;
    chunk_list_ask(&rig.list, &a, CHUNK_BY_SEQ, 1, 10);
    assert_asked(&rig, "two", CHUNK_BY_SEQ, 6);
    lost[1].is_lost = true;
    chunk_list_ask(&rig.list, &a, CHUNK_BY_SEQ, 1, 10);
    loop_run(rig.g.loop);   /* until it has failed */
    assert_int_equal(rig.answers, 1);
    assert_string_equal(rig.list.error, "log sink two is lost");
    rig_fini(&rig);
}

/* A question that could not be sent is sent again. */
static void test_asks_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.sinks.is_here = false;
    chunk_list_ask(&rig.list, &one_sink, CHUNK_BY_SEQ, 1, 10);
    assert_int_equal(rig.sinks.questions, 1);
    struct timer *stop = loop_timer(rig.g.loop, on_items, &rig);
    timer_in(stop, 600);
    loop_run(rig.g.loop);
    assert_true(rig.sinks.questions >= 2);
    assert_true(chunk_list_is_asking(&rig.list));
    rig.answers = 0;
    answer(&rig, 1, 2, 2);
    assert_page(&rig, 2, 1, 2, true);
    timer_free(&stop);
    rig_fini(&rig);
}

/* More than a page, which the base in front of it makes: the rest comes with the next question. */
/* An attempt of the first release may have no sink. */
static void test_no_sink(void **state)
{
    const struct log_attempt a = { .number = 1 };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    chunk_list_ask(&rig.list, &a, CHUNK_BY_SEQ, 1, 10);
    assert_int_equal(rig.answers, 1);
    assert_int_equal(rig.sinks.questions, 0);
    assert_int_equal(rig.list.n, 0);
    assert_true(rig.list.is_last);
    rig_fini(&rig);
}

static void test_a_page_is_bounded(void **state)
{
    static struct msg_log_item items[CHUNKS_PAGE + 1];
    static const uint8_t head[32] = { 7 };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (int64_t i = 0; i <= CHUNKS_PAGE; i++)
        items[i] = (struct msg_log_item){ .seq = 9 + i, .length = i ? 10 : 0, .flags = i ? 0 : CHAIN_BASE };
    items[0].head = (struct msg_bytes){ head, sizeof(head) };
    chunk_list_ask(&rig.list, &one_sink, CHUNK_BY_SEQ, 10, 100000);
    assert_int_equal(rig.sinks.question.limit, CHUNKS_PAGE);
    const struct msg_log_items m = { .token = rig.sinks.question.token, .state = "open", .chunks = 9 + CHUNKS_PAGE,
                                     .items = { items, CHUNKS_PAGE + 1 } };
    chunk_lists_take(rig.lists, &m);
    assert_page(&rig, CHUNKS_PAGE, 9, 8 + CHUNKS_PAGE, false);
    assert_true(rig.list.items[0].head.data != head);   /* its own copy */
    assert_memory_equal(rig.list.items[0].head.data, head, sizeof(head));
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_of_one_sink),
        cmocka_unit_test(test_goes_on_at_the_next_sink),
        cmocka_unit_test(test_skips_a_sink_that_has_nothing),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_lost_sinks),
        cmocka_unit_test(test_asks_again),
        cmocka_unit_test(test_a_page_is_bounded),
        cmocka_unit_test(test_no_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
