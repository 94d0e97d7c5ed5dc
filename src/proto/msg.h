/* msg.h - messages as structs, and their way to bytes and back. Everything here is expanded from messages.def.
 *
 * For each message NAME there is `struct msg_NAME` with one member per field and `has.FIELD`. A decoder sets
 * `has`; an encoder reads it only for optional numbers, booleans, times and ids (texts, bytes and lists are
 * absent when NULL or empty). Decoded structs and what they point to live in an arena.
 *
 * The binary form (ZeroMQ, log chunks on WebSockets, runner sockets) is, little-endian:
 *   u8 0xB7, u8 major, u16 type, u32 length of the fields, u64 epoch, u64 conn, then per present field
 *   u8 number (from 1), varint length or value. A frame holds exactly one message.
 * docs/PROTOCOL.md has the details. Encoders expect values within the table's limits and put U+FFFD for what is
 * not UTF-8 in a text (a file name, a program's message), so that no peer refuses a fact for its wording.
 * Decoders accept nothing that the table does not allow, cost memory in proportion to the input, and name the
 * message and field in the error. */
#ifndef ORION_PROTO_MSG_H
#define ORION_PROTO_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/uuid.h"

struct msg_bytes {
    const uint8_t *data;
    size_t len;
};
struct msg_strs {
    const char *const *v;
    size_t n;
};
struct msg_ints {
    const int64_t *v;
    size_t n;
};
struct msg_pair {
    const char *key;
    const char *value;
};
struct msg_pairs {
    const struct msg_pair *v;
    size_t n;
};

/* Who may send or receive: a column of the table, checked by the dispatcher. */
enum msg_role {
    FROM_NOBODY = 0,
    FROM_CLIENT = 1,
    FROM_AGENT = 2,
    FROM_RUNNER = 4,
    FROM_GATEWAY = 8,
    FROM_SCHEDULER = 16,
    FROM_LOGSINK = 32,
};

#define MSG_C_STR const char *
#define MSG_C_UUID struct uuid
#define MSG_C_I64 int64_t
#define MSG_C_S64 int64_t
#define MSG_C_TIME int64_t
#define MSG_C_BOOL bool
#define MSG_C_BYTES struct msg_bytes
#define MSG_C_STRS struct msg_strs
#define MSG_C_INTS struct msg_ints
#define MSG_C_PAIRS struct msg_pairs
#define MSG_C_RECS(record) struct msg_##record##_list
#define MSG_MEMBER(message, type, name, need, limit, since) MSG_C_##type name;
#define MSG_HAS(message, type, name, need, limit, since) bool name;

enum msg_type {
    MSG_NONE,
#define MSG(e, name, wire, from, to, strictness, fields) MSG_##e,
#include "proto/messages.def"
#undef MSG
    MSG_TYPES
};

#define MSG(e, name, wire, from, to, strictness, fields)                                                               \
    struct msg_##name {                                                                                                \
        fields(MSG_MEMBER) struct {                                                                                    \
            fields(MSG_HAS)                                                                                            \
        } has;                                                                                                         \
    };                                                                                                                 \
    struct msg_##name##_list {                                                                                         \
        const struct msg_##name *v;                                                                                    \
        size_t n;                                                                                                      \
    };
#include "proto/messages.def"
#undef MSG

enum { MSG_MAJOR = PROTO_MAJOR, MSG_MINOR = PROTO_MINOR };

const char *msg_wire_name(enum msg_type type);              /* "task.assign" */
enum msg_type msg_by_wire_name(const char *name, size_t len); /* MSG_NONE: unknown */
unsigned msg_senders(enum msg_type type);                   /* msg_role bits */
unsigned msg_receivers(enum msg_type type);

/* --- JSON ------------------------------------------------------------------------------------------------
 * Objects on WebSockets carry "type": "wire.name"; HTTP bodies do not (typed = false). A decoder accepts
 * the right "type" in every message but those from and to clients: in HTTP bodies it is a field like any other.
 * Input is at most MSG_JSON_MAX bytes, 8 levels deep, strict JSON, valid UTF-8, no NUL in any text. */
#define MSG_JSON_MAX (1024 * 1024)

/* struct_r: the struct of `type`; everything it points to is arena memory. Errors: ERR_INVALID, with `field` when one
 * is at fault (a path: held[3].state), ERR_TOO_LARGE for the whole. */
int msg_from_json(enum msg_type type, const char *data, size_t len, struct arena *a, void *struct_r, struct err *e);
void msg_to_json(enum msg_type type, const void *message, bool typed, struct buf *out);
/* Any bytes as a text in quotes: NUL as \u0000, what is not UTF-8 as U+FFFD. For what no message can be, such as lines
 * of an asciicast. */
void msg_json_text(const char *text, size_t len, struct buf *out);
/* The type named in a WebSocket object; MSG_NONE with a reason when there is none or it is unknown. */
enum msg_type msg_json_type(const char *data, size_t len, struct err *e);

/* --- binary ---------------------------------------------------------------------------------------------- */

struct msg_head {
    enum msg_type type;
    uint64_t epoch;   /* of the scheduler that sent it; 0 from others */
    uint64_t conn;    /* the connection behind the peer: an agent's on a worker; 0: the peer itself */
};
#define MSG_HEAD_SIZE 24

/* Appends a frame. Leaves out fields newer than `minor`, the peer's. */
void msg_to_bin(const struct msg_head *head, const void *message, int minor, struct buf *out);
int msg_bin_head(const uint8_t *data, size_t len, struct msg_head *head_r, struct err *e);
/* *struct_r, texts and lists are arena memory. BYTES borrow: they point into `data` and are valid as long as it is;
 * whoever keeps them longer copies them. */
int msg_from_bin(const uint8_t *data, size_t len, struct arena *a, struct msg_head *head_r, void **struct_r,
                 struct err *e);

/* --- documents and seeds --------------------------------------------------------------------------------- */

void msg_print_protocol(struct buf *out);                    /* docs/PROTOCOL.md */
/* A valid message of that type filled from `seed`, for fuzz corpora and round-trip tests. Seed 0 has every field;
 * others leave out some that are not required. */
void msg_sample(enum msg_type type, unsigned seed, struct arena *a, void **struct_r);
size_t msg_struct_size(enum msg_type type);

#endif
