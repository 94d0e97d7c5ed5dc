/* test_uuid.c - versions, order, and every text form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/uuid.h"

static void version_7_carries_its_time(void **state)
{
    const int64_t now = INT64_C(1795230855123);
    struct uuid u;

    (void)state;
    uuid_v7(&u, now);
    assert_int_equal(uuid_time_ms(&u), now);
    assert_int_equal(u.b[6] >> 4, 7);
    assert_int_equal(u.b[8] >> 6, 2);
    uuid_random(&u);
    assert_int_equal(u.b[6] >> 4, 4);
    assert_int_equal(u.b[8] >> 6, 2);
}

static void ids_of_one_millisecond_ascend(void **state)
{
    const int64_t now = INT64_C(1795230900000);
    struct uuid last, u;

    (void)state;
    uuid_v7(&last, now);
    for (int i = 0; i < 100000; i++) {
        uuid_v7(&u, now);
        assert_true(uuid_cmp(&last, &u) < 0);
        last = u;
    }
    assert_int_equal(uuid_time_ms(&last), now);
    uuid_v7(&u, now + 1);
    assert_true(uuid_cmp(&last, &u) < 0);
    assert_int_equal(uuid_time_ms(&u), now + 1);
}

/* A time server may set the clock back a little; ids go on ascending. A correction by years is believed. */
static void a_small_step_back_keeps_the_order(void **state)
{
    const int64_t now = INT64_C(1795231000000);
    struct uuid last, u;

    (void)state;
    uuid_v7(&last, now);
    uuid_v7(&u, now - 900);
    assert_true(uuid_cmp(&last, &u) < 0);
    uuid_v7(&u, now - 86400000);
    assert_int_equal(uuid_time_ms(&u), now - 86400000);
    uuid_v7(&u, -5);
    assert_int_equal(uuid_time_ms(&u), 0);
}

static void all_forms_are_read(void **state)
{
    static const char *const forms[] = {
        "019ab3c4-d5e6-7f01-8234-56789abcdef0",
        "019AB3C4-D5E6-7F01-8234-56789ABCDEF0",
        "019ab3c4d5e67f01823456789abcdef0",
        "{019ab3c4-d5e6-7f01-8234-56789abcdef0}",
        "urn:uuid:019ab3c4-d5e6-7f01-8234-56789abcdef0",
        "URN:UUID:019ab3c4-d5e6-7f01-8234-56789abcdef0",
    };
    char text[UUID_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct uuid u;

        assert_int_equal(uuid_parse(forms[i], strlen(forms[i]), &u), 0);
        uuid_format(&u, text);
        assert_string_equal(text, forms[0]);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "019ab3c4",
        "019ab3c4-d5e6-7f01-8234-56789abcdef",
        "019ab3c4-d5e6-7f01-8234-56789abcdefg",
        "019ab3c4d-5e6-7f01-8234-56789abcdef0",
        "019ab3c4-d5e6-7f01-8234-56789abcdef00",
        "{019ab3c4-d5e6-7f01-8234-56789abcdef0",
        "(019ab3c4-d5e6-7f01-8234-56789abcdef0)",
        "urn:guid:019ab3c4-d5e6-7f01-8234-56789abcdef0",
        "019ab3c4-d5e6-7f01-8234 56789abcdef0",
    };
    struct uuid u = { { 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(uuid_parse(texts[i], strlen(texts[i]), &u), -1);
    assert_true(uuid_is_nil(&u));
    u.b[15] = 1;
    assert_false(uuid_is_nil(&u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_7_carries_its_time),        cmocka_unit_test(ids_of_one_millisecond_ascend),
        cmocka_unit_test(a_small_step_back_keeps_the_order), cmocka_unit_test(all_forms_are_read),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
