/* msg_bin_read.c - bytes to messages, as laid out at the head of msg.h (docs/PROTOCOL.md "Binary form"). Given a
 * frame from anybody, fills a struct in an arena. One reader per kind of field.
 *
 * It trusts no length: every slice is cut from what is left of the frame before anything is allocated, and a
 * list's elements are counted before there is room for them, so memory stays in proportion to the input. */
#include "proto/msg_impl.h"

#include <inttypes.h>
#include <string.h>

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_u32(const uint8_t *p)
{
    return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

static uint64_t get_u64(const uint8_t *p)
{
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

struct bin {
    const uint8_t *p, *end;
    struct arena *a;
    struct err *e;
};

static size_t bin_left(const struct bin *b)
{
    return (size_t)(b->end - b->p);
}

/* LEB128 of at most 64 bits; the shortest form only, so that equal messages are equal bytes. */
static int read_varint(struct bin *b, const struct msg_where *w, uint64_t *v_r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && b->p < b->end; shift += 7) {
        uint8_t c = *b->p++;

        if ((shift == 63 && c > 1) || (shift && !c))
            return msg_fail(b->e, w, "has a malformed number");
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *v_r = v;
            return 0;
        }
    }
    return msg_fail(b->e, w, "is cut short");
}

/* A length and that many bytes, as a reader of its own. */
static int read_slice(struct bin *b, const struct msg_where *w, struct bin *slice_r)
{
    uint64_t len;

    if (read_varint(b, w, &len))
        return -1;
    if (len > bin_left(b))
        return msg_fail(b->e, w, "is cut short");
    *slice_r = (struct bin){ b->p, b->p + len, b->a, b->e };
    b->p += len;
    return 0;
}

static int read_text(struct bin *b, int64_t limit, const struct msg_where *w, const char **text_r)
{
    struct bin s;

    if (read_slice(b, w, &s) || msg_check_text((const char *)s.p, bin_left(&s), limit, w, b->e))
        return -1;
    *text_r = arena_strndup(b->a, (const char *)s.p, bin_left(&s));
    return 0;
}

typedef int read_fn(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member);

static int read_str(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    return read_text(b, f->limit, w, member);
}

static int read_uuid(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    (void)f;
    if (bin_left(b) < sizeof(struct uuid))
        return msg_fail(b->e, w, "is cut short");
    memcpy(member, b->p, sizeof(struct uuid));
    b->p += sizeof(struct uuid);
    return 0;
}

static int read_int(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    uint64_t v;

    if (read_varint(b, w, &v))
        return -1;
    if (f->kind == KIND_S64)
        v = v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
    *(int64_t *)member = (int64_t)v;
    return msg_check_int((int64_t)v, f, w, b->e);
}

static int read_bool(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    (void)f;
    if (b->p == b->end)
        return msg_fail(b->e, w, "is cut short");
    if (*b->p > 1)
        return msg_fail(b->e, w, "must be true or false");
    *(bool *)member = *b->p++;
    return 0;
}

/* Borrows from the frame: log chunks are not copied on their way. */
static int read_bytes(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    struct bin s;

    if (read_slice(b, w, &s) || msg_check_len(bin_left(&s), f->limit, "bytes", w, b->e))
        return -1;
    *(struct msg_bytes *)member = (struct msg_bytes){ s.p, bin_left(&s) };
    return 0;
}

/* Counts a list's elements by stepping over them. */
typedef int skip_fn(struct bin *b, const struct msg_field *f, const struct msg_where *w);

static int skip_slice(struct bin *b, const struct msg_field *f, const struct msg_where *w)
{
    struct bin s;

    (void)f;
    return read_slice(b, w, &s);
}

static int skip_int(struct bin *b, const struct msg_field *f, const struct msg_where *w)
{
    uint64_t v;

    (void)f;
    return read_varint(b, w, &v);
}

static int skip_pair(struct bin *b, const struct msg_field *f, const struct msg_where *w)
{
    return skip_slice(b, f, w) || skip_slice(b, f, w) ? -1 : 0;
}

/* A record is at least a number and a byte for each field it must have. */
static int skip_rec(struct bin *b, const struct msg_field *f, const struct msg_where *w)
{
    struct bin s;
    size_t least = 0;

    if (read_slice(b, w, &s))
        return -1;
    for (size_t i = 0; i < f->record->n; i++)
        least += f->record->fields[i].need == NEED_REQ ? 2 : 0;
    return bin_left(&s) < least ? msg_fail(b->e, w, "is cut short") : 0;
}

static int list_open(struct bin *b, const struct msg_field *f, const struct msg_where *w, skip_fn *skip,
                     struct bin *list_r, size_t *n_r)
{
    int64_t limit = f->kind == KIND_RECS ? f->limit : PROTO_ELEMENTS_MAX;
    struct bin scan;
    size_t n = 0;

    if (read_slice(b, w, list_r))
        return -1;
    for (scan = *list_r; scan.p < scan.end; n++) {
        if (skip(&scan, f, &(struct msg_where){ w, f->name, n }))
            return -1;
    }
    *n_r = n;
    return msg_check_len(n, limit, "elements", w, b->e);
}

static int read_strs(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    struct bin list;
    const char **v;
    size_t n;

    if (list_open(b, f, w, skip_slice, &list, &n))
        return -1;
    v = arena_alloc(b->a, n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        if (read_text(&list, f->limit, &(struct msg_where){ w, f->name, i }, &v[i]))
            return -1;
    }
    *(struct msg_strs *)member = (struct msg_strs){ v, n };
    return 0;
}

static int read_ints(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    struct bin list;
    int64_t *v;
    size_t n;

    if (list_open(b, f, w, skip_int, &list, &n))
        return -1;
    v = arena_alloc(b->a, n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        if (read_int(&list, f, &(struct msg_where){ w, f->name, i }, &v[i]))
            return -1;
    }
    *(struct msg_ints *)member = (struct msg_ints){ v, n };
    return 0;
}

static int read_pairs(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    struct bin list;
    struct msg_pair *v;
    size_t n;

    if (list_open(b, f, w, skip_pair, &list, &n))
        return -1;
    v = arena_alloc(b->a, n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const struct msg_where at = { w, f->name, i };

        if (read_text(&list, MSG_KEY_MAX, &at, &v[i].key) || msg_check_key(v[i].key, strlen(v[i].key), &at, b->e) ||
            read_text(&list, f->limit, &at, &v[i].value))
            return -1;
    }
    *(struct msg_pairs *)member = (struct msg_pairs){ v, n };
    return 0;
}

static int read_fields(struct bin *b, const struct msg_desc *d, const struct msg_where *up, char *base);

static int read_recs(struct bin *b, const struct msg_field *f, const struct msg_where *w, void *member)
{
    struct bin list, element;
    struct msg_recs recs;
    char *v;

    if (list_open(b, f, w, skip_rec, &list, &recs.n))
        return -1;
    v = arena_alloc(b->a, recs.n * f->record->size);
    for (size_t i = 0; i < recs.n; i++) {
        const struct msg_where at = { w, f->name, i };

        if (read_slice(&list, &at, &element) || read_fields(&element, f->record, &at, v + i * f->record->size))
            return -1;
    }
    recs.v = v;
    memcpy(member, &recs, sizeof(recs));
    return 0;
}

static read_fn *const readers[MSG_KINDS] = {
    [KIND_STR] = read_str,    [KIND_UUID] = read_uuid, [KIND_I64] = read_int,     [KIND_S64] = read_int,
    [KIND_TIME] = read_int,   [KIND_BOOL] = read_bool, [KIND_BYTES] = read_bytes, [KIND_STRS] = read_strs,
    [KIND_INTS] = read_ints,  [KIND_PAIRS] = read_pairs, [KIND_RECS] = read_recs,
};

static int read_fields(struct bin *b, const struct msg_desc *d, const struct msg_where *up, char *base)
{
    unsigned last = 0;

    while (b->p < b->end) {
        unsigned number = *b->p++;
        const struct msg_field *f;

        if (number == 0 || number > d->n)
            return err_set(b->e, ERR_INVALID, "there is no field number %u", number);
        f = &d->fields[number - 1];
        const struct msg_where w = { up, f->name, MSG_NO_INDEX };

        if (number <= last)
            return msg_fail(b->e, &w, "is there twice or out of order");
        if (readers[f->kind](b, f, &w, base + f->offset))
            return -1;
        *(bool *)(base + f->has) = true;
        last = number;
    }
    return msg_check_required(d, base, up, b->e);
}

int msg_bin_read(const struct msg_desc *d, const uint8_t *data, size_t len, struct arena *a, void *struct_r,
                 struct err *e)
{
    struct bin b = { data, data + len, a, e };

    memset(struct_r, 0, d->size);
    return read_fields(&b, d, NULL, struct_r);
}

int msg_bin_head(const uint8_t *data, size_t len, struct msg_head *head_r, struct err *e)
{
    unsigned type;

    if (len < MSG_HEAD_SIZE)
        return err_set(e, ERR_INVALID, "a frame of %zu bytes is too short for a message", len);
    if (data[0] != MSG_MAGIC)
        return err_set(e, ERR_INVALID, "a frame that begins with byte 0x%02x is not a message", data[0]);
    if (data[1] != MSG_MAJOR)
        return err_set(e, ERR_INVALID, "protocol major %d is not spoken here (this is %d): upgrade the older side",
                       data[1], MSG_MAJOR);
    type = get_u16(data + 2);
    if (!msg_desc((enum msg_type)type))
        return err_set(e, ERR_INVALID, "there is no message number %u in protocol %d.%d", type, MSG_MAJOR, MSG_MINOR);
    if (get_u32(data + 4) != len - MSG_HEAD_SIZE)
        return err_set(e, ERR_INVALID, "%s: the frame has %zu bytes of fields and its head says %" PRIu32,
                       msg_wire_name((enum msg_type)type), len - MSG_HEAD_SIZE, get_u32(data + 4));
    *head_r = (struct msg_head){ (enum msg_type)type, get_u64(data + 8), get_u64(data + 16) };
    return 0;
}

int msg_from_bin(const uint8_t *data, size_t len, struct arena *a, struct msg_head *head_r, void **struct_r,
                 struct err *e)
{
    const struct msg_desc *d;

    if (msg_bin_head(data, len, head_r, e))
        return -1;
    d = msg_desc(head_r->type);
    *struct_r = arena_alloc(a, d->size);
    if (msg_bin_read(d, data + MSG_HEAD_SIZE, len - MSG_HEAD_SIZE, a, *struct_r, e))
        return err_prefix(e, "%s", d->wire);
    return 0;
}
