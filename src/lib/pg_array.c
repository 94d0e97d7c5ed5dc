/* pg_array.c - PostgreSQL's text form of a one-dimensional array, element by element: {"a","b",NULL}.
 *
 * Given values, makes one parameter for a set-based statement (`unnest($1::text[])`). Every text element is
 * quoted, so that braces, commas, blanks, the word NULL and the empty string need no thought. No I/O.
 * Rules: PostgreSQL manual 8.15.6 (array input), 8.4.1 (bytea hex format). */
#include <inttypes.h>
#include <string.h>

#include "lib/pg.h"

/* Opens the literal or separates the next element. */
static void element_start(struct pg_array *a)
{
    buf_putc(&a->text, a->text.len ? ',' : '{');
}

void pg_array_reset(struct pg_array *a)
{
    buf_reset(&a->text);
}

void pg_array_str(struct pg_array *a, const char *s)
{
    if (!s) {
        pg_array_null(a);
        return;
    }
    element_start(a);
    buf_putc(&a->text, '"');
    while (*s) {
        size_t plain = strcspn(s, "\"\\");

        buf_append(&a->text, s, plain);
        s += plain;
        if (*s) {
            buf_putc(&a->text, '\\');
            buf_putc(&a->text, *s++);
        }
    }
    buf_putc(&a->text, '"');
}

void pg_array_int(struct pg_array *a, int64_t n)
{
    element_start(a);
    buf_printf(&a->text, "%" PRId64, n);
}

void pg_array_null(struct pg_array *a)
{
    element_start(a);
    buf_puts(&a->text, "NULL");
}

void pg_array_bytes(struct pg_array *a, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = data;
    char *to;

    element_start(a);
    buf_puts(&a->text, "\"\\\\x"); /* the backslash of bytea's \x is itself escaped in an array */
    to = buf_reserve(&a->text, 2 * len);
    for (size_t i = 0; i < len; i++) {
        to[2 * i] = digits[from[i] >> 4];
        to[2 * i + 1] = digits[from[i] & 15];
    }
    buf_commit(&a->text, 2 * len);
    buf_putc(&a->text, '"');
}

const char *pg_array_text(struct pg_array *a)
{
    if (a->text.len == 0)
        buf_putc(&a->text, '{');
    buf_putc(&a->text, '}');
    return a->text.data;
}

void pg_array_fini(struct pg_array *a)
{
    buf_fini(&a->text);
}
