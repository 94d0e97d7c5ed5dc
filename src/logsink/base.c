/* base.c - the bytes of log.base (base.h). Pure. */
#include "logsink/base.h"

#include <string.h>

#include "logsink/little.h"

#define FIXED 9                               /* of the journal's data */
#define PIECE sizeof(((struct hash *)0)->b)   /* of the reason, in one record */

size_t base_encode(const struct base *b, uint8_t out[BASE_DATA_MAX])
{
    size_t len = strnlen(b->reason, BASE_REASON_MAX);
    little_put64(out, b->newlines);
    out[8] = b->is_lost;
    memcpy(out + FIXED, b->reason, len);
    return FIXED + len;
}

int base_decode(const struct journal_record *r, struct base *b_r)
{
    if (r->kind != JOURNAL_BASE || r->chunk.length < FIXED || r->chunk.length > BASE_DATA_MAX)
        return -1;
    *b_r = (struct base){ .seq = r->chunk.seq, .offset = r->chunk.offset, .newlines = little_get64(r->data),
                          .is_lost = r->data[8] != 0, .head = r->head };
    memcpy(b_r->reason, r->data + FIXED, r->chunk.length - FIXED);
    return b_r->seq > 0 && b_r->seq <= CHUNK_SEQ_MAX && b_r->offset <= CHUNK_OFFSET_MAX ? 0 : -1;
}

size_t base_to_records(const struct base *b, struct chunk_record out[BASE_RECORDS_MAX])
{
    size_t len = strnlen(b->reason, BASE_REASON_MAX), n = 1 + (len + PIECE - 1) / PIECE;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct chunk_record){
            .chunk = { .seq = b->seq, .offset = b->offset, .flags = CHAIN_BASE,
                       .length = (uint32_t)(i | n << 8 | (size_t)b->is_lost << 16) },
        };
        size_t at = (i - 1) * PIECE;
        if (i > 0)
            memcpy(out[i].head.b, b->reason + at, len - at < PIECE ? len - at : PIECE);
    }
    out[0].head = b->head;
    out[0].chunk.time_ns = b->newlines < CHUNK_TIME_MAX ? b->newlines : CHUNK_TIME_MAX;
    return n;
}

unsigned base_part(const struct chunk_record *r)
{
    return r->chunk.length & 0xff;
}

int base_from_records(const struct chunk_record *records, size_t n, struct base *b_r)
{
    if (n == 0 || !chunk_record_is_base(&records[0]) || base_part(&records[0]) != 0)
        return -1;
    *b_r = (struct base){ .seq = records[0].chunk.seq, .offset = records[0].chunk.offset, .head = records[0].head,
                          .newlines = records[0].chunk.time_ns, .is_lost = records[0].chunk.length >> 16 & 1 };
    for (size_t i = 1; i < n; i++) {
        unsigned part = base_part(&records[i]);
        if (!chunk_record_is_base(&records[i]) || records[i].chunk.seq != b_r->seq || part != i ||
            part >= BASE_RECORDS_MAX)
            break;
        memcpy(b_r->reason + (part - 1) * PIECE, records[i].head.b, PIECE);
    }
    return 0;
}

void base_position(const struct base *b, struct position *p)
{
    bool is_hole = p->seq > 0 || b->is_lost;
    *p = (struct position){ .seq = b->seq, .bytes = b->offset, .newlines = b->newlines, .head = b->head,
                            .is_broken = p->is_broken || is_hole };
}
