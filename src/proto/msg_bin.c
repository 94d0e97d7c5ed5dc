/* msg_bin.c - messages to bytes, as laid out at the head of msg.h (docs/PROTOCOL.md "Binary form"); msg_bin_read.c
 * is the way back. Given a struct, appends to a buffer. One writer per kind of field. */
#include "proto/msg_impl.h"

#include <string.h>

#include "lib/text.h"

static void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16(p + 2, (uint16_t)(v >> 16));
}

static void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

#define VARINT_MAX 10

static size_t varint_encode(uint64_t v, uint8_t out[VARINT_MAX])
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static void write_varint(uint64_t v, struct buf *out)
{
    buf_commit(out, varint_encode(v, (uint8_t *)buf_reserve(out, VARINT_MAX)));
}

static void write_slice(const void *data, size_t len, struct buf *out)
{
    write_varint(len, out);
    buf_append(out, data, len);
}

/* Puts the length in front of what was written since `start`. Only lists come this way; they are short. */
static void prefix_length(struct buf *out, size_t start)
{
    uint8_t head[VARINT_MAX];
    size_t len = out->len - start, n = varint_encode(len, head);

    buf_reserve(out, n);
    memmove(out->data + start + n, out->data + start, len);
    memcpy(out->data + start, head, n);
    buf_commit(out, n);
}

/* What the peer would refuse is replaced here: a program's own texts (file names, error messages) may hold any byte. */
static void write_text(const char *text, struct buf *out)
{
    size_t len = text ? strlen(text) : 0, start;

    if (text_is_valid(text, len)) {
        write_slice(text, len, out);
        return;
    }
    start = out->len;
    for (const char *p = text, *end = text + len; p < end;) {
        int n = text_step(p, (size_t)(end - p));

        buf_append(out, n > 0 ? p : "\xEF\xBF\xBD", n > 0 ? (size_t)n : 3);
        p += n > 0 ? n : 1;
    }
    prefix_length(out, start);
}

typedef void write_fn(const struct msg_field *f, const void *member, int minor, struct buf *out);

static void write_str(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    (void)f;
    (void)minor;
    write_text(*(const char *const *)member, out);
}

static void write_uuid(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    (void)f;
    (void)minor;
    buf_append(out, member, sizeof(struct uuid));
}

static void write_int(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    uint64_t v = (uint64_t)*(const int64_t *)member;

    (void)minor;
    write_varint(f->kind == KIND_S64 ? v << 1 ^ (v >> 63 ? UINT64_MAX : 0) : v, out);   /* zigzag */
}

static void write_bool(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    (void)f;
    (void)minor;
    buf_putc(out, *(const bool *)member ? 1 : 0);
}

static void write_bytes(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    const struct msg_bytes *bytes = member;

    (void)f;
    (void)minor;
    write_slice(bytes->data, bytes->len, out);
}

static void write_strs(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    const struct msg_strs *list = member;
    size_t start = out->len;

    (void)f;
    (void)minor;
    for (size_t i = 0; i < list->n; i++)
        write_text(list->v[i], out);
    prefix_length(out, start);
}

static void write_ints(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    const struct msg_ints *list = member;
    size_t start = out->len;

    (void)f;
    (void)minor;
    for (size_t i = 0; i < list->n; i++)
        write_varint((uint64_t)list->v[i], out);
    prefix_length(out, start);
}

static void write_pairs(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    const struct msg_pairs *list = member;
    size_t start = out->len;

    (void)f;
    (void)minor;
    for (size_t i = 0; i < list->n; i++) {
        write_text(list->v[i].key, out);
        write_text(list->v[i].value, out);
    }
    prefix_length(out, start);
}

static void write_recs(const struct msg_field *f, const void *member, int minor, struct buf *out)
{
    struct msg_recs list;
    size_t start = out->len;

    memcpy(&list, member, sizeof(list));
    for (size_t i = 0; i < list.n; i++) {
        size_t element = out->len;

        msg_bin_write(f->record, (const char *)list.v + i * f->record->size, minor, out);
        prefix_length(out, element);
    }
    prefix_length(out, start);
}

static write_fn *const writers[MSG_KINDS] = {
    [KIND_STR] = write_str,     [KIND_UUID] = write_uuid, [KIND_I64] = write_int,     [KIND_S64] = write_int,
    [KIND_TIME] = write_int,    [KIND_BOOL] = write_bool, [KIND_BYTES] = write_bytes, [KIND_STRS] = write_strs,
    [KIND_INTS] = write_ints,   [KIND_PAIRS] = write_pairs, [KIND_RECS] = write_recs,
};

void msg_bin_write(const struct msg_desc *d, const void *message, int minor, struct buf *out)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct msg_field *f = &d->fields[i];

        if (f->since > minor || !msg_has(f, message))
            continue;
        buf_putc(out, (char)(i + 1));
        writers[f->kind](f, (const char *)message + f->offset, minor, out);
    }
}

void msg_to_bin(const struct msg_head *head, const void *message, int minor, struct buf *out)
{
    size_t start = out->len;
    uint8_t *p = (uint8_t *)buf_reserve(out, MSG_HEAD_SIZE);

    p[0] = MSG_MAGIC;
    p[1] = MSG_MAJOR;
    put_u16(p + 2, (uint16_t)head->type);
    put_u64(p + 8, head->epoch);
    put_u64(p + 16, head->conn);
    buf_commit(out, MSG_HEAD_SIZE);
    msg_bin_write(msg_desc(head->type), message, minor, out);
    put_u32((uint8_t *)out->data + start + 4, (uint32_t)(out->len - start - MSG_HEAD_SIZE));
}
