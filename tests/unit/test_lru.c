/* test_lru.c - the log sink's table of attempts: found by key whatever the number, and in the order of their use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "logsink/lru.h"

static struct log_key key_of(unsigned n)
{
    return (struct log_key){ .task = { { (uint8_t)n, (uint8_t)(n >> 8) } }, .attempt = 1 + n % 3 };
}

static void test_order(void **state)
{
    struct lru t;
    struct lru_node nodes[3] = { { .key = key_of(0) }, { .key = key_of(1) }, { .key = key_of(2) } };
    (void)state;
    lru_init(&t);
    for (unsigned i = 0; i < 3; i++)
        lru_add(&t, &nodes[i]);
    assert_ptr_equal(t.oldest, &nodes[0]);
    lru_touch(&t, &nodes[0]);
    assert_ptr_equal(t.oldest, &nodes[1]);
    assert_ptr_equal(t.newest, &nodes[0]);
    lru_touch(&t, &nodes[2]);
    lru_remove(&t, &nodes[0]);
    assert_ptr_equal(t.oldest, &nodes[1]);
    assert_ptr_equal(t.newest, &nodes[2]);
    lru_remove(&t, &nodes[1]);
    lru_remove(&t, &nodes[2]);
    assert_null(t.oldest);
    assert_null(t.newest);
    lru_fini(&t);
}

static void test_many(void **state)
{
    enum { N = 5000 };
    struct lru t;
    struct lru_node *nodes = mem_array(N, sizeof(*nodes));
    (void)state;
    lru_init(&t);
    for (unsigned i = 0; i < N; i++) {
        nodes[i].key = key_of(i);
        lru_add(&t, &nodes[i]);
    }
    for (unsigned i = 0; i < N; i += 2)
        lru_remove(&t, &nodes[i]);
    for (unsigned i = 0; i < N; i++) {
        struct log_key key = key_of(i);
        assert_ptr_equal(lru_get(&t, &key), i % 2 ? &nodes[i] : NULL);
    }
    assert_int_equal(t.count, N / 2);
    lru_fini(&t);
    mem_free(&nodes);
}

static void test_attempt_is_part_of_the_key(void **state)
{
    struct lru t;
    struct lru_node n = { .key = { .attempt = 1 } };
    struct log_key other = { .attempt = 2 };
    (void)state;
    lru_init(&t);
    lru_add(&t, &n);
    assert_null(lru_get(&t, &other));
    other.attempt = 1;
    assert_ptr_equal(lru_get(&t, &other), &n);
    lru_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_attempt_is_part_of_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
