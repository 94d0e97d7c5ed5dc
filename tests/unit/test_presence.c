/* test_presence.c - from when a sink was heard to what the core is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "scheduler/presence.h"

static const struct presence_limits limits = { .absent_ms = 3500, .grace_ms = 10000, .lost_ms = 120000, .again_ms = 10000 };

/* What is told at that moment: a state, +10 when logs should leave, -1: nothing. */
static int look(struct presence *p, uint64_t now_ms)
{
    struct presence_news news;

    return presence_look(p, &limits, now_ms, &news) ? (int)news.state + 10 * news.is_leaving : -1;
}

static void a_sink_that_is_heard_is_up(void **state)
{
    struct presence p = { 0 };

    (void)state;
    presence_begin(&p, SINK_UP, false, 1000);
    assert_int_equal(look(&p, 1000), -1);
    p.heard_ms = 1500;
    assert_int_equal(look(&p, 2000), SINK_UP);      /* it gets its row */
    assert_int_equal(look(&p, 2500), -1);
    p.is_full = true;
    assert_int_equal(look(&p, 2600), SINK_FULL);
    p.is_full = false;
    assert_int_equal(look(&p, 2700), SINK_UP);
}

static void three_pings_are_missing(void **state)
{
    struct presence p = { .heard_ms = 20000 };

    (void)state;
    presence_begin(&p, SINK_UP, true, 1000);
    assert_int_equal(look(&p, 23500), -1);
    assert_int_equal(look(&p, 23501), SINK_DOWN);
    assert_int_equal(look(&p, 23501 + 119999), -1);
    assert_int_equal(look(&p, 23501 + 120000), 10 + SINK_LOST);
    assert_int_equal(look(&p, 23501 + 129999), -1);
    assert_int_equal(look(&p, 23501 + 130000), 10 + SINK_LOST);   /* again and again */
    p.heard_ms = 200000;
    assert_int_equal(look(&p, 200001), SINK_UP);
    assert_int_equal(look(&p, 210000), SINK_DOWN);
    assert_int_equal(look(&p, 329999), -1);         /* another two minutes */
    assert_int_equal(look(&p, 330000), 10 + SINK_LOST);
}

static void a_new_leader_begins_anew(void **state)
{
    struct presence p = { 0 };

    (void)state;
    presence_begin(&p, SINK_DOWN, true, 500000);
    assert_int_equal(look(&p, 509999), -1);
    assert_int_equal(look(&p, 510000), -1);         /* the rows say it */
    assert_int_equal(look(&p, 629999), -1);
    assert_int_equal(look(&p, 630000), 10 + SINK_LOST);
    presence_begin(&p, SINK_LOST, true, 700000);    /* and the next one finds it lost */
    assert_int_equal(look(&p, 710000), 10 + SINK_LOST);
    presence_begin(&p, SINK_UP, false, 800000);     /* nobody has ever seen it */
    assert_int_equal(look(&p, 809999), -1);
    assert_int_equal(look(&p, 810000), SINK_DOWN);
}

static void full_for_long(void **state)
{
    struct presence p = { .heard_ms = 1000, .is_full = true };

    (void)state;
    presence_begin(&p, SINK_UP, true, 1000);
    assert_int_equal(look(&p, 1000), SINK_FULL);
    p.heard_ms = 120999;
    assert_int_equal(look(&p, 120999), -1);
    assert_int_equal(look(&p, 121000), 10 + SINK_FULL);   /* not lost, but it should be left */
    p.heard_ms = 131000;
    assert_int_equal(look(&p, 131000), 10 + SINK_FULL);
    p.is_full = false;
    assert_int_equal(look(&p, 131500), SINK_UP);
}

static void this_process_slept(void **state)
{
    struct presence p = { .heard_ms = 20000 };

    (void)state;
    presence_begin(&p, SINK_UP, true, 1000);
    presence_woke(&p, 90000);
    assert_int_equal(look(&p, 99999), -1);
    assert_int_equal(look(&p, 100000), SINK_DOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_that_is_heard_is_up), cmocka_unit_test(three_pings_are_missing),
        cmocka_unit_test(a_new_leader_begins_anew),   cmocka_unit_test(full_for_long),
        cmocka_unit_test(this_process_slept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
