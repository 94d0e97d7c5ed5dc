/* test_questions.c - peers take turns at the store; each may have so many waiting, and so many are out at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/mem.h"
#include "logsink/questions.h"

static bool add(struct questions *q, uint8_t peer, int64_t token)
{
    struct read *r = mem_zalloc(sizeof(*r));
    *r = (struct read){ .peer = { { peer } }, .token = token };
    bool is_added = questions_add(q, r);
    if (!is_added)
        read_free(&r);
    return is_added;
}

/* peer * 10000 + token of the next one; -1: none. */
static int64_t next(struct questions *q)
{
    struct read *r = questions_next(q);
    if (!r)
        return -1;
    int64_t what = r->peer.id[0] * 10000 + r->token;
    read_free(&r);
    return what;
}

static void test_turns(void **state)
{
    struct questions q = { 0 };
    (void)state;
    for (int i = 1; i <= 4; i++)
        add(&q, 1, i);
    add(&q, 2, 1);
    add(&q, 3, 1);
    add(&q, 3, 2);
    static const int64_t want[] = { 10001, 20001, 30001, 10002, 30002, 10003, 10004, -1 };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(next(&q), want[i]);
    add(&q, 3, 9);
    assert_int_equal(next(&q), 30009);
    assert_int_equal(q.waiting, 0);
    questions_fini(&q);
}

static void test_bounds(void **state)
{
    struct questions q = { 0 };
    (void)state;
    unsigned taken = 0;
    while (add(&q, 1, 1))
        taken++;
    assert_int_equal(taken, QUESTIONS_PEER_MAX);
    for (unsigned peer = 2; peer < 200; peer++)
        while (add(&q, (uint8_t)peer, 1))
            taken++;
    assert_int_equal(taken, QUESTIONS_MAX);
    for (unsigned i = 0; i < QUESTIONS_OUT_MAX; i++)
        assert_int_not_equal(next(&q), -1);
    assert_int_equal(next(&q), -1);
    questions_answered(&q);
    assert_int_not_equal(next(&q), -1);
    assert_int_equal(next(&q), -1);
    questions_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_turns), cmocka_unit_test(test_bounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
