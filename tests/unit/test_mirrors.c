/* test_mirrors.c - turns at a mirror: one at a time, in order, whoever gives up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/mirrors.h"

static void on_turn(void *arg)
{
    ++*(int *)arg;
}

static void test_order(void **state)
{
    struct mirrors *ms = mirrors_new();
    int called[3] = { 0 };
    struct mirror_turn t[3], other = { .fn = on_turn };

    (void)state;
    for (int i = 0; i < 3; i++)
        t[i] = (struct mirror_turn){ .fn = on_turn, .arg = &called[i] };
    assert_true(mirror_enter(ms, "a", &t[0]));
    assert_false(mirror_enter(ms, "a", &t[1]));
    assert_false(mirror_enter(ms, "a", &t[2]));
    assert_true(mirror_enter(ms, "b", &other));
    mirror_leave(ms, &t[0]);
    assert_int_equal(called[1], 1);
    assert_int_equal(called[2], 0);
    mirror_leave(ms, &t[0]); /* it is in no queue: nothing */
    mirror_leave(ms, &t[1]);
    assert_int_equal(called[2], 1);
    mirror_leave(ms, &t[2]);
    mirror_leave(ms, &other);
    assert_true(mirror_enter(ms, "a", &t[0]));
    mirror_leave(ms, &t[0]);
    mirrors_free(&ms);
}

static void test_giving_up(void **state)
{
    struct mirrors *ms = mirrors_new();
    int called[3] = { 0 };
    struct mirror_turn t[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        t[i] = (struct mirror_turn){ .fn = on_turn, .arg = &called[i] };
        mirror_enter(ms, "a", &t[i]);
    }
    mirror_leave(ms, &t[1]); /* while waiting: nobody is called */
    assert_int_equal(called[0] + called[1] + called[2], 0);
    mirror_leave(ms, &t[0]);
    assert_int_equal(called[2], 1);
    assert_int_equal(called[1], 0);
    mirror_leave(ms, &t[2]);
    mirrors_free(&ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_giving_up) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
