/* test_ingest.c - which chunks the sink takes, what it answers to the others, and when a log may be sealed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "logsink/ingest.h"

static const struct log_key key = { .task = { { 1, 2, 3 } }, .attempt = 1 };

struct made {
    struct chain_chunk c;
    struct hash head;
    const char *data;
};

/* The chunk that follows *p, which moves on. */
static struct made next(struct position *p, const char *data)
{
    struct made m = { .c = { .seq = p->seq + 1, .offset = p->bytes, .length = (uint32_t)strlen(data) }, .data = data };
    position_advance(p, &m.c, data);
    m.head = p->head;
    return m;
}

static enum ingest_verdict offer(struct ingest *i, const struct made *m, uint64_t now_ms)
{
    return ingest_offer(i, &m->c, &m->head, m->data, now_ms);
}

static void start(struct ingest *i, struct position *p)
{
    const struct seal open = { .state = SEAL_OPEN };
    position_start(p, &key);
    ingest_start(i, p, &open, 1000);
}

static void test_in_order(void **state)
{
    struct ingest i;
    struct position p, first;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "one\n");
    first = p;
    struct made b = next(&p, "two\n");
    assert_int_equal(offer(&i, &a, 1000), INGEST_TAKE);
    assert_int_equal(offer(&i, &a, 1000), INGEST_FLYING);
    assert_int_equal(offer(&i, &b, 1000), INGEST_TAKE);
    assert_int_equal(i.durable.seq, 0);
    ingest_durable(&i, &first);
    assert_int_equal(offer(&i, &a, 1000), INGEST_HAVE);
    assert_int_equal(offer(&i, &b, 1000), INGEST_FLYING);
    ingest_durable(&i, &p);
    assert_int_equal(offer(&i, &b, 1000), INGEST_HAVE);
    assert_false(ingest_is_flying(&i));
    assert_int_equal(i.durable.bytes, 8);
    assert_int_equal(position_lines(&i.durable), 2);
}

static void test_a_hole_is_asked_for_once(void **state)
{
    struct ingest i;
    struct position p;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a"), b = next(&p, "b"), c = next(&p, "c"), d = next(&p, "d");
    assert_int_equal(offer(&i, &b, 1000), INGEST_REWIND);
    assert_int_equal(offer(&i, &c, 1001), INGEST_WAIT);
    assert_int_equal(offer(&i, &c, 1000 + INGEST_REWIND_MS), INGEST_REWIND);
    assert_int_equal(offer(&i, &a, 1600), INGEST_TAKE);
    /* Another hole, further on, is another question. */
    assert_int_equal(offer(&i, &d, 1601), INGEST_REWIND);
    assert_int_equal(offer(&i, &b, 1602), INGEST_TAKE);
    assert_int_equal(offer(&i, &c, 1602), INGEST_TAKE);
    assert_int_equal(offer(&i, &d, 1602), INGEST_TAKE);
}

static void test_a_wrong_hash_is_not_taken(void **state)
{
    struct ingest i;
    struct position p;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "right"), b = a;
    b.data = "wrong";
    assert_int_equal(offer(&i, &b, 1000), INGEST_WRONG);
    assert_int_equal(offer(&i, &b, 1001), INGEST_WAIT);
    b = a;
    b.head.b[31] ^= 1;
    assert_int_equal(offer(&i, &b, 3000), INGEST_WRONG);
    b = a;
    b.c.offset = 1;
    assert_int_equal(offer(&i, &b, 5000), INGEST_WRONG);
    b = a;
    b.c.stream = 2;
    assert_int_equal(offer(&i, &b, 7000), INGEST_WRONG);
    assert_int_equal(i.received.seq, 0);
    assert_int_equal(offer(&i, &a, 7001), INGEST_TAKE);
}

static void test_what_was_in_flight_comes_again(void **state)
{
    struct ingest i;
    struct position p, first;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a");
    first = p;
    struct made b = next(&p, "b");
    offer(&i, &a, 1000);
    ingest_durable(&i, &first);
    offer(&i, &b, 1000);
    ingest_drop(&i);
    assert_int_equal(offer(&i, &a, 1000), INGEST_HAVE);
    assert_int_equal(offer(&i, &b, 1000), INGEST_TAKE);
}

static struct ingest_end end_at(const struct position *p)
{
    return (struct ingest_end){ .is_known = true, .bytes = p->bytes, .chunks = p->seq, .head = p->head };
}

static void test_complete(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "line\nrest");
    struct ingest_end end = end_at(&p);
    assert_int_equal(ingest_end(&i, &end, 1000, &s), SEAL_OPEN);
    offer(&i, &a, 1000);
    assert_int_equal(ingest_end(&i, &end, 1000, &s), SEAL_OPEN);
    ingest_durable(&i, &p);
    assert_int_equal(ingest_end(&i, &end, 1000, &s), SEAL_COMPLETE);
    assert_int_equal(s.bytes, 9);
    assert_int_equal(s.lines, 2);
    assert_int_equal(s.chunks, 1);
    assert_memory_equal(&s.head, &p.head, sizeof(s.head));
    i.seal = s;
    /* A chunk behind the end, and one before it. */
    struct made b = next(&p, "late");
    assert_int_equal(offer(&i, &b, 1000), INGEST_CLOSED);
    assert_int_equal(offer(&i, &a, 1000), INGEST_HAVE);
}

static void test_an_empty_log_is_complete(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    (void)state;
    start(&i, &p);
    struct ingest_end end = end_at(&p);
    assert_int_equal(ingest_end(&i, &end, 1000, &s), SEAL_COMPLETE);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(s.lines, 0);
}

static void test_another_head_is_not_complete(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    (void)state;
    start(&i, &p);
    struct ingest_end end = end_at(&p);
    end.head.b[0] ^= 1;
    assert_int_equal(ingest_end(&i, &end, 900000, &s), SEAL_OPEN);
    end.is_forced = true;
    assert_int_equal(ingest_end(&i, &end, 900000, &s), SEAL_GAP);
}

static void test_forced(void **state)
{
    struct ingest i;
    struct position p, first;
    struct seal s;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a\n");
    first = p;
    struct made b = next(&p, "b");
    struct ingest_end end = end_at(&p);
    end.is_forced = true;
    offer(&i, &a, 1000);
    offer(&i, &b, 1000);
    ingest_durable(&i, &first);
    /* Not while something is on its way to the disk. */
    assert_int_equal(ingest_end(&i, &end, 1000, &s), SEAL_OPEN);
    ingest_drop(&i);
    assert_int_equal(ingest_end(&i, &end, 1000, &s), SEAL_GAP);
    assert_int_equal(s.bytes, 2);
    assert_int_equal(s.lines, 1);
}

static void test_lost_attempt(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    const struct ingest_end unknown = { 0 };
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a");
    assert_int_equal(ingest_end(&i, &unknown, 1000, &s), SEAL_OPEN);
    offer(&i, &a, 2500);
    ingest_durable(&i, &p);
    assert_int_equal(ingest_end(&i, &unknown, 2500 + INGEST_QUIET_MS - 1, &s), SEAL_OPEN);
    assert_int_equal(ingest_end(&i, &unknown, 2500 + INGEST_QUIET_MS, &s), SEAL_GAP);
    assert_int_equal(s.bytes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_a_hole_is_asked_for_once),
        cmocka_unit_test(test_a_wrong_hash_is_not_taken),
        cmocka_unit_test(test_what_was_in_flight_comes_again),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_an_empty_log_is_complete),
        cmocka_unit_test(test_another_head_is_not_complete),
        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_lost_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
