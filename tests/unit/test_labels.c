/* test_labels.c - what an agent offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "lib/mem.h"

static void the_machine_is_named(void **state)
{
    struct arena a = { 0 };
    struct msg_strs labels = labels_make("gpu, big", &a);

    (void)state;
    assert_int_equal(labels.n, 4);
    assert_string_equal(labels.v[0], "gpu");
    assert_string_equal(labels.v[1], "big");
    assert_string_equal(labels.v[2], "os=linux");
    assert_int_equal(strncmp(labels.v[3], "arch=", 5), 0);
    arena_fini(&a);
}

static void the_settings_win(void **state)
{
    struct arena a = { 0 };
    struct msg_strs labels = labels_make("os=debian-12,arch=z80", &a);

    (void)state;
    assert_int_equal(labels.n, 2);
    arena_fini(&a);
}

static void a_long_list_is_cut(void **state)
{
    struct arena a = { 0 };
    char list[1000] = "";

    (void)state;
    for (int i = 0; i < 200; i++)
        strcat(list, "x,");
    assert_int_equal(labels_make(list, &a).n, 64);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_machine_is_named),
        cmocka_unit_test(the_settings_win),
        cmocka_unit_test(a_long_list_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
