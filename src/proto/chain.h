/* chain.h - the hash chain of an attempt's log (ARCHITECTURE "Logs") and what chunks look like, shared by the
 * runner that makes it, the sink that checks it and anybody who verifies.
 *
 *   H(0) = BLAKE2b-256(task id 16 bytes || attempt u32 LE)
 *   H(n) = BLAKE2b-256(H(n-1) || header(n) || bytes(n))
 *   header(n) = seq u64, offset u64, length u32, stream u8, flags u16, time_ns u64, little-endian, packed (31 bytes) */
#ifndef ORION_PROTO_CHAIN_H
#define ORION_PROTO_CHAIN_H

#include <stdint.h>

#include "lib/hash.h"
#include "lib/uuid.h"

enum chain_stream { CHAIN_BOTH = 0, CHAIN_STDOUT = 1, CHAIN_STDERR = 2 };
#define CHAIN_DATA_MAX 65536   /* bytes of one chunk */

/* 0: what the build wrote. */
enum chain_flag {
    CHAIN_NOTE = 1,   /* a whole line of the runner's own, not the build's */
    CHAIN_CAP = 2,    /* with CHAIN_NOTE: output was left out here, the log's limit being reached; the line says how much */
    CHAIN_BASE = 4,   /* in lists of chunks only: not a chunk, the chain begins anew behind it (PROTOCOL "log.base") */
};

struct chain_chunk {
    uint64_t seq;       /* 1.. */
    uint64_t offset;
    uint32_t length;
    uint8_t stream;
    uint16_t flags;     /* CHAIN_... */
    uint64_t time_ns;
};

void chain_start(const struct uuid *task, uint32_t attempt, struct hash *head_r);
void chain_next(struct hash *head, const struct chain_chunk *c, const void *data);

/* Topic of an attempt on the sinks' live socket: task id, attempt u32 big-endian. */
#define CHAIN_TOPIC_SIZE 20
void chain_topic(const struct uuid *task, uint32_t attempt, uint8_t out[CHAIN_TOPIC_SIZE]);

#endif
