/* test_alarms.c - the moments at which the core wants to be told: in order, all of them, and gone with their task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "scheduler/alarms.h"

static struct uuid id_of(unsigned n)
{
    return table_key_number(n);
}

static void add(struct alarms *a, unsigned task, enum timer_kind kind, int64_t in_ms, uint64_t now_ms)
{
    alarms_add(a, &(struct core_timer){ .kind = kind, .task_id = id_of(task), .attempt = 1, .in_ms = in_ms }, now_ms);
}

static void the_soonest_rings_first_and_not_before_its_time(void **state)
{
    struct core_timer t;
    struct uuid two = id_of(2);
    struct alarms a;

    (void)state;
    alarms_init(&a);
    assert_true(alarms_next(&a) == UINT64_MAX);
    add(&a, 1, TIMER_QUEUE, 500, 1000);
    add(&a, 2, TIMER_BACKOFF, 100, 1000);
    assert_int_equal(alarms_next(&a), 1100);
    assert_false(alarms_take(&a, 1099, &t));
    assert_true(alarms_take(&a, 1100, &t));
    assert_int_equal(t.kind, TIMER_BACKOFF);
    assert_int_equal(uuid_cmp(&t.task_id, &two), 0);
    assert_int_equal(t.attempt, 1);
    assert_int_equal(alarms_next(&a), 1500);
    alarms_fini(&a);
}

static void what_is_overdue_rings_at_once(void **state)
{
    struct core_timer t;
    struct alarms a;

    (void)state;
    alarms_init(&a);
    add(&a, 1, TIMER_WALL, -5, 70);
    assert_true(alarms_take(&a, 70, &t));
    assert_false(alarms_take(&a, 70, &t));
    alarms_fini(&a);
}

static void a_task_that_ended_takes_its_alarms_with_it(void **state)
{
    struct core_timer t;
    struct uuid one = id_of(1), three = id_of(3);
    struct alarms a;

    (void)state;
    alarms_init(&a);
    add(&a, 1, TIMER_QUEUE, 10, 0);
    add(&a, 2, TIMER_WALL, 20, 0);
    add(&a, 1, TIMER_WALL, 30, 0);
    add(&a, 1, TIMER_STOP, 5, 0);
    assert_true(alarms_take(&a, 6, &t));   /* one of several of its task */
    assert_int_equal(t.kind, TIMER_STOP);
    alarms_forget(&a, &one);
    alarms_forget(&a, &three);
    assert_int_equal(alarms_next(&a), 20);
    assert_true(alarms_take(&a, 100, &t));
    assert_int_equal(t.kind, TIMER_WALL);
    assert_false(alarms_take(&a, 100, &t));
    alarms_fini(&a);
}

enum { MANY = 100000 };

static void many_ring_in_order(void **state)
{
    struct core_timer t;
    unsigned rang = 0, x = 1;
    int64_t last = 0;
    struct alarms a;

    (void)state;
    alarms_init(&a);
    for (unsigned i = 0; i < MANY; i++) {
        x = x * 1664525 + 1013904223;
        add(&a, i, TIMER_QUEUE, x >> 8, 0);
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        struct uuid id = id_of(i);
        alarms_forget(&a, &id);
    }
    for (;;) {
        uint64_t next = alarms_next(&a);
        if (!alarms_take(&a, 1 << 24, &t))
            break;
        assert_true((int64_t)next >= last);
        last = (int64_t)next;
        rang++;
    }
    assert_int_equal(rang, MANY / 2);
    alarms_fini(&a);
}

static void clearing_leaves_nothing_and_it_goes_on(void **state)
{
    struct core_timer t;
    struct alarms a;

    (void)state;
    alarms_init(&a);
    for (unsigned i = 0; i < 1000; i++)
        add(&a, i % 10, TIMER_QUEUE, i, 0);
    alarms_clear(&a);
    assert_true(alarms_next(&a) == UINT64_MAX);
    add(&a, 1, TIMER_QUEUE, 1, 0);
    assert_true(alarms_take(&a, 1, &t));
    alarms_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_soonest_rings_first_and_not_before_its_time),
        cmocka_unit_test(what_is_overdue_rings_at_once),
        cmocka_unit_test(a_task_that_ended_takes_its_alarms_with_it),
        cmocka_unit_test(many_ring_in_order),
        cmocka_unit_test(clearing_leaves_nothing_and_it_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
