/* seeds_logsink.c - writes the corpora of fuzz_journal and fuzz_chunks: checksums cannot be guessed.
 *
 *   seeds_logsink DIR     makes DIR/journal/... and DIR/chunks/...; both folders must exist */
/* fuzz-links: src/logsink/journal_record.c src/logsink/chunk_record.c src/logsink/seal.c src/proto/chain.c */
/* fuzz-links: src/lib/hash.c src/lib/err.c src/lib/mem.c src/lib/buf.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
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

static void put_seal(struct buf *out, const struct hash *head)
{
    uint8_t raw[SEAL_SIZE];
    const struct seal s = { .state = SEAL_COMPLETE, .chunks = 3, .bytes = 12, .lines = 3, .head = *head };
    const struct journal_record r = { .kind = JOURNAL_SEAL, .key = key, .head = *head, .data = raw,
                                      .chunk = { .seq = 3, .offset = 12, .length = sizeof(raw) } };
    seal_encode(&s, &key, raw);
    put_record(out, &r);
}

int main(int argc, char **argv)
{
    static const char *const lines[] = { "one\n", "two\n", "end\n" };
    struct buf journal = { 0 }, chunks = { 0 };
    uint8_t header[JOURNAL_HEADER_SIZE], raw[CHUNK_RECORD_SIZE];
    struct hash head;
    if (argc != 2)
        return 2;
    journal_header_encode(7, header);
    buf_append(&journal, header, sizeof(header));
    chunk_header_encode(&key, raw);
    buf_append(&chunks, raw, sizeof(raw));
    chain_start(&key.task, key.attempt, &head);
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        struct chunk_record c;
        struct journal_record r = { .kind = JOURNAL_CHUNK, .key = key, .data = (const uint8_t *)lines[i],
                                    .chunk = { .seq = i + 1, .offset = i * 4, .length = 4, .time_ns = i * 1000 } };
        chain_next(&head, &r.chunk, r.data);
        r.head = head;
        put_record(&journal, &r);
        chunk_record_init(&c, &r.chunk, &head, r.data);
        chunk_record_encode(&c, raw);
        buf_append(&chunks, raw, sizeof(raw));
    }
    put_seal(&journal, &head);
    write_file(argv[1], "journal/segment", &journal);
    write_file(argv[1], "chunks/three", &chunks);
    buf_fini(&journal);
    buf_fini(&chunks);
    return 0;
}
