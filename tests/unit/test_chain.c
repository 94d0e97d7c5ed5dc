/* test_chain.c - the hash chain of a log against bytes laid out by hand, and the topics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/chain.h"

static const struct uuid task = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static void test_start(void **state)
{
    static const uint8_t laid_out[20] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                          0x04, 0x03, 0x02, 0x01 };
    struct hash got, want;

    (void)state;
    hash_bytes(&want, laid_out, sizeof(laid_out));
    chain_start(&task, 0x01020304, &got);
    assert_memory_equal(got.b, want.b, sizeof(want.b));
}

static void test_next(void **state)
{
    static const struct chain_chunk chunk = { 0x0102030405060708, 0x1112131415161718, 5, 2, 0x2122,
                                              0x3132333435363738 };
    static const uint8_t header[31] = { 8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
                                        5, 0, 0, 0, 2, 0x22, 0x21, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31 };
    uint8_t all[32 + 31 + 5];
    struct hash head, want;

    (void)state;
    chain_start(&task, 1, &head);
    memcpy(all, head.b, 32);
    memcpy(all + 32, header, 31);
    memcpy(all + 63, "hello", 5);
    hash_bytes(&want, all, sizeof(all));
    chain_next(&head, &chunk, "hello");
    assert_memory_equal(head.b, want.b, sizeof(want.b));
}

/* Whatever differs in a chunk differs in the head. */
static void test_everything_counts(void **state)
{
    static const struct chain_chunk chunks[] = {
        { 1, 0, 2, 0, 0, 0 }, { 2, 0, 2, 0, 0, 0 }, { 1, 1, 2, 0, 0, 0 }, { 1, 0, 1, 0, 0, 0 },
        { 1, 0, 2, 1, 0, 0 }, { 1, 0, 2, 0, 1, 0 }, { 1, 0, 2, 0, 0, 1 }, { 1, 0, 0, 0, 0, 0 },
    };
    enum { CHUNKS = sizeof(chunks) / sizeof(chunks[0]) };
    struct hash heads[CHUNKS + 2];

    (void)state;
    for (size_t i = 0; i < CHUNKS; i++) {
        chain_start(&task, 1, &heads[i]);
        chain_next(&heads[i], &chunks[i], chunks[i].length ? "ab" : NULL);
    }
    chain_start(&task, 1, &heads[CHUNKS]);
    chain_next(&heads[CHUNKS], &chunks[0], "aB");
    chain_start(&task, 2, &heads[CHUNKS + 1]);
    chain_next(&heads[CHUNKS + 1], &chunks[0], "ab");
    for (size_t i = 0; i < CHUNKS + 2; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(heads[i].b, heads[j].b, 32);
    }
}

static void test_topic(void **state)
{
    uint8_t got[CHAIN_TOPIC_SIZE];

    (void)state;
    chain_topic(&task, 0x01020304, got);
    assert_memory_equal(got, task.b, 16);
    assert_memory_equal(got + 16, "\x01\x02\x03\x04", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_everything_counts),
        cmocka_unit_test(test_topic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
