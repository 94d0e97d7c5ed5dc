/* msg_impl.h - what the files behind msg.h share: the field descriptors that messages.def expands to, and the
 * checks that both codecs make. Included by msg_*.c, dispatch.c and their tests only. */
#ifndef ORION_PROTO_MSG_IMPL_H
#define ORION_PROTO_MSG_IMPL_H

#include "proto/msg.h"

enum msg_kind {
    KIND_STR,
    KIND_UUID,
    KIND_I64,
    KIND_S64,
    KIND_TIME,
    KIND_BOOL,
    KIND_BYTES,
    KIND_STRS,
    KIND_INTS,
    KIND_PAIRS,
    KIND_RECS,
    MSG_KINDS
};
enum msg_need { NEED_REQ, NEED_OPT, NEED_NUL };

struct msg_desc;
struct msg_field {
    const char *name;
    enum msg_kind kind;
    const struct msg_desc *record;   /* KIND_RECS: of one element */
    enum msg_need need;
    int64_t limit;
    int since;                       /* protocol minor */
    size_t offset;                   /* of the member */
    size_t has;                      /* of its flag */
};
struct msg_desc {
    const char *wire;
    unsigned from, to;               /* msg_role bits */
    bool is_strict;
    const struct msg_field *fields;
    size_t n;
    size_t size;                     /* of the struct */
};
/* Every msg_NAME_list, whatever its record. */
struct msg_recs {
    const void *v;
    size_t n;
};

/* 9999-12-31T23:59:59.999Z: RFC 3339 has no later time. */
#define MSG_TIME_MAX INT64_C(253402300799999)
/* Bytes of a key of PAIRS. */
#define MSG_KEY_MAX 4096

const struct msg_desc *msg_desc(enum msg_type type);   /* NULL: no such type */
/* Whether an encoder writes the field: always when required, else when it holds something. */
bool msg_has(const struct msg_field *f, const void *message);

/* --- checks (msg_check.c): 0, or -1 with the path of the field and a sentence -------------------------------- */

struct msg_where {                   /* one step of the path to a field, on the decoder's stack */
    const struct msg_where *up;
    const char *name;
    size_t index;                    /* of a list element; MSG_NO_INDEX: the field itself */
};
#define MSG_NO_INDEX SIZE_MAX

int msg_fail(struct err *e, const struct msg_where *w, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int msg_fail_missing(struct err *e, const struct msg_where *up, const char *name);
int msg_fail_unknown(struct err *e, const struct msg_where *up, const struct msg_desc *d, const char *name);
int msg_check_text(const char *data, size_t len, int64_t limit, const struct msg_where *w, struct err *e);
int msg_check_key(const char *data, size_t len, const struct msg_where *w, struct err *e);
int msg_check_int(int64_t v, const struct msg_field *f, const struct msg_where *w, struct err *e);
int msg_check_len(size_t len, int64_t limit, const char *unit, const struct msg_where *w, struct err *e);
int msg_check_required(const struct msg_desc *d, const void *message, const struct msg_where *up, struct err *e);

#define MSG_MAGIC 0xB7   /* first byte of a binary message */

/* --- codecs by descriptor ---------------------------------------------------------------------------------- */

void msg_bin_write(const struct msg_desc *d, const void *message, int minor, struct buf *out);
int msg_bin_read(const struct msg_desc *d, const uint8_t *data, size_t len, struct arena *a, void *struct_r,
                 struct err *e);

/* A parsed object, so that its type can be looked at before it is decoded. */
struct msg_json;
struct msg_json *msg_json_open(const char *data, size_t len, struct err *e);
void msg_json_close(struct msg_json **j);
enum msg_type msg_json_named(const struct msg_json *j, struct err *e);
int msg_json_read(const struct msg_json *j, enum msg_type type, struct arena *a, void *struct_r, struct err *e);

#endif
