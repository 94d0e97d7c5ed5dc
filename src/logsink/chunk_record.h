/* chunk_record.h - the bytes of DIR/log/XX/TASK/N.chunks: 64-byte records, little-endian; the first is the header.
 *
 *   header:  "ORIONCHK", version u32, attempt u32, task 16, 0..., crc32c u32 of the 60 before
 *   record:  seq u64, offset u64, length u32, crc32c u32 of the bytes, time_ns u64, stream u8, 0 u8, flags u16,
 *            crc32c u32 of this record's other 60 bytes, the first 16 bytes of H(seq), 0 u64
 *
 * Record n (from 1) describes chunk n, whose bytes are [offset, offset + length) of N.log. */
#ifndef ORION_LOGSINK_CHUNK_RECORD_H
#define ORION_LOGSINK_CHUNK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "logsink/key.h"
#include "proto/chain.h"

#define CHUNK_VERSION 1
#define CHUNK_RECORD_SIZE 64
#define CHUNK_HEAD_PREFIX 16

struct chunk_record {
    struct chain_chunk chunk;
    uint32_t data_crc;
    uint8_t head[CHUNK_HEAD_PREFIX];
};

void chunk_header_encode(const struct log_key *key, uint8_t out[CHUNK_RECORD_SIZE]);
/* -1: not the chunks of this attempt, damaged, or of a newer version (the reason says which). */
int chunk_header_decode(const uint8_t *in, size_t len, const struct log_key *key, struct err *e);

void chunk_record_init(struct chunk_record *r, const struct chain_chunk *c, const struct hash *head, const void *data);
void chunk_record_encode(const struct chunk_record *r, uint8_t out[CHUNK_RECORD_SIZE]);
int chunk_record_decode(const uint8_t *in, size_t len, struct chunk_record *r_r); /* -1: damaged */
/* Does r follow a log of `seq` chunks and `bytes` bytes? */
bool chunk_record_follows(const struct chunk_record *r, uint64_t seq, uint64_t bytes);

#endif
