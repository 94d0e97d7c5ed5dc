/* base.h - log.base: a log begins, or goes on, behind a chunk that this sink does not have; its bytes to disk and back.
 *
 *   in the journal, the record's data:  newlines u64, is_lost u8, reason (text, to the end); seq, offset and head stand
 *                                       in the record itself
 *   in N.chunks, several records (chunk_record.h) with CHAIN_BASE, the base's seq and offset. length: place among
 *   them (u8, from 0), how many they are (u8), is_lost (u8). The first has newlines in time_ns and the head; the
 *   others have 32 bytes of the reason each in place of the head, zeros behind it. */
#ifndef ORION_LOGSINK_BASE_H
#define ORION_LOGSINK_BASE_H

#include "logsink/chunk_record.h"
#include "logsink/journal_record.h"
#include "logsink/position.h"

#define BASE_REASON_MAX 256
#define BASE_RECORDS_MAX (1 + BASE_REASON_MAX / 32)
#define BASE_DATA_MAX (9 + BASE_REASON_MAX)

struct base {
    uint64_t seq;        /* last chunk in front of it */
    uint64_t offset;     /* behind that chunk's last byte */
    uint64_t newlines;   /* in front of it */
    struct hash head;    /* H(seq) */
    bool is_lost;        /* nobody has what is in front */
    char reason[BASE_REASON_MAX + 1];
};

size_t base_encode(const struct base *b, uint8_t out[BASE_DATA_MAX]);        /* how long the journal's data is */
int base_decode(const struct journal_record *r, struct base *b_r);           /* -1: not a base */

size_t base_to_records(const struct base *b, struct chunk_record out[BASE_RECORDS_MAX]);   /* how many they are */
unsigned base_part(const struct chunk_record *r);                            /* its place among the base's records */
/* From those of its records that are good, in any number: reason as far as they have it. -1: the first is not. */
int base_from_records(const struct chunk_record *records, size_t n, struct base *b_r);

void base_position(const struct base *b, struct position *p);                /* moves p there */

#endif
