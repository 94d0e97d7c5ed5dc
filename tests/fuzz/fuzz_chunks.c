/* fuzz_chunks.c - N.chunks: its header and its records. What was read is read the same after it was written. */
/* fuzz-links: src/logsink/chunk_record.c src/lib/hash.c src/lib/err.c src/lib/mem.c */
#include <stdlib.h>
#include <string.h>

#include "logsink/chunk_record.h"
#include "tests/fuzz/count.h"

enum { HEADER, RECORD, FOLLOWS, BRANCHES };
static struct fuzz_branch branches[BRANCHES] = { { "header", 0 }, { "record", 0 }, { "follows", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, BRANCHES);
    return 0;
}

static void check_record(const struct chunk_record *r)
{
    uint8_t raw[CHUNK_RECORD_SIZE], again[CHUNK_RECORD_SIZE];
    struct chunk_record second;
    chunk_record_encode(r, raw);
    if (chunk_record_decode(raw, sizeof(raw), &second))
        abort();
    chunk_record_encode(&second, again);
    if (memcmp(raw, again, sizeof(raw)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct log_key key = { .task = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } }, .attempt = 1 };
    struct chunk_record r;
    uint64_t seq = 0, bytes = 0;
    if (chunk_header_decode(data, size, &key, NULL) == 0)
        branches[HEADER].count++;
    for (size_t at = CHUNK_RECORD_SIZE; at < size; at += CHUNK_RECORD_SIZE) {
        if (chunk_record_decode(data + at, size - at, &r))
            return 0;
        branches[RECORD].count++;
        check_record(&r);
        if (!chunk_record_follows(&r, seq, bytes))
            return 0;
        branches[FOLLOWS].count++;
        seq++;
        bytes += r.chunk.length;
    }
    return 0;
}
