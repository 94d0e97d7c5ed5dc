/* test_growth.c - the core's memory is in proportion to what waits, and what has ended is forgotten. How long a step
 * takes in farms of different size is measured by bench/growth. Under a sanitizer malloc has no figures, so only the
 * counts say anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>

#include "bench/growth.h"

enum { AGENTS = 100, QUEUED = 20000, CYCLES = 5000, TASK_BYTES_MAX = 1024 };

static size_t malloc_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static struct growth *farm(void)
{
    struct growth *g = growth_new();

    growth_add_agents(g, AGENTS);
    growth_submit(g, AGENTS);
    growth_accept_all(g);
    assert_int_equal(growth_queued(g), 0);
    return g;
}

static void test_a_queued_task_is_small(void **state)
{
    struct growth *g = farm();
    size_t before = malloc_bytes();

    (void)state;
    growth_submit(g, QUEUED);
    assert_int_equal(growth_queued(g), QUEUED);
    assert_true(malloc_bytes() - before < (size_t)QUEUED * TASK_BYTES_MAX);
    growth_free(&g);
}

static void test_what_has_ended_is_forgotten(void **state)
{
    struct growth *g = farm();
    struct growth_times t = { 0 };
    size_t before;

    (void)state;
    growth_submit(g, QUEUED / 20);
    growth_cycles(g, CYCLES, &t);   /* as many ended tasks are kept as will ever be */
    before = malloc_bytes();
    growth_cycles(g, 4 * CYCLES, &t);
    assert_int_equal(growth_queued(g), QUEUED / 20);
    assert_true(malloc_bytes() <= before + before / 10);
    growth_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_queued_task_is_small),
        cmocka_unit_test(test_what_has_ended_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
