/* fuzz_chunks.c - N.chunks: its header, its records and the bases among them, in both versions. What was read is read
 * the same after it was written. */
/* fuzz-links: src/logsink/chunk_record.c src/logsink/base.c src/lib/hash.c src/lib/err.c src/lib/mem.c */
#include <stdlib.h>
#include <string.h>

#include "logsink/base.h"
#include "tests/fuzz/count.h"

enum { HEADER, OLD_RECORD, RECORD, BASE, LONG_BASE, BRANCHES };
static struct fuzz_branch branches[BRANCHES] = { { "header", 0 }, { "old record", 0 }, { "record", 0 }, { "base", 0 },
                                                 { "long base", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, BRANCHES);
    return 0;
}

static void check_record(const struct chunk_record *r, unsigned version)
{
    uint8_t raw[CHUNK_RECORD_SIZE], again[CHUNK_RECORD_SIZE];
    struct chunk_record second;
    chunk_record_encode(r, version, raw);
    if (chunk_record_decode(raw, sizeof(raw), version, &second))
        abort();
    chunk_record_encode(&second, version, again);
    if (memcmp(raw, again, sizeof(raw)) != 0 || chunk_record_end(r) < r->chunk.offset)
        abort();
}

static void check_base(const struct chunk_record *records, size_t n)
{
    struct base b, second;
    struct chunk_record made[BASE_RECORDS_MAX];
    if (base_from_records(records, n, &b))
        return;
    branches[BASE].count++;
    branches[LONG_BASE].count += n > 1 && b.reason[0] != '\0';
    size_t parts = base_to_records(&b, made);
    if (parts > BASE_RECORDS_MAX || base_from_records(made, parts, &second) || second.seq != b.seq ||
        strcmp(second.reason, b.reason) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct log_key key = { .task = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } }, .attempt = 1 };
    struct chunk_record records[BASE_RECORDS_MAX];
    size_t n = 0;
    unsigned version = CHUNK_VERSION;
    if (chunk_header_decode(data, size, &key, &version, NULL) == 0)
        branches[HEADER].count++;
    for (size_t at = CHUNK_RECORD_SIZE; at < size; at += CHUNK_RECORD_SIZE) {
        if (n == BASE_RECORDS_MAX)
            n = 0;
        if (chunk_record_decode(data + at, size - at, version, &records[n]))
            continue;
        branches[version == 1 ? OLD_RECORD : RECORD].count++;
        check_record(&records[n], version);
        n = chunk_record_is_base(&records[n]) ? n + 1 : 0;
        check_base(records, n);
    }
    return 0;
}
