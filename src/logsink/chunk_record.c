/* chunk_record.c - the header and records of N.chunks to bytes and back. Pure; implements ARCHITECTURE "Log format". */
#include "logsink/chunk_record.h"

#include <string.h>

#include "logsink/little.h"

#define HEAD_CUT 16   /* bytes of a head in version 1 */

static const char magic[8] = { 'O', 'R', 'I', 'O', 'N', 'C', 'H', 'K' };

enum { SEQ = 0, OFFSET = 6, LENGTH = 12, TIME = 15, DATA_CRC = 22, FLAGS = 26, CRC = 28, HEAD = 32 };
enum { OLD_SEQ = 0, OLD_OFFSET = 8, OLD_LENGTH = 16, OLD_DATA_CRC = 20, OLD_TIME = 24, OLD_STREAM = 32, OLD_FLAGS = 34,
       OLD_CRC = 36, OLD_HEAD = 40 };

void chunk_header_encode(const struct log_key *key, unsigned version, uint8_t out[CHUNK_RECORD_SIZE])
{
    memset(out, 0, CHUNK_RECORD_SIZE);
    memcpy(out, magic, sizeof(magic));
    little_put32(out + 8, version);
    little_put32(out + 12, key->attempt);
    memcpy(out + 16, key->task.b, sizeof(key->task.b));
    little_put32(out + 60, hash_crc32c(0, out, 60));
}

int chunk_header_decode(const uint8_t *in, size_t len, const struct log_key *key, unsigned *version_r, struct err *e)
{
    if (len < CHUNK_RECORD_SIZE)
        return err_set(e, ERR_INVALID, "the header is cut short");
    if (memcmp(in, magic, sizeof(magic)) != 0)
        return err_set(e, ERR_INVALID, "not a list of chunks");
    uint32_t version = little_get32(in + 8);
    if (hash_crc32c(0, in, 60) != little_get32(in + 60) || version == 0)
        return err_set(e, ERR_INVALID, "the header is damaged");
    if (version > CHUNK_VERSION)
        return err_set(e, ERR_CONFLICT, "chunk format %u is newer than this program's %d", version, CHUNK_VERSION);
    if (little_get32(in + 12) != key->attempt || memcmp(in + 16, key->task.b, sizeof(key->task.b)) != 0)
        return err_set(e, ERR_INVALID, "the chunks are another attempt's");
    *version_r = version;
    return 0;
}

void chunk_record_init(struct chunk_record *r, const struct chain_chunk *c, const struct hash *head, const void *data)
{
    *r = (struct chunk_record){ .chunk = *c, .data_crc = hash_crc32c(0, data, c->length), .head = *head };
}

/* Of all bytes but the checksum itself. */
static uint32_t record_crc(const uint8_t *record, size_t at)
{
    uint32_t crc = hash_crc32c(0, record, at);
    return hash_crc32c(crc, record + at + 4, CHUNK_RECORD_SIZE - at - 4);
}

static void encode_old(const struct chunk_record *r, uint8_t *out)
{
    little_put64(out + OLD_SEQ, r->chunk.seq);
    little_put64(out + OLD_OFFSET, r->chunk.offset);
    little_put32(out + OLD_LENGTH, r->chunk.length);
    little_put32(out + OLD_DATA_CRC, r->data_crc);
    little_put64(out + OLD_TIME, r->chunk.time_ns);
    out[OLD_STREAM] = r->chunk.stream;
    little_put16(out + OLD_FLAGS, r->chunk.flags);
    memcpy(out + OLD_HEAD, r->head.b, HEAD_CUT);
    little_put32(out + OLD_CRC, record_crc(out, OLD_CRC));
}

void chunk_record_encode(const struct chunk_record *r, unsigned version, uint8_t out[CHUNK_RECORD_SIZE])
{
    memset(out, 0, CHUNK_RECORD_SIZE);
    if (version == 1) {
        encode_old(r, out);
        return;
    }
    little_put(out + SEQ, r->chunk.seq, OFFSET - SEQ);
    little_put(out + OFFSET, r->chunk.offset, LENGTH - OFFSET);
    little_put(out + LENGTH, r->chunk.length, TIME - LENGTH);
    little_put(out + TIME, r->chunk.time_ns, DATA_CRC - TIME);
    little_put32(out + DATA_CRC, r->data_crc);
    little_put16(out + FLAGS, (uint16_t)(r->chunk.flags | r->chunk.stream << 14));
    memcpy(out + HEAD, r->head.b, sizeof(r->head.b));
    little_put32(out + CRC, record_crc(out, CRC));
}

static int decode_old(const uint8_t *in, struct chunk_record *r_r)
{
    if (record_crc(in, OLD_CRC) != little_get32(in + OLD_CRC))
        return -1;
    *r_r = (struct chunk_record){
        .chunk = { .seq = little_get64(in + OLD_SEQ), .offset = little_get64(in + OLD_OFFSET),
                   .length = little_get32(in + OLD_LENGTH), .stream = in[OLD_STREAM],
                   .flags = little_get16(in + OLD_FLAGS), .time_ns = little_get64(in + OLD_TIME) },
        .data_crc = little_get32(in + OLD_DATA_CRC), .is_head_cut = true,
    };
    memcpy(r_r->head.b, in + OLD_HEAD, HEAD_CUT);
    /* What is beyond the newer format's bounds was never written by anything. */
    return r_r->chunk.length <= CHAIN_DATA_MAX && r_r->chunk.offset <= CHUNK_OFFSET_MAX &&
           r_r->chunk.seq > 0 && r_r->chunk.seq <= CHUNK_SEQ_MAX && !chunk_record_is_base(r_r)
               ? 0
               : -1;
}

int chunk_record_decode(const uint8_t *in, size_t len, unsigned version, struct chunk_record *r_r)
{
    if (len < CHUNK_RECORD_SIZE)
        return -1;
    if (version == 1)
        return decode_old(in, r_r);
    if (record_crc(in, CRC) != little_get32(in + CRC))
        return -1;
    uint16_t flags = little_get16(in + FLAGS);
    *r_r = (struct chunk_record){
        .chunk = { .seq = little_get(in + SEQ, OFFSET - SEQ), .offset = little_get(in + OFFSET, LENGTH - OFFSET),
                   .length = (uint32_t)little_get(in + LENGTH, TIME - LENGTH), .stream = (uint8_t)(flags >> 14),
                   .flags = flags & CHUNK_FLAGS_MAX, .time_ns = little_get(in + TIME, DATA_CRC - TIME) },
        .data_crc = little_get32(in + DATA_CRC),
    };
    memcpy(r_r->head.b, in + HEAD, sizeof(r_r->head.b));
    return (r_r->chunk.length <= CHAIN_DATA_MAX || chunk_record_is_base(r_r)) &&
           r_r->chunk.offset <= CHUNK_OFFSET_MAX && r_r->chunk.seq > 0 ? 0 : -1;
}

bool chunk_record_is_base(const struct chunk_record *r)
{
    return r->chunk.flags & CHAIN_BASE;
}

uint64_t chunk_record_end(const struct chunk_record *r)
{
    return r->chunk.offset + (chunk_record_is_base(r) ? 0 : r->chunk.length);
}

bool chunk_record_has_head(const struct chunk_record *r, const struct hash *head)
{
    return memcmp(r->head.b, head->b, r->is_head_cut ? HEAD_CUT : sizeof(head->b)) == 0;
}
