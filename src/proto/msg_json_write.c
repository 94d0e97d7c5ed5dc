/* msg_json_write.c - messages to JSON; msg_json.c is the way back. Given a struct, appends one object without line
 * breaks to a buffer, its members in the order of the table. One writer per kind of field; written by hand, because
 * a tree of values would be built only to be printed. */
#include "proto/msg_impl.h"

#include <inttypes.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/text.h"

/* A byte that cannot stand for itself between quotes. */
static void write_escape(unsigned char c, struct buf *out)
{
    static const char *const named[256] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };

    if (named[c])
        buf_puts(out, named[c]);
    else if (c < 0x20)
        buf_printf(out, "\\u%04x", c);
    else
        buf_puts(out, "\xEF\xBF\xBD");   /* not UTF-8: U+FFFD, the replacement character */
}

/* Nearly all bytes. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void msg_json_text(const char *text, size_t len, struct buf *out)
{
    const char *p = text, *end = p + len, *plain = p;

    buf_putc(out, '"');
    while (p < end) {
        int n = is_plain((unsigned char)*p) ? 1 : (unsigned char)*p < 0x80 ? 0 : text_step(p, (size_t)(end - p));

        if (n > 0) {
            p += n;
            continue;
        }
        buf_append(out, plain, (size_t)(p - plain));
        write_escape((unsigned char)*p, out);
        plain = ++p;
    }
    buf_append(out, plain, (size_t)(p - plain));
    buf_putc(out, '"');
}

static void write_text(const char *text, struct buf *out)
{
    msg_json_text(text ? text : "", text ? strlen(text) : 0, out);
}

typedef void write_fn(const struct msg_field *f, const void *member, struct buf *out);

static void write_str(const struct msg_field *f, const void *member, struct buf *out)
{
    (void)f;
    write_text(*(const char *const *)member, out);
}

static void write_uuid(const struct msg_field *f, const void *member, struct buf *out)
{
    char text[UUID_TEXT_SIZE];

    (void)f;
    uuid_format(member, text);
    write_text(text, out);
}

static void write_int(const struct msg_field *f, const void *member, struct buf *out)
{
    (void)f;
    buf_printf(out, "%" PRId64, *(const int64_t *)member);
}

static void write_time(const struct msg_field *f, const void *member, struct buf *out)
{
    char text[CLOCK_TEXT_SIZE];

    (void)f;
    clock_format(*(const int64_t *)member, text);
    write_text(text, out);
}

static void write_bool(const struct msg_field *f, const void *member, struct buf *out)
{
    (void)f;
    buf_puts(out, *(const bool *)member ? "true" : "false");
}

static void write_bytes(const struct msg_field *f, const void *member, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    const struct msg_bytes *bytes = member;
    char *p = buf_reserve(out, bytes->len * 2 + 2);

    (void)f;
    *p++ = '"';
    for (size_t i = 0; i < bytes->len; i++) {
        *p++ = digits[bytes->data[i] >> 4];
        *p++ = digits[bytes->data[i] & 15];
    }
    *p = '"';
    buf_commit(out, bytes->len * 2 + 2);
}

static void write_strs(const struct msg_field *f, const void *member, struct buf *out)
{
    const struct msg_strs *list = member;

    (void)f;
    buf_putc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_puts(out, i ? "," : "");
        write_text(list->v[i], out);
    }
    buf_putc(out, ']');
}

static void write_ints(const struct msg_field *f, const void *member, struct buf *out)
{
    const struct msg_ints *list = member;

    (void)f;
    buf_putc(out, '[');
    for (size_t i = 0; i < list->n; i++)
        buf_printf(out, "%s%" PRId64, i ? "," : "", list->v[i]);
    buf_putc(out, ']');
}

static void write_pairs(const struct msg_field *f, const void *member, struct buf *out)
{
    const struct msg_pairs *list = member;

    (void)f;
    buf_putc(out, '{');
    for (size_t i = 0; i < list->n; i++) {
        buf_puts(out, i ? "," : "");
        write_text(list->v[i].key, out);
        buf_putc(out, ':');
        write_text(list->v[i].value, out);
    }
    buf_putc(out, '}');
}

static void write_members(const struct msg_desc *d, const char *base, const char *separator, struct buf *out);

static void write_recs(const struct msg_field *f, const void *member, struct buf *out)
{
    struct msg_recs list;

    memcpy(&list, member, sizeof(list));
    buf_putc(out, '[');
    for (size_t i = 0; i < list.n; i++) {
        buf_puts(out, i ? ",{" : "{");
        write_members(f->record, (const char *)list.v + i * f->record->size, "", out);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static write_fn *const writers[MSG_KINDS] = {
    [KIND_STR] = write_str,   [KIND_UUID] = write_uuid,   [KIND_I64] = write_int,     [KIND_S64] = write_int,
    [KIND_TIME] = write_time, [KIND_BOOL] = write_bool,   [KIND_BYTES] = write_bytes, [KIND_STRS] = write_strs,
    [KIND_INTS] = write_ints, [KIND_PAIRS] = write_pairs, [KIND_RECS] = write_recs,
};

/* `separator` stands before the first member. */
static void write_members(const struct msg_desc *d, const char *base, const char *separator, struct buf *out)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct msg_field *f = &d->fields[i];
        bool has = msg_has(f, base);

        if (!has && f->need != NEED_NUL)
            continue;
        buf_puts(out, separator);
        buf_putc(out, '"');
        buf_puts(out, f->name);
        buf_puts(out, "\":");
        if (has)
            writers[f->kind](f, base + f->offset, out);
        else
            buf_puts(out, "null");
        separator = ",";
    }
}

void msg_to_json(enum msg_type type, const void *message, bool typed, struct buf *out)
{
    const struct msg_desc *d = msg_desc(type);

    buf_putc(out, '{');
    if (typed) {
        buf_puts(out, "\"type\":\"");
        buf_puts(out, d->wire);
        buf_putc(out, '"');
    }
    write_members(d, message, typed ? "," : "", out);
    buf_putc(out, '}');
}
