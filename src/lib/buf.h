/* buf.h - a growable byte buffer that is filled at the end and consumed at the front.
 *
 * `data` is always followed by a NUL that does not count, so text can be handed to C functions.
 * A zeroed struct is an empty buffer. */
#ifndef ORION_LIB_BUF_H
#define ORION_LIB_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data;  /* NULL until something is appended */
    size_t len;
    size_t cap;
};

void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
char *buf_reserve(struct buf *b, size_t len);   /* room for len more bytes; returns where they go */
void buf_commit(struct buf *b, size_t len);     /* len of the reserved bytes were written */
void buf_consume(struct buf *b, size_t len);    /* drop len bytes at the front */
void buf_reset(struct buf *b);                  /* empty, memory kept */
void buf_fini(struct buf *b);                   /* empty, memory released */
char *buf_take(struct buf *b);                  /* ownership of the text moves to the caller; never NULL */

#endif
