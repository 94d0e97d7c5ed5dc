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

/* --- and back ----------------------------------------------------------------------------------------------- */

/* One element that ends at an unquoted comma or brace, written to *out, which moves on; where it ended, or NULL. */
static const char *element_read(const char *p, char **out)
{
    bool is_quoted = *p == '"';
    char *start = *out;

    for (p += is_quoted; *p && (is_quoted ? *p != '"' : *p != ',' && *p != '}'); p++) {
        if (*p == '\\' && *++p == '\0')
            return NULL;
        *(*out)++ = *p;
    }
    *(*out)++ = '\0';
    if (!is_quoted && strcmp(start, "NULL") == 0)
        *start = '\0';
    if (is_quoted && *p++ != '"')
        return NULL;
    return *p == ',' || *p == '}' ? p : NULL;
}

static size_t elements_at_most(const char *literal)
{
    size_t n = 1;

    for (; *literal; literal++)
        n += *literal == ',';
    return n;
}

int pg_array_read(const char *literal, struct arena *a, const char *const **v_r, size_t *n_r)
{
    *v_r = NULL;
    *n_r = 0;
    if (!literal || *literal != '{')
        return -1;
    size_t max = elements_at_most(literal), n = 0;
    const char **v = arena_alloc(a, max * sizeof(*v));
    char *out = arena_alloc(a, strlen(literal) + max); /* every element is shorter than its literal, its NUL aside */
    const char *p = literal + 1;
    while (*p != '}') {
        v[n++] = out;
        p = element_read(p, &out);
        if (!p || (*p == ',' && *++p == '}'))
            return -1;
    }
    if (p[1] != '\0')
        return -1;
    *v_r = v;
    *n_r = n;
    return 0;
}
