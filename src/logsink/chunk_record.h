/* chunk_record.h - the bytes of DIR/log/XX/TASK/N.chunks: 64-byte records, little-endian; the first is the header.
 *
 *   header:  "ORIONCHK", version u32, attempt u32, task 16, 0..., crc32c u32 of the 60 before
 *   record:  seq u48, offset u48, length u24, time_ns u56, crc32c u32 of the bytes, flags u14 and stream u2,
 *            crc32c u32 of this record's other 60 bytes, H(seq) 32
 *
 * Chunk seq has the bytes [offset, offset + length) of N.log. Numbers and offsets ascend. A base (base.h) stands in
 * place of the chunks in front of it that are not there; it takes several records, told by CHAIN_BASE in their flags.
 *
 * Version 1 has no bases, and of the head 16 bytes only:
 *   record:  seq u64, offset u64, length u32, crc32c u32 of the bytes, time_ns u64, stream u8, 0 u8, flags u16,
 *            crc32c u32 of this record's other 60 bytes, the first 16 bytes of H(seq), 0 u64
 * A file keeps the version that it began with. */
#ifndef ORION_LOGSINK_CHUNK_RECORD_H
#define ORION_LOGSINK_CHUNK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "logsink/key.h"
#include "proto/chain.h"

#define CHUNK_VERSION 2
#define CHUNK_RECORD_SIZE 64

/* What a record can hold; a chunk beyond is refused when it comes. */
#define CHUNK_SEQ_MAX ((1ull << 48) - 1)
#define CHUNK_OFFSET_MAX (1ull << 42)        /* 4 TiB: file systems have bounds too */
#define CHUNK_TIME_MAX ((1ull << 56) - 1)
#define CHUNK_FLAGS_MAX 0x3fff

struct chunk_record {
    struct chain_chunk chunk;
    uint32_t data_crc;
    struct hash head;      /* version 1: 16 bytes of it */
    bool is_head_cut;      /* version 1 */
};

void chunk_header_encode(const struct log_key *key, unsigned version, uint8_t out[CHUNK_RECORD_SIZE]);
/* -1: not the chunks of this attempt, damaged, or of a newer version (the reason says which). */
int chunk_header_decode(const uint8_t *in, size_t len, const struct log_key *key, unsigned *version_r, struct err *e);

void chunk_record_init(struct chunk_record *r, const struct chain_chunk *c, const struct hash *head, const void *data);
void chunk_record_encode(const struct chunk_record *r, unsigned version, uint8_t out[CHUNK_RECORD_SIZE]);
int chunk_record_decode(const uint8_t *in, size_t len, unsigned version, struct chunk_record *r_r); /* -1: damaged */
bool chunk_record_is_base(const struct chunk_record *r);
uint64_t chunk_record_end(const struct chunk_record *r);   /* offset behind it */
bool chunk_record_has_head(const struct chunk_record *r, const struct hash *head);   /* as far as is known */

#endif
