/* plain.c - a stream without escape sequences (ECMA-48) and control characters. Rules: man/orion.1 "--plain". Pure. */
#include "cli/plain.h"

#include <string.h>

/* A CR before LF is part of a line's end; elsewhere the terminal would write over the line. */
static void put_return(struct plain *p, unsigned char c, struct buf *out)
{
    if (p->is_returned && c != '\n' && c != '\r')
        buf_putc(out, '\n');
    p->is_returned = c == '\r';
}

static enum plain_state on_text(struct plain *p, unsigned char c, struct buf *out)
{
    if (c == 0x1B)
        return PLAIN_ESCAPE;
    put_return(p, c, out);
    if (c == 0xC2)
        return PLAIN_C1;
    if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F))
        buf_putc(out, (char)c);
    return PLAIN_TEXT;
}

static enum plain_state on_escape(unsigned char c)
{
    if (c == '[')
        return PLAIN_SEQUENCE;
    if (c != '\0' && strchr("]PX^_", c))
        return PLAIN_STRING;
    return c >= 0x20 && c <= 0x2F ? PLAIN_SHORT : PLAIN_TEXT;
}

static enum plain_state on_c1(unsigned char c, struct buf *out)
{
    if (c == 0x9B)
        return PLAIN_SEQUENCE;
    if (c == 0x90 || c == 0x98 || (c >= 0x9D && c <= 0x9F))
        return PLAIN_STRING;
    if (c >= 0xA0) {
        buf_putc(out, (char)0xC2);
        buf_putc(out, (char)c);
    }
    return PLAIN_TEXT;
}

/* A line's end in a sequence or string means that it was none: a build that was cut must not hide the rest. */
static enum plain_state step(struct plain *p, unsigned char c, struct buf *out)
{
    if (c == '\n' && p->state != PLAIN_TEXT)
        return on_text(p, c, out);
    switch (p->state) {
    case PLAIN_ESCAPE:
        return on_escape(c);
    case PLAIN_SEQUENCE:
        return c >= 0x40 && c <= 0x7E ? PLAIN_TEXT : PLAIN_SEQUENCE;
    case PLAIN_STRING:
        return c == 0x07 ? PLAIN_TEXT : c == 0x1B ? PLAIN_STRING_END : PLAIN_STRING;
    case PLAIN_STRING_END:
        return c == '\\' ? PLAIN_TEXT : on_escape(c);
    case PLAIN_SHORT:
        return c >= 0x20 && c <= 0x2F ? PLAIN_SHORT : PLAIN_TEXT;
    case PLAIN_C1:
        return on_c1(c, out);
    default:
        return on_text(p, c, out);
    }
}

void plain_feed(struct plain *p, const char *data, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++)
        p->state = step(p, (unsigned char)data[i], out);
}
