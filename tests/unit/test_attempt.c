/* test_attempt.c - which logs the sink remembers: the idle one used longest ago is forgotten, a busy one never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "logsink/attempt.h"

static struct log_key key_of(uint8_t n)
{
    return (struct log_key){ .task = { { n } }, .attempt = 1 };
}

static struct attempt *add(struct attempts *t, uint8_t n, enum attempt_phase phase)
{
    const struct log_key key = key_of(n);
    struct attempt *a = attempts_add(t, &key);
    if (a)
        a->phase = phase;
    return a;
}

static struct attempt *get(struct attempts *t, uint8_t n)
{
    const struct log_key key = key_of(n);
    return attempts_get(t, &key);
}

static void test_forgets_the_oldest_idle(void **state)
{
    struct attempts t;
    (void)state;
    attempts_init(&t, 3);
    add(&t, 1, ATTEMPT_OPEN);
    add(&t, 2, ATTEMPT_OPEN);
    add(&t, 3, ATTEMPT_OPEN);
    assert_non_null(get(&t, 1));
    assert_non_null(add(&t, 4, ATTEMPT_OPEN));
    assert_null(get(&t, 2));
    assert_non_null(get(&t, 1));
    assert_non_null(get(&t, 3));
    attempts_fini(&t);
}

static void test_keeps_the_busy(void **state)
{
    struct attempts t;
    (void)state;
    attempts_init(&t, 3);
    add(&t, 1, ATTEMPT_LOADING);
    add(&t, 2, ATTEMPT_SEALING);
    struct attempt *flying = add(&t, 3, ATTEMPT_OPEN);
    flying->flying = 1;
    assert_null(add(&t, 4, ATTEMPT_OPEN));
    flying->flying = 0;
    assert_non_null(add(&t, 4, ATTEMPT_OPEN));
    assert_null(get(&t, 3));
    attempts_fini(&t);
}

static void test_waiting_chunks_keep_their_order(void **state)
{
    struct attempts t;
    const struct journal_record r = { .kind = JOURNAL_CHUNK };
    (void)state;
    attempts_init(&t, 3);
    struct attempt *a = add(&t, 1, ATTEMPT_LOADING);
    struct chunk *one = chunk_new(&r), *two = chunk_new(&r);
    attempt_wait(a, one);
    attempt_wait(a, two);
    assert_ptr_equal(attempt_waiting(a), one);
    chunk_free(&one);
    attempt_wait(a, chunk_new(&r));
    assert_ptr_equal(attempt_waiting(a), two);
    chunk_free(&two);
    attempts_fini(&t); /* with one still waiting */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forgets_the_oldest_idle),
        cmocka_unit_test(test_keeps_the_busy),
        cmocka_unit_test(test_waiting_chunks_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
