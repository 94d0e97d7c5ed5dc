/* test_follow.c - a followed attempt between a played log sink and its viewers: pages that overlap, segments on several
 * sinks, gaps of every origin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/follow.h"
#include "gateway/gateway.h"
#include "lib/loop.h"

/* --- the sinks, played ------------------------------------------------------------------------------------------- */

static struct {
    int64_t token;                /* of the last read; 0: none came */
    uint64_t offset, limit;
    char sink[32];                /* that was asked */
    char live[32];                /* that is subscribed */
    char dead[32];                /* that is not connected */
} played;

int sinks_read(struct sinks *s, const char *sink, const struct msg_log_read *read)
{
    (void)s;
    if (strcmp(sink, played.dead) == 0)
        return -1;
    played.token = read->token;
    played.offset = (uint64_t)read->offset;
    played.limit = (uint64_t)read->limit;
    snprintf(played.sink, sizeof(played.sink), "%s", sink);
    return 0;
}

bool sinks_subscribe(struct sinks *s, const char *sink, const uint8_t *topic, bool wanted)
{
    (void)s;
    (void)topic;
    snprintf(played.live, sizeof(played.live), "%s", wanted ? sink : "");
    return true;
}

bool sinks_has(const struct sinks *s, const char *sink)
{
    (void)s;
    return strcmp(sink, played.dead) != 0;
}

/* --- the world --------------------------------------------------------------------------------------------------- */

static struct gateway gateway;
static struct follow_member viewer, other;
static const struct uuid task = { { 1 } };
static int told;

static void on_data(void *arg)
{
    (void)arg;
    told++;
}

static int setup(void **state)
{
    (void)state;
    memset(&played, 0, sizeof(played));
    gateway = (struct gateway){ .loop = loop_new() };
    gateway.follows = follows_new(&gateway);
    viewer = other = (struct follow_member){ .on_data = on_data, .form = FOLLOW_V1, .is_once = true };
    told = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    follow_leave(&viewer);
    follow_leave(&other);
    follows_free(&gateway.follows);
    loop_free(&gateway.loop);
    return 0;
}

static struct log_attempt attempt(const struct log_segment *v, size_t n)
{
    return (struct log_attempt){ .number = 1, .state = ATTEMPT_RUNNING, .log_state = "open", .segments = v,
                                 .n_segments = n };
}

static void answer(const char *state, int64_t durable, const char *text, const char *error, int64_t gap_to)
{
    struct msg_log_data m = { .token = played.token, .task_id = task, .attempt = 1, .state = state,
                              .offset = (int64_t)played.offset, .durable = durable, .error = error, .gap_to = gap_to,
                              .has.gap_to = gap_to > 0, .data = { (const uint8_t *)text, strlen(text) } };

    played.token = 0;
    follow_data(gateway.follows, &m);
}

static void publish(const char *state, int64_t offset, const char *text)
{
    const struct msg_log_data m = { .task_id = task, .attempt = 1, .state = state, .offset = offset,
                                    .durable = offset + (int64_t)strlen(text),
                                    .data = { (const uint8_t *)text, strlen(text) } };

    follow_data(gateway.follows, &m);
}

static void assert_peek(uint64_t offset, const char *want)
{
    const uint8_t *data = (const uint8_t *)"";
    size_t n = follow_peek(&viewer, offset, &data);

    assert_int_equal(n, strlen(want));
    assert_memory_equal(data, want, n);
}

static void assert_gap(uint64_t offset, uint64_t to, const char *reason)
{
    struct follow_gap gap;
    const uint8_t *data;

    assert_int_equal(follow_peek(&viewer, offset, &data), 0);
    assert_true(follow_gap(&viewer, offset, &gap));
    assert_int_equal(gap.from, offset);
    assert_int_equal(gap.to, to);
    assert_non_null(strstr(gap.reason, reason));
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

static void test_pages_overlap(void **state)
{
    const struct log_segment one[] = { { .sink = "a" } };
    const struct log_attempt a = attempt(one, 1);

    (void)state;
    assert_true(follow_join(gateway.follows, &task, &a, &viewer));
    assert_string_equal(played.live, "a");
    follow_want(&viewer, 0);
    assert_string_equal(played.sink, "a");
    answer("open", 12, "first\nse", NULL, 0);
    assert_int_equal(told, 1);
    assert_peek(0, "first\nse");
    follow_want(&viewer, 8);
    assert_int_equal(played.offset, 8);
    answer("open", 12, "cond", NULL, 0);
    assert_peek(6, "second");   /* one piece */
    publish("open", 12, "\nthird");
    assert_peek(12, "\nthird");
    assert_int_equal(follow_end(&viewer), 18);
}

static void test_gap_from_the_sink(void **state)
{
    const struct log_segment one[] = { { .sink = "a" } };
    const struct log_attempt a = attempt(one, 1);
    struct follow_gap gap;

    (void)state;
    assert_true(follow_join(gateway.follows, &task, &a, &viewer));
    follow_want(&viewer, 0);
    answer("gap", 300, "head", NULL, 0);
    assert_false(follow_gap(&viewer, 4, &gap));
    follow_want(&viewer, 4);
    answer("gap", 300, "", "chunk 2 is damaged", 200);
    assert_int_equal(told, 2);
    assert_gap(4, 200, "chunk 2 is damaged");
    assert_gap(100, 200, "chunk 2 is damaged");
    assert_false(follow_gap(&viewer, 200, &gap));
    assert_null(follow_error(&viewer));
}

static void test_segments(void **state)
{
    const struct log_segment two[] = { { .sink = "a" }, { .sink = "b", .from = 10 } };
    struct log_attempt a = attempt(two, 1);

    (void)state;
    assert_true(follow_join(gateway.follows, &task, &a, &viewer));
    a.n_segments = 2;
    follows_note(gateway.follows, &task, &a);
    assert_string_equal(played.live, "b");
    assert_int_equal(follow_end(&viewer), 10);   /* what the first sink acknowledged */
    follow_want(&viewer, 4);
    assert_string_equal(played.sink, "a");
    assert_int_equal(played.limit, 6);           /* and not a byte of the second */
    answer("open", 99, "456789", NULL, 0);
    assert_peek(4, "456789");
    assert_int_equal(follow_end(&viewer), 10);   /* not the first one's to say */
    follow_want(&viewer, 10);
    assert_string_equal(played.sink, "b");
    answer("open", 14, "ABCD", NULL, 0);
    assert_peek(4, "456789ABCD");                /* a line across both is in one piece */
    follow_want(&viewer, 2);
    answer("open", 2, "", NULL, 0);              /* it came back with less than it had acknowledged */
    assert_gap(2, 10, "log sink a does not have them");
}

static void test_lost_sink(void **state)
{
    struct log_segment two[] = { { .sink = "a", .is_lost = true }, { .sink = "b", .from = 10 } };
    struct log_attempt a = attempt(two, 2);
    struct follow_gap gap;

    (void)state;
    assert_true(follow_join(gateway.follows, &task, &a, &viewer));
    assert_false(follow_gap(&viewer, 0, &gap));   /* lost by the books, but here */
    snprintf(played.dead, sizeof(played.dead), "a");
    assert_gap(0, 10, "log sink a is lost");
    assert_gap(7, 10, "log sink a is lost");
    assert_false(follow_gap(&viewer, 10, &gap));
    two[1].is_lost = true;
    snprintf(played.dead, sizeof(played.dead), "b");
    a.state = ATTEMPT_SUCCEEDED;
    a.has_bytes = true;
    a.bytes = 25;
    follows_note(gateway.follows, &task, &a);
    assert_int_equal(follow_end(&viewer), 25);
    assert_gap(10, 25, "log sink b is lost");
}

static void test_sealed_short(void **state)
{
    const struct log_segment one[] = { { .sink = "a" } };
    struct log_attempt a = attempt(one, 1);
    struct follow_gap gap;

    (void)state;
    a.has_bytes = true;
    a.bytes = 100;
    assert_true(follow_join(gateway.follows, &task, &a, &viewer));
    follow_want(&viewer, 0);
    answer("open", 4, "head", NULL, 0);
    assert_false(follow_gap(&viewer, 4, &gap));   /* it may still come */
    assert_int_equal(follow_end(&viewer), 4);
    publish("gap", 4, "");
    assert_int_equal(follow_end(&viewer), 100);
    assert_gap(4, 100, "did not arrive");
}

static void test_events_are_shared(void **state)
{
    const struct log_segment one[] = { { .sink = "a" } };
    const struct log_attempt a = attempt(one, 1);
    const char *text;
    uint64_t next;

    (void)state;
    assert_true(follow_join(gateway.follows, &task, &a, &viewer));
    publish("open", 0, "one\ntwo\n");
    assert_int_equal(follow_events(&viewer, 0, 1000, &text, &next), 0);   /* not for one alone */
    assert_true(follow_join(gateway.follows, &task, &a, &other));
    size_t n = follow_events(&viewer, 0, 1000, &text, &next);
    assert_int_equal(n, 2 * strlen("event: log\nid: 1.4\ndata: one\n\n"));
    assert_int_equal(next, 8);
    const char *first = text;
    assert_int_equal(follow_events(&other, 0, 1000, &text, &next), n);
    assert_ptr_equal(text, first);
    assert_int_equal(follow_events(&other, 8, 1000, &text, &next), 0);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(test_pages_overlap), WORLD(test_gap_from_the_sink), WORLD(test_segments),
        WORLD(test_lost_sink), WORLD(test_sealed_short), WORLD(test_events_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
