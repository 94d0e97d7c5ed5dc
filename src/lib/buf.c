/* buf.c - the growable byte buffer: grows by doubling, keeps a NUL behind its bytes. */
#include "lib/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

enum { BUF_FIRST_CAP = 64 };

char *buf_reserve(struct buf *b, size_t len)
{
    size_t need, cap = b->cap ? b->cap : BUF_FIRST_CAP;

    if (__builtin_add_overflow(b->len, len, &need) || __builtin_add_overflow(need, (size_t)1, &need))
        abort();
    if (need > b->cap) {
        while (cap < need && cap <= SIZE_MAX / 2)
            cap *= 2;
        b->cap = cap < need ? need : cap;
        b->data = mem_resize(b->data, b->cap, 1);
    }
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    if (b->cap - b->len <= len)
        abort(); /* more than was reserved */
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    char *at = buf_reserve(b, len);

    if (len)
        memcpy(at, data, len);
    buf_commit(b, len);
}

void buf_puts(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    buf_commit(b, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    size_t room = 128;

    for (;;) {
        va_list again;
        char *at = buf_reserve(b, room);
        int n;

        va_copy(again, ap);
        n = vsnprintf(at, room + 1, fmt, again);
        va_end(again);
        if (n < 0)
            abort(); /* the format itself is wrong */
        if ((size_t)n <= room) {
            buf_commit(b, (size_t)n);
            return;
        }
        room = (size_t)n;
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t len)
{
    if (len > b->len)
        abort(); /* more than there is */
    if (!b->data)
        return;
    b->len -= len;
    memmove(b->data, b->data + len, b->len + 1);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){ 0 };
}

char *buf_take(struct buf *b)
{
    char *text = b->data ? b->data : mem_strdup("");

    *b = (struct buf){ 0 };
    return text;
}
