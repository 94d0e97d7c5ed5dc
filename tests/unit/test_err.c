/* test_err.c - the first reason stays, texts are cut at whole characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lib/err.h"

static void the_first_reason_stays(void **state)
{
    struct err e = { 0 };

    (void)state;
    assert_int_equal(err_set(&e, ERR_NOT_FOUND, "no task %d", 7), -1);
    assert_int_equal(err_set(&e, ERR_SYSTEM, "later"), -1);
    assert_int_equal(err_field(&e, "x", "later"), -1);
    errno = EIO;
    assert_int_equal(err_sys(&e, "later"), -1);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_string_equal(e.text, "no task 7");
    assert_string_equal(e.field, "");
    err_clear(&e);
    assert_int_equal(e.kind, ERR_NONE);
}

static void nobody_has_to_ask_why(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_INVALID, "x"), -1);
    assert_int_equal(err_field(NULL, "f", "x"), -1);
    assert_int_equal(err_sys(NULL, "x"), -1);
    assert_int_equal(err_prefix(NULL, "x"), -1);
    err_clear(NULL);
}

static void field_system_and_prefix(void **state)
{
    struct err e = { 0 };

    (void)state;
    err_field(&e, "lease_ms", "must be positive");
    assert_int_equal(e.kind, ERR_INVALID);
    assert_string_equal(e.field, "lease_ms");
    assert_int_equal(err_prefix(&e, "task %d", 3), -1);
    assert_string_equal(e.text, "task 3: must be positive");
    assert_string_equal(e.field, "lease_ms");
    err_clear(&e);
    errno = ENOENT;
    err_sys(&e, "cannot read %s", "/x");
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_int_equal(errno, ENOENT);
    assert_string_equal(e.text, "cannot read /x: No such file or directory");
    err_clear(&e);
    errno = 123456;
    err_sys(&e, "odd");
    assert_string_equal(e.text, "odd: unknown error");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    char text[600];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        struct err e = { 0 };

        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4); /* the euro sign */
        err_set(&e, ERR_INVALID, "%s", text);
        assert_true(strlen(e.text) > sizeof(e.text) - 5);
        assert_int_equal((strlen(e.text) - shift) % 3, 0);
        err_prefix(&e, "before");
        assert_true(strlen(e.text) < sizeof(e.text));
        assert_int_equal((strlen(e.text) - shift - strlen("before: ")) % 3, 0);
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(err_kind_name(ERR_NONE), "none");
    assert_string_equal(err_kind_name(ERR_SYSTEM), "system");
    assert_string_equal(err_kind_name((enum err_kind)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reason_stays),  cmocka_unit_test(nobody_has_to_ask_why),
        cmocka_unit_test(field_system_and_prefix), cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
