/* test_expiry.c - which logs go: by age, by their project's time, local copies, abandoned ones; and of many logs the
 * right ones when the disk is too full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "logsink/expiry.h"

#define NOW 1800000000000u
#define DAY 86400000u

static struct expiry_log sealed(uint64_t age_ms)
{
    return (struct expiry_log){ .key = { .attempt = 1 }, .seal = { .state = SEAL_COMPLETE }, .is_local = true,
                                .sealed_at_ms = NOW - age_ms, .touched_ms = NOW - age_ms };
}

static enum expiry_verdict decide(const struct expiry_policy *p, const struct expiry_log *l)
{
    return expiry_decide(p, l, NOW);
}

static void test_age(void **state)
{
    const struct expiry_policy for_ever = { 0 }, week = { .keep_ms = 7 * DAY };
    struct expiry_log l = sealed(8 * DAY);
    (void)state;
    assert_int_equal(decide(&for_ever, &l), EXPIRY_KEEP);
    assert_int_equal(decide(&week, &l), EXPIRY_REMOVE);
    l.seal.state = SEAL_GAP;
    assert_int_equal(decide(&week, &l), EXPIRY_REMOVE);
    l.seal.keep_ms = 9 * DAY;
    assert_int_equal(decide(&week, &l), EXPIRY_KEEP);
    l.seal.keep_ms = DAY;
    assert_int_equal(decide(&for_ever, &l), EXPIRY_REMOVE);
    l.seal.removed = SEAL_SPACE;
    assert_int_equal(decide(&week, &l), EXPIRY_KEEP);
    l = sealed(7 * DAY - 1);
    assert_int_equal(decide(&week, &l), EXPIRY_KEEP);
    l.is_local = false;
    l.sealed_at_ms--;
    assert_int_equal(decide(&week, &l), EXPIRY_REMOVE);
}

static void test_clock_went_back(void **state)
{
    const struct expiry_policy p = { .keep_ms = 1000 };
    struct expiry_log l = sealed(0);
    (void)state;
    l.sealed_at_ms = NOW + 5 * DAY;
    assert_int_equal(decide(&p, &l), EXPIRY_KEEP);
}

static void test_open_logs(void **state)
{
    const struct expiry_policy p = { .keep_ms = 1000, .local_keep_ms = 1000, .has_archive = true,
                                    .fetch_max = 1000 };
    struct expiry_log l = sealed(EXPIRY_ABANDONED_MS - 1);
    (void)state;
    l.seal.state = SEAL_OPEN;
    assert_int_equal(decide(&p, &l), EXPIRY_KEEP);
    l.touched_ms--;
    assert_int_equal(decide(&p, &l), EXPIRY_ABANDON);
}

static void test_local_copies(void **state)
{
    const struct expiry_policy p = { .keep_ms = 30 * DAY, .local_keep_ms = DAY, .has_archive = true,
                                    .fetch_max = 1000 };
    struct expiry_policy without = p;
    struct expiry_log l = sealed(2 * DAY);
    (void)state;
    without.has_archive = false;
    assert_int_equal(decide(&p, &l), EXPIRY_KEEP);
    l.seal.flags = SEAL_ARCHIVED;
    assert_int_equal(decide(&p, &l), EXPIRY_DROP_LOCAL);
    l.bytes = 1001;
    assert_int_equal(decide(&p, &l), EXPIRY_KEEP);
    l.bytes = 1000;
    assert_int_equal(decide(&without, &l), EXPIRY_KEEP);
    l.seal.state = SEAL_GAP;
    assert_int_equal(decide(&p, &l), EXPIRY_KEEP);
    l.seal.state = SEAL_COMPLETE;
    l.is_local = false;
    assert_int_equal(decide(&p, &l), EXPIRY_KEEP);
    l = sealed(31 * DAY);
    l.seal.flags = SEAL_ARCHIVED;
    assert_int_equal(decide(&p, &l), EXPIRY_REMOVE);
}

static void test_excess(void **state)
{
    (void)state;
    assert_int_equal(expiry_excess(96, 4, 95), 1);
    assert_int_equal(expiry_excess(95, 5, 95), 0);
    assert_int_equal(expiry_excess(100, 0, 0), 0);
    assert_int_equal(expiry_excess(0, 0, 95), 0);
    assert_int_equal(expiry_excess(960ull << 40, 40ull << 40, 95), 10ull << 40);
    assert_int_equal(expiry_room(90, 10, 95), 5);
    assert_int_equal(expiry_room(96, 4, 95), 0);
    assert_int_equal(expiry_room(90, 10, 0), 10);
}

static struct expiry_log numbered(unsigned n, uint64_t age_ms)
{
    struct expiry_log l = sealed(age_ms);
    memcpy(l.key.task.b, &n, sizeof(n));
    return l;
}

static unsigned number(const struct expiry_victim *v)
{
    unsigned n;
    memcpy(&n, v->key.task.b, sizeof(n));
    return n;
}

static void offer(struct expiry_victims *v, const struct expiry_log *l)
{
    const struct expiry_policy p = { .has_archive = true, .fetch_max = 1000 };
    expiry_offer(v, &p, l, NOW);
}

static void test_order(void **state)
{
    static const struct {
        uint64_t age_ms;
        enum seal_state seal;
        uint8_t flags;
    } logs[] = {
        { 2 * DAY, SEAL_COMPLETE, 0 },             /* 0: third */
        { 5 * DAY, SEAL_OPEN, 0 },                 /* never */
        { 3 * DAY, SEAL_GAP, 0 },                  /* 2: second */
        { 1000, SEAL_COMPLETE, 0 },                /* too young */
        { DAY, SEAL_COMPLETE, SEAL_ARCHIVED },     /* 4: first, though it is the youngest */
        { EXPIRY_FRESH_MS, SEAL_COMPLETE, 0 },     /* 5: last */
    };
    static const unsigned order[] = { 4, 2, 0, 5 };
    struct expiry_victims v;
    (void)state;
    expiry_victims_init(&v);
    for (unsigned i = 0; i < ARRAY_LEN(logs); i++) {
        struct expiry_log l = numbered(i, logs[i].age_ms);
        l.seal.state = logs[i].seal;
        l.seal.flags = logs[i].flags;
        offer(&v, &l);
    }
    expiry_sort(&v);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        const struct expiry_victim *one = expiry_next(&v);
        assert_non_null(one);
        assert_int_equal(number(one), order[i]);
        assert_int_equal(one->is_archived, i == 0);
    }
    assert_null(expiry_next(&v));
    expiry_victims_fini(&v);
}

/* Of 100,000 in a random order the oldest EXPIRY_VICTIMS_MAX stay. */
static void test_many(void **state)
{
    enum { LOGS = 100000 };
    struct expiry_victims v;
    unsigned *shuffled = mem_array(LOGS, sizeof(*shuffled));
    (void)state;
    srand(7);
    for (unsigned i = 0; i < LOGS; i++)
        shuffled[i] = i;
    for (unsigned i = LOGS - 1; i > 0; i--) {
        unsigned j = (unsigned)rand() % (i + 1), t = shuffled[i];
        shuffled[i] = shuffled[j];
        shuffled[j] = t;
    }
    expiry_victims_init(&v);
    for (unsigned i = 0; i < LOGS; i++) {
        struct expiry_log l = numbered(shuffled[i], DAY + (LOGS - shuffled[i]) * 1000u);
        offer(&v, &l);
    }
    assert_int_equal(v.n, EXPIRY_VICTIMS_MAX);
    expiry_sort(&v);
    for (unsigned i = 0; i < EXPIRY_VICTIMS_MAX; i++)
        assert_int_equal(number(expiry_next(&v)), i);
    assert_null(expiry_next(&v));
    expiry_victims_fini(&v);
    mem_free(&shuffled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age),          cmocka_unit_test(test_clock_went_back),
        cmocka_unit_test(test_open_logs),    cmocka_unit_test(test_local_copies),
        cmocka_unit_test(test_excess),       cmocka_unit_test(test_order),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
