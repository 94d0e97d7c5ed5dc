/* test_hash.c - published check values, and that pieces hash like the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/hash.h"

static void blake2b_256_of_known_texts(void **state)
{
    char text[HASH_TEXT_SIZE];
    struct hash h;

    (void)state;
    hash_bytes(&h, "", 0);
    hash_format(&h, text);
    assert_string_equal(text, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    hash_bytes(&h, "abc", 3);
    hash_format(&h, text);
    assert_string_equal(text, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void parts_hash_like_the_whole(void **state)
{
    const void *const parts[] = { "a", "", "bc" };
    const size_t lens[] = { 1, 0, 2 };
    struct hash whole, pieces;

    (void)state;
    hash_bytes(&whole, "abc", 3);
    hash_parts(&pieces, parts, lens, 3);
    assert_memory_equal(&whole, &pieces, sizeof(whole));
}

static void crc32c_of_the_check_text(void **state)
{
    static const uint8_t zeros[32];
    const char *text = "123456789";

    (void)state;
    assert_int_equal(hash_crc32c(0, text, 9), 0xE3069283u);
    assert_int_equal(hash_crc32c(0, zeros, sizeof(zeros)), 0x8A9136AAu); /* RFC 3720, B.4 */
    assert_int_equal(hash_crc32c(0, text, 0), 0);
    for (size_t cut = 0; cut <= 9; cut++)
        assert_int_equal(hash_crc32c(hash_crc32c(0, text, cut), text + cut, 9 - cut), 0xE3069283u);
}

static void random_bytes_differ(void **state)
{
    uint8_t a[32], b[32];

    (void)state;
    hash_random(a, sizeof(a));
    hash_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2b_256_of_known_texts),
        cmocka_unit_test(parts_hash_like_the_whole),
        cmocka_unit_test(crc32c_of_the_check_text),
        cmocka_unit_test(random_bytes_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
