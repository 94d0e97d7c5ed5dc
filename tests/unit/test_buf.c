/* test_buf.c - the growable buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

static void an_empty_buffer_needs_nothing(void **state)
{
    struct buf b = { 0 };
    char *text;

    (void)state;
    buf_reset(&b);
    buf_consume(&b, 0);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.len, 0);
    text = buf_take(&b);
    assert_string_equal(text, "");
    mem_free(&text);
    text = buf_take(&b);
    assert_string_equal(text, "");
    mem_free(&text);
    buf_fini(&b);
}

static void text_grows_with_a_nul_behind(void **state)
{
    struct buf b = { 0 };

    (void)state;
    for (int i = 0; i < 10000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 10000);
    assert_int_equal(b.data[9999], 'a' + 9999 % 26);
    buf_reset(&b);
    assert_string_equal(b.data, "");
    buf_puts(&b, "task");
    buf_printf(&b, " %d of %s", 3, "many");
    assert_string_equal(b.data, "task 3 of many");
    buf_fini(&b);
    assert_null(b.data);
}

static void a_long_printf_fits(void **state)
{
    struct buf b = { 0 };
    char word[5000];

    (void)state;
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    buf_puts(&b, "<");
    buf_printf(&b, "%s>%d", word, 12);
    assert_int_equal(b.len, 1 + 4999 + 3);
    assert_string_equal(b.data + 5000, ">12");
    buf_fini(&b);
}

static void a_printf_of_exactly_the_room_fits(void **state)
{
    (void)state;
    for (int width = 120; width < 140; width++) {
        struct buf b = { 0 };

        buf_printf(&b, "%*d", width, 1);
        assert_int_equal(b.len, width);
        assert_int_equal(strlen(b.data), width);
        buf_fini(&b);
    }
}

static void reserve_commit_consume(void **state)
{
    struct buf b = { 0 };
    char *text;

    (void)state;
    memcpy(buf_reserve(&b, 100), "0123456789", 10);
    buf_commit(&b, 10);
    assert_string_equal(b.data, "0123456789");
    buf_consume(&b, 4);
    assert_string_equal(b.data, "456789");
    buf_append(&b, "\0x", 2);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, "456789\0x", 9);
    buf_consume(&b, 8);
    assert_int_equal(b.len, 0);
    buf_puts(&b, "mine");
    text = buf_take(&b);
    assert_null(b.data);
    assert_string_equal(text, "mine");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_needs_nothing),
        cmocka_unit_test(text_grows_with_a_nul_behind),
        cmocka_unit_test(a_long_printf_fits),
        cmocka_unit_test(reserve_commit_consume),
        cmocka_unit_test(a_printf_of_exactly_the_room_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
