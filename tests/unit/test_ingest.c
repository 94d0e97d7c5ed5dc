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
    ingest_start(i, p, &open);
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
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_OPEN);
    offer(&i, &a, 1000);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_OPEN);
    ingest_durable(&i, &p);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_COMPLETE);
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
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_COMPLETE);
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
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_OPEN);
    end.is_forced = true;
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_GAP);
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
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_OPEN);
    ingest_drop(&i);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_GAP);
    assert_int_equal(s.bytes, 2);
    assert_int_equal(s.lines, 1);
}

/* Nobody knows the end: it is sealed when the scheduler says that there has been time enough, not before. */
static void test_lost_attempt(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    struct ingest_end end = { .keep_ms = 5 };
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a");
    offer(&i, &a, 2500);
    ingest_durable(&i, &p);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_OPEN);
    end.is_forced = true;
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_GAP);
    assert_int_equal(s.bytes, 1);
    assert_int_equal(s.keep_ms, 5);
}

/* What comes late is taken while the log is a gap, and the gap may close. */
static void test_late_output(void **state)
{
    struct ingest i;
    struct position p, first;
    struct seal s;
    const struct ingest_end force = { .is_forced = true };
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a\n");
    first = p;
    struct made b = next(&p, "b\n");
    struct ingest_end end = end_at(&p);
    offer(&i, &a, 1000);
    ingest_durable(&i, &first);
    assert_int_equal(ingest_end(&i, &force, &s), SEAL_GAP);
    assert_true(ingest_is_news(&i, &s));
    i.seal = s;
    assert_false(ingest_is_news(&i, &s));
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_OPEN);
    assert_int_equal(offer(&i, &b, 9000), INGEST_TAKE);
    ingest_durable(&i, &p);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_COMPLETE);
    assert_true(ingest_is_news(&i, &s));
    assert_int_equal(s.lines, 2);
    i.seal = s;
    struct made c = next(&p, "c");
    assert_int_equal(offer(&i, &c, 9000), INGEST_CLOSED);
    i.seal.state = SEAL_GAP;
    i.seal.removed = SEAL_EXPIRED;
    assert_int_equal(offer(&i, &c, 9000), INGEST_CLOSED);
}

static struct base base_at(struct position *p, uint64_t chunks, uint64_t bytes)
{
    struct base b = { .seq = p->seq + chunks, .offset = p->bytes + bytes, .newlines = 7, .head = { { 9 } } };
    base_position(&b, p);
    return b;
}

static void test_begins_at_a_base(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    (void)state;
    start(&i, &p);
    struct made early = next(&p, "early");
    struct base b = base_at(&p, 3, 100);
    p.is_broken = false;
    struct made c = next(&p, "c\n");
    assert_int_equal(offer(&i, &c, 1000), INGEST_REWIND);
    assert_int_equal(ingest_base(&i, &b, 1000), INGEST_TAKE);
    assert_int_equal(ingest_base(&i, &b, 1000), INGEST_FLYING);
    assert_int_equal(offer(&i, &c, 1000), INGEST_TAKE);
    ingest_durable(&i, &p);
    assert_int_equal(ingest_base(&i, &b, 1000), INGEST_HAVE);
    assert_int_equal(offer(&i, &early, 1000), INGEST_HAVE);
    struct ingest_end end = end_at(&p);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_COMPLETE);
    assert_int_equal(s.lines, 8);
    assert_int_equal(s.bytes, 107);
    /* The same, but what is in front is nowhere. */
    start(&i, &p);
    b.is_lost = true;
    assert_int_equal(ingest_base(&i, &b, 1000), INGEST_TAKE);
    assert_true(i.received.is_broken);
}

static void test_a_hole_is_never_complete(void **state)
{
    struct ingest i;
    struct position p;
    struct seal s;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a\n");
    offer(&i, &a, 1000);
    ingest_durable(&i, &p);
    struct base b = base_at(&p, 2, 50), back = b, far = b;
    back.offset = 1;
    assert_int_equal(ingest_base(&i, &back, 1000), INGEST_WRONG);
    far.offset = CHUNK_OFFSET_MAX + 1;
    assert_int_equal(ingest_base(&i, &far, 3000), INGEST_WRONG);
    assert_int_equal(ingest_base(&i, &b, 5000), INGEST_TAKE);
    ingest_drop(&i);
    assert_false(i.received.is_broken);
    assert_int_equal(ingest_base(&i, &b, 5000), INGEST_TAKE);
    ingest_durable(&i, &i.received);
    struct ingest_end end = end_at(&p);
    assert_int_equal(ingest_end(&i, &end, &s), SEAL_GAP);
    i.seal = s;
    assert_false(ingest_is_news(&i, &s));
    i.is_old = true;
    b = base_at(&p, 1, 1);
    assert_int_equal(ingest_base(&i, &b, 5000), INGEST_CLOSED);
}

/* What no record can hold is refused at the door, not found out by the disk. */
static void test_out_of_bounds(void **state)
{
    struct ingest i;
    struct position p;
    (void)state;
    start(&i, &p);
    struct made a = next(&p, "a"), b = a;
    b.c.flags = CHAIN_BASE;
    assert_int_equal(offer(&i, &b, 1000), INGEST_WRONG);
    b = a;
    b.c.time_ns = CHUNK_TIME_MAX + 1;
    assert_int_equal(offer(&i, &b, 3000), INGEST_WRONG);
    struct base far = { .seq = 5, .offset = CHUNK_OFFSET_MAX };
    assert_int_equal(ingest_base(&i, &far, 3000), INGEST_TAKE);
    p = i.received;
    struct made c = next(&p, "c");
    assert_int_equal(offer(&i, &c, 5000), INGEST_WRONG);
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
        cmocka_unit_test(test_late_output),
        cmocka_unit_test(test_begins_at_a_base),
        cmocka_unit_test(test_a_hole_is_never_complete),
        cmocka_unit_test(test_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
