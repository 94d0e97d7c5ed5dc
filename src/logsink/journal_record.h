/* journal_record.h - the journal's bytes: DIR/journal/NNNNNNNNNN.j, little-endian.
 *
 *   segment header (32):  "ORIONJNL", version u32, 0 u32, segment number u64, 0 u32, crc32c u32 of the 28 before
 *   record (88 + data):   length u32 of what follows the checksum, crc32c u32 of length and of what follows, then
 *                         kind u8, stream u8, flags u16, attempt u32, task 16, seq u64, offset u64, time_ns u64,
 *                         head 32, data
 *
 * A chunk's record carries its bytes as data. A seal's record carries the file N.seal as data (seal.h), with the
 * chunks in seq and the bytes in offset. A base's data are in base.h; version 1 has none. A file with a newer version
 * is refused by name. */
#ifndef ORION_LOGSINK_JOURNAL_RECORD_H
#define ORION_LOGSINK_JOURNAL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "logsink/key.h"
#include "proto/chain.h"

#define JOURNAL_VERSION 2
#define JOURNAL_HEADER_SIZE 32
#define JOURNAL_RECORD_SIZE 88

enum journal_kind { JOURNAL_CHUNK = 1, JOURNAL_SEAL = 2, JOURNAL_BASE = 3 };

struct journal_record {
    enum journal_kind kind;
    struct log_key key;
    struct chain_chunk chunk;   /* length: of data */
    struct hash head;           /* H(seq) */
    const uint8_t *data;
};

void journal_header_encode(uint64_t segment, uint8_t out[JOURNAL_HEADER_SIZE]);
/* -1: not a journal segment, damaged, or of a newer version (the reason says which). */
int journal_header_decode(const uint8_t *in, size_t len, uint64_t *segment_r, struct err *e);

/* Everything but the data, which follows it in the file. */
void journal_record_encode(const struct journal_record *r, uint8_t out[JOURNAL_RECORD_SIZE]);
/* Bytes that the record takes; 0: what is here is not a whole good record. data points into `in`. */
size_t journal_record_decode(const uint8_t *in, size_t len, struct journal_record *r_r);

#endif
