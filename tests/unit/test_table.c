/* test_table.c - the hash table against a plain array, through growth and removal in random order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/table.h"

enum { COUNT = 5000 };

static void test_put_get_remove(void **state)
{
    static int values[COUNT];
    struct table t = { 0 };
    struct uuid key;

    (void)state;
    key = table_key_number(1);
    assert_null(table_get(&t, &key));
    assert_null(table_remove(&t, &key));
    for (uint64_t i = 0; i < COUNT; i++) {
        key = table_key_number(i);
        table_put(&t, &key, &values[i]);
    }
    assert_int_equal(t.used, COUNT);
    for (uint64_t i = 0; i < COUNT; i += 2) {
        key = table_key_number(i);
        assert_ptr_equal(table_remove(&t, &key), &values[i]);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        key = table_key_number(i);
        assert_ptr_equal(table_get(&t, &key), i % 2 ? &values[i] : NULL);
    }
    assert_int_equal(t.used, COUNT / 2);
    table_fini(&t);
    assert_int_equal(t.size, 0);
}

static void test_put_replaces(void **state)
{
    struct table t = { 0 };
    struct uuid key = table_key_text("project", "key");
    int a, b;

    (void)state;
    table_put(&t, &key, &a);
    table_put(&t, &key, &b);
    assert_ptr_equal(table_get(&t, &key), &b);
    assert_int_equal(t.used, 1);
    table_fini(&t);
}

static void test_random_life(void **state)
{
    static int there[256];
    struct table t = { 0 };
    size_t used = 0, seen = 0, at = 0;

    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        unsigned n = (unsigned)rand() % 256;
        struct uuid key = table_key_number(n << 20);
        if (there[n]) {
            assert_ptr_equal(table_remove(&t, &key), &there[n]);
            used--;
        } else {
            table_put(&t, &key, &there[n]);
            used++;
        }
        there[n] = !there[n];
        assert_int_equal(t.used, used);
    }
    while (table_next(&t, &at))
        seen++;
    assert_int_equal(seen, used);
    table_fini(&t);
}

static void test_texts_are_apart(void **state)
{
    struct uuid a = table_key_text("ab", "c"), b = table_key_text("a", "bc"), c = table_key_text("ab", "c");

    (void)state;
    assert_int_not_equal(uuid_cmp(&a, &b), 0);
    assert_int_equal(uuid_cmp(&a, &c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_remove),
        cmocka_unit_test(test_put_replaces),
        cmocka_unit_test(test_random_life),
        cmocka_unit_test(test_texts_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
