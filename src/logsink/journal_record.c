/* journal_record.c - journal segments' headers and records to bytes and back. Pure; implements ARCHITECTURE
 * "Log format". */
#include "logsink/journal_record.h"

#include <string.h>

#include "logsink/little.h"

static const char magic[8] = { 'O', 'R', 'I', 'O', 'N', 'J', 'N', 'L' };

/* Where things stand in a record; what follows the checksum begins at BODY. */
enum { LENGTH = 0, CRC = 4, BODY = 8, KIND = 8, STREAM = 9, FLAGS = 10, ATTEMPT = 12, TASK = 16, SEQ = 32, OFFSET = 40,
       TIME = 48, HEAD = 56 };

void journal_header_encode(uint64_t segment, uint8_t out[JOURNAL_HEADER_SIZE])
{
    memset(out, 0, JOURNAL_HEADER_SIZE);
    memcpy(out, magic, sizeof(magic));
    little_put32(out + 8, JOURNAL_VERSION);
    little_put64(out + 16, segment);
    little_put32(out + 28, hash_crc32c(0, out, 28));
}

int journal_header_decode(const uint8_t *in, size_t len, uint64_t *segment_r, struct err *e)
{
    if (len < JOURNAL_HEADER_SIZE)
        return err_set(e, ERR_INVALID, "the header is cut short");
    if (memcmp(in, magic, sizeof(magic)) != 0)
        return err_set(e, ERR_INVALID, "not a journal segment");
    uint32_t version = little_get32(in + 8);
    if (hash_crc32c(0, in, 28) != little_get32(in + 28))
        return err_set(e, ERR_INVALID, "the header is damaged");
    if (version > JOURNAL_VERSION)
        return err_set(e, ERR_CONFLICT, "journal format %u is newer than this program's %d", version, JOURNAL_VERSION);
    *segment_r = little_get64(in + 16);
    return 0;
}

static uint32_t record_crc(const uint8_t *record, const uint8_t *data, size_t data_len)
{
    uint32_t crc = hash_crc32c(0, record + LENGTH, 4);
    crc = hash_crc32c(crc, record + BODY, JOURNAL_RECORD_SIZE - BODY);
    return hash_crc32c(crc, data, data_len);
}

void journal_record_encode(const struct journal_record *r, uint8_t out[JOURNAL_RECORD_SIZE])
{
    little_put32(out + LENGTH, JOURNAL_RECORD_SIZE - BODY + r->chunk.length);
    out[KIND] = (uint8_t)r->kind;
    out[STREAM] = r->chunk.stream;
    little_put16(out + FLAGS, r->chunk.flags);
    little_put32(out + ATTEMPT, r->key.attempt);
    memcpy(out + TASK, r->key.task.b, sizeof(r->key.task.b));
    little_put64(out + SEQ, r->chunk.seq);
    little_put64(out + OFFSET, r->chunk.offset);
    little_put64(out + TIME, r->chunk.time_ns);
    memcpy(out + HEAD, r->head.b, sizeof(r->head.b));
    little_put32(out + CRC, record_crc(out, r->data, r->chunk.length));
}

size_t journal_record_decode(const uint8_t *in, size_t len, struct journal_record *r_r)
{
    if (len < JOURNAL_RECORD_SIZE)
        return 0;
    uint32_t length = little_get32(in + LENGTH);
    if (length < JOURNAL_RECORD_SIZE - BODY || length > JOURNAL_RECORD_SIZE - BODY + CHAIN_DATA_MAX ||
        length > len - BODY)
        return 0;
    uint32_t data_len = length - (JOURNAL_RECORD_SIZE - BODY);
    const uint8_t *data = in + JOURNAL_RECORD_SIZE;
    if (record_crc(in, data, data_len) != little_get32(in + CRC))
        return 0;
    if (in[KIND] < JOURNAL_CHUNK || in[KIND] > JOURNAL_BASE)
        return 0;
    *r_r = (struct journal_record){
        .kind = (enum journal_kind)in[KIND],
        .key.attempt = little_get32(in + ATTEMPT),
        .chunk = { .seq = little_get64(in + SEQ), .offset = little_get64(in + OFFSET), .length = data_len,
                   .stream = in[STREAM], .flags = little_get16(in + FLAGS), .time_ns = little_get64(in + TIME) },
        .data = data,
    };
    memcpy(r_r->key.task.b, in + TASK, sizeof(r_r->key.task.b));
    memcpy(r_r->head.b, in + HEAD, sizeof(r_r->head.b));
    return BODY + length;
}
