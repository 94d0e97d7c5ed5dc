/* seeds_logsink.c - writes the corpora of fuzz_journal and fuzz_chunks: checksums cannot be guessed.
 *
 *   seeds_logsink DIR     makes DIR/journal/... and DIR/chunks/...; both folders must exist */
/* fuzz-links: src/logsink/journal_record.c src/logsink/chunk_record.c src/logsink/seal.c src/logsink/base.c */
/* fuzz-links: src/logsink/position.c src/proto/chain.c src/lib/hash.c src/lib/err.c src/lib/mem.c src/lib/buf.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "logsink/base.h"
#include "logsink/chunk_record.h"
#include "logsink/journal_record.h"
#include "logsink/seal.h"

static const struct log_key key = { .task = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
                                    .attempt = 1 };

static void write_file(const char *dir, const char *name, const struct buf *b)
{
    char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(b->data, 1, b->len, f) != b->len || fclose(f)) {
        perror(path);
        exit(1);
    }
    mem_free(&path);
}

static void put_record(struct buf *out, const struct journal_record *r)
{
    uint8_t raw[JOURNAL_RECORD_SIZE];
    journal_record_encode(r, raw);
    buf_append(out, raw, sizeof(raw));
    buf_append(out, r->data, r->chunk.length);
}

static void put_seal(struct buf *out, const struct hash *head, enum seal_removed removed)
{
    uint8_t raw[SEAL_SIZE];
    const struct seal s = { .state = SEAL_COMPLETE, .chunks = 3, .bytes = 12, .lines = 3, .head = *head,
                            .sealed_at_ms = 1000, .keep_ms = 5, .removed = removed, .removed_at_ms = removed };
    const struct journal_record r = { .kind = JOURNAL_SEAL, .key = key, .head = *head, .data = raw,
                                      .chunk = { .seq = 3, .offset = 12, .length = sizeof(raw) } };
    seal_encode(&s, &key, raw);
    put_record(out, &r);
}

/* Into both: behind the three chunks, and with a reason that takes several records. */
static void put_base(struct buf *journal, struct buf *chunks)
{
    uint8_t data[BASE_DATA_MAX], raw[CHUNK_RECORD_SIZE];
    struct chunk_record records[BASE_RECORDS_MAX];
    const struct base b = { .seq = 9, .offset = 100, .newlines = 12, .is_lost = true, .head = { { 7 } },
                            .reason = "the agent's spool is damaged" " and this takes more than 32 bytes" };
    const struct journal_record r = { .kind = JOURNAL_BASE, .key = key, .head = b.head, .data = data,
                                      .chunk = { .seq = 9, .offset = 100, .length = (uint32_t)base_encode(&b, data) } };
    size_t n = base_to_records(&b, records);
    put_record(journal, &r);
    for (size_t i = 0; i < n; i++) {
        chunk_record_encode(&records[i], CHUNK_VERSION, raw);
        buf_append(chunks, raw, sizeof(raw));
    }
}

static void put_header(struct buf *out, unsigned version)
{
    uint8_t raw[CHUNK_RECORD_SIZE];
    chunk_header_encode(&key, version, raw);
    buf_append(out, raw, sizeof(raw));
}

int main(int argc, char **argv)
{
    static const char *const lines[] = { "one\n", "two\n", "end\n" };
    struct buf journal = { 0 }, chunks = { 0 }, old = { 0 };
    uint8_t header[JOURNAL_HEADER_SIZE], raw[CHUNK_RECORD_SIZE];
    struct hash head;
    if (argc != 2)
        return 2;
    journal_header_encode(7, header);
    buf_append(&journal, header, sizeof(header));
    put_header(&chunks, CHUNK_VERSION);
    put_header(&old, 1);
    chain_start(&key.task, key.attempt, &head);
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        struct chunk_record c;
        struct journal_record r = { .kind = JOURNAL_CHUNK, .key = key, .data = (const uint8_t *)lines[i],
                                    .chunk = { .seq = i + 1, .offset = i * 4, .length = 4, .time_ns = i * 1000 } };
        chain_next(&head, &r.chunk, r.data);
        r.head = head;
        put_record(&journal, &r);
        chunk_record_init(&c, &r.chunk, &head, r.data);
        chunk_record_encode(&c, CHUNK_VERSION, raw);
        buf_append(&chunks, raw, sizeof(raw));
        chunk_record_encode(&c, 1, raw);
        buf_append(&old, raw, sizeof(raw));
    }
    put_base(&journal, &chunks);
    put_seal(&journal, &head, SEAL_KEPT);
    put_seal(&journal, &head, SEAL_EXPIRED);
    write_file(argv[1], "journal/segment", &journal);
    write_file(argv[1], "chunks/three", &chunks);
    write_file(argv[1], "chunks/old", &old);
    buf_fini(&journal);
    buf_fini(&chunks);
    buf_fini(&old);
    return 0;
}
