/* chunk_record.c - the header and records of N.chunks to bytes and back. Pure; implements ARCHITECTURE "Log format". */
#include "logsink/chunk_record.h"

#include <string.h>

#include "logsink/little.h"

static const char magic[8] = { 'O', 'R', 'I', 'O', 'N', 'C', 'H', 'K' };

enum { SEQ = 0, OFFSET = 8, LENGTH = 16, DATA_CRC = 20, TIME = 24, STREAM = 32, FLAGS = 34, CRC = 36, HEAD = 40 };

void chunk_header_encode(const struct log_key *key, uint8_t out[CHUNK_RECORD_SIZE])
{
    memset(out, 0, CHUNK_RECORD_SIZE);
    memcpy(out, magic, sizeof(magic));
    little_put32(out + 8, CHUNK_VERSION);
    little_put32(out + 12, key->attempt);
    memcpy(out + 16, key->task.b, sizeof(key->task.b));
    little_put32(out + 60, hash_crc32c(0, out, 60));
}

int chunk_header_decode(const uint8_t *in, size_t len, const struct log_key *key, struct err *e)
{
    if (len < CHUNK_RECORD_SIZE)
        return err_set(e, ERR_INVALID, "the header is cut short");
    if (memcmp(in, magic, sizeof(magic)) != 0)
        return err_set(e, ERR_INVALID, "not a list of chunks");
    uint32_t version = little_get32(in + 8);
    if (hash_crc32c(0, in, 60) != little_get32(in + 60))
        return err_set(e, ERR_INVALID, "the header is damaged");
    if (version > CHUNK_VERSION)
        return err_set(e, ERR_CONFLICT, "chunk format %u is newer than this program's %d", version, CHUNK_VERSION);
    if (little_get32(in + 12) != key->attempt || memcmp(in + 16, key->task.b, sizeof(key->task.b)) != 0)
        return err_set(e, ERR_INVALID, "the chunks are another attempt's");
    return 0;
}

void chunk_record_init(struct chunk_record *r, const struct chain_chunk *c, const struct hash *head, const void *data)
{
    *r = (struct chunk_record){ .chunk = *c, .data_crc = hash_crc32c(0, data, c->length) };
    memcpy(r->head, head->b, sizeof(r->head));
}

static uint32_t record_crc(const uint8_t *record)
{
    uint32_t crc = hash_crc32c(0, record, CRC);
    return hash_crc32c(crc, record + HEAD, CHUNK_RECORD_SIZE - HEAD);
}

void chunk_record_encode(const struct chunk_record *r, uint8_t out[CHUNK_RECORD_SIZE])
{
    memset(out, 0, CHUNK_RECORD_SIZE);
    little_put64(out + SEQ, r->chunk.seq);
    little_put64(out + OFFSET, r->chunk.offset);
    little_put32(out + LENGTH, r->chunk.length);
    little_put32(out + DATA_CRC, r->data_crc);
    little_put64(out + TIME, r->chunk.time_ns);
    out[STREAM] = r->chunk.stream;
    little_put16(out + FLAGS, r->chunk.flags);
    memcpy(out + HEAD, r->head, sizeof(r->head));
    little_put32(out + CRC, record_crc(out));
}

int chunk_record_decode(const uint8_t *in, size_t len, struct chunk_record *r_r)
{
    if (len < CHUNK_RECORD_SIZE || record_crc(in) != little_get32(in + CRC))
        return -1;
    *r_r = (struct chunk_record){
        .chunk = { .seq = little_get64(in + SEQ), .offset = little_get64(in + OFFSET),
                   .length = little_get32(in + LENGTH), .stream = in[STREAM], .flags = little_get16(in + FLAGS),
                   .time_ns = little_get64(in + TIME) },
        .data_crc = little_get32(in + DATA_CRC),
    };
    memcpy(r_r->head, in + HEAD, sizeof(r_r->head));
    return r_r->chunk.length <= CHAIN_DATA_MAX ? 0 : -1;
}

bool chunk_record_follows(const struct chunk_record *r, uint64_t seq, uint64_t bytes)
{
    return r->chunk.seq == seq + 1 && r->chunk.offset == bytes;
}
