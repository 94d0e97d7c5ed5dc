/* msg_table.c - messages.def as descriptors: what a message is called, who may send it, where its fields are.
 * The only source file besides msg.h that reads messages.def; every codec walks these descriptors. */
#include "proto/msg_impl.h"

#include <string.h>

/* The words of the table's columns. */
enum {
    NOBODY = FROM_NOBODY,
    CLIENT = FROM_CLIENT,
    AGENT = FROM_AGENT,
    RUNNER = FROM_RUNNER,
    GATEWAY = FROM_GATEWAY,
    SCHEDULER = FROM_SCHEDULER,
    LOGSINK = FROM_LOGSINK,
};
enum { LENIENT, STRICT };

/* A RECS column names its record in lower case. */
enum {
#define MSG(e, name, wire, from, to, strictness, fields) RECORD_##name = MSG_##e,
#include "proto/messages.def"
#undef MSG
};

static const struct msg_desc descs[MSG_TYPES];

#define KIND(k) .kind = KIND_##k
#define COLUMN_STR KIND(STR)
#define COLUMN_UUID KIND(UUID)
#define COLUMN_I64 KIND(I64)
#define COLUMN_S64 KIND(S64)
#define COLUMN_TIME KIND(TIME)
#define COLUMN_BOOL KIND(BOOL)
#define COLUMN_BYTES KIND(BYTES)
#define COLUMN_STRS KIND(STRS)
#define COLUMN_INTS KIND(INTS)
#define COLUMN_PAIRS KIND(PAIRS)
#define COLUMN_RECS(r) KIND(RECS), .record = &descs[RECORD_##r]

#define FIELD(message_, type_, name_, need_, limit_, since_)                                                           \
    { .name = #name_,                                                                                                  \
      COLUMN_##type_,                                                                                                  \
      .need = NEED_##need_,                                                                                            \
      .limit = (limit_),                                                                                               \
      .since = (since_),                                                                                               \
      .offset = offsetof(struct msg_##message_, name_),                                                                \
      .has = offsetof(struct msg_##message_, has.name_) },

#define MSG(e, name, wire, from, to, strictness, fields)                                                               \
    static const struct msg_field rows_##name[] = { fields(FIELD) };
#include "proto/messages.def"
#undef MSG

#define MSG(e, name, wire_, from_, to_, strictness, fields_)                                                           \
    [MSG_##e] = { .wire = (wire_),                                                                                     \
                  .from = (from_),                                                                                     \
                  .to = (to_),                                                                                         \
                  .is_strict = (strictness) == STRICT,                                                                 \
                  .fields = rows_##name,                                                                             \
                  .n = ARRAY_LEN(rows_##name),                                                                       \
                  .size = sizeof(struct msg_##name) },
static const struct msg_desc descs[MSG_TYPES] = {
#include "proto/messages.def"
};
#undef MSG

const struct msg_desc *msg_desc(enum msg_type type)
{
    return (unsigned)type > MSG_NONE && (unsigned)type < MSG_TYPES ? &descs[type] : NULL;
}

const char *msg_wire_name(enum msg_type type)
{
    const struct msg_desc *d = msg_desc(type);

    return d ? d->wire : "none";
}

enum msg_type msg_by_wire_name(const char *name, size_t len)
{
    for (unsigned t = MSG_NONE + 1; t < MSG_TYPES; t++) {
        if (!strncmp(descs[t].wire, name, len) && !descs[t].wire[len])
            return (enum msg_type)t;
    }
    return MSG_NONE;
}

unsigned msg_senders(enum msg_type type)
{
    const struct msg_desc *d = msg_desc(type);

    return d ? d->from : FROM_NOBODY;
}

unsigned msg_receivers(enum msg_type type)
{
    const struct msg_desc *d = msg_desc(type);

    return d ? d->to : FROM_NOBODY;
}

size_t msg_struct_size(enum msg_type type)
{
    const struct msg_desc *d = msg_desc(type);

    return d ? d->size : 0;
}

static size_t list_len(const struct msg_field *f, const char *member)
{
    struct msg_recs recs;

    switch (f->kind) {
    case KIND_BYTES:
        return ((const struct msg_bytes *)member)->len;
    case KIND_STRS:
        return ((const struct msg_strs *)member)->n;
    case KIND_INTS:
        return ((const struct msg_ints *)member)->n;
    case KIND_PAIRS:
        return ((const struct msg_pairs *)member)->n;
    default:
        memcpy(&recs, member, sizeof(recs));
        return recs.n;
    }
}

bool msg_has(const struct msg_field *f, const void *message)
{
    const char *member = (const char *)message + f->offset;
    bool has = *(const bool *)((const char *)message + f->has);

    if (f->need == NEED_REQ)
        return true;
    switch (f->kind) {
    case KIND_STR:
        return *(const char *const *)member && **(const char *const *)member;
    case KIND_BOOL:
        return has || *(const bool *)member;
    case KIND_UUID:
    case KIND_I64:
    case KIND_S64:
    case KIND_TIME:
        return has;
    default:
        return list_len(f, member) > 0;
    }
}
