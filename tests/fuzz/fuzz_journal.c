/* fuzz_journal.c - the journal's bytes: a segment's header, records, the seals and bases in them. What was read is
 * written the same again. */
/* fuzz-links: src/logsink/journal_record.c src/logsink/seal.c src/logsink/base.c src/logsink/chunk_record.c */
/* fuzz-links: src/lib/hash.c src/lib/err.c src/lib/mem.c */
#include <stdlib.h>
#include <string.h>

#include "logsink/base.h"
#include "logsink/journal_record.h"
#include "logsink/seal.h"
#include "tests/fuzz/count.h"

enum { HEADER, CHUNK, SEAL_RECORD, REMOVED_SEAL, BASE, BRANCHES };
static struct fuzz_branch branches[BRANCHES] = { { "header", 0 }, { "chunk", 0 }, { "seal", 0 }, { "removed seal", 0 },
                                                 { "base", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, BRANCHES);
    return 0;
}

static void check_header(const uint8_t *data, size_t size)
{
    uint8_t again[JOURNAL_HEADER_SIZE];
    uint64_t segment, second;
    struct err e = { 0 };
    if (journal_header_decode(data, size, &segment, &e))
        return;
    branches[HEADER].count++;
    journal_header_encode(segment, again);
    if (journal_header_decode(again, sizeof(again), &second, &e) || segment != second)
        abort();
}

static void check_record(const struct journal_record *r, const uint8_t *data)
{
    uint8_t again[JOURNAL_RECORD_SIZE], sealed[SEAL_SIZE], based[BASE_DATA_MAX];
    struct seal s;
    struct base b;
    journal_record_encode(r, again);
    if (memcmp(again, data, sizeof(again)) != 0)
        abort();
    if (r->kind == JOURNAL_CHUNK) {
        branches[CHUNK].count++;
    } else if (base_decode(r, &b) == 0) {
        branches[BASE].count++;
        if (base_encode(&b, based) > sizeof(based))
            abort();
    } else if (seal_decode(r->data, r->chunk.length, &r->key, &s, NULL) == 0) {
        branches[SEAL_RECORD].count++;
        branches[REMOVED_SEAL].count += seal_removed_reason(s.removed) != NULL;
        seal_encode(&s, &r->key, sealed);
        if (seal_decode(sealed, sizeof(sealed), &r->key, &s, NULL))
            abort();
    }
}

/* The way a start reads a segment. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal_record r;
    check_header(data, size);
    if (size < JOURNAL_HEADER_SIZE)
        return 0;
    for (size_t at = JOURNAL_HEADER_SIZE, n; at < size; at += n) {
        n = journal_record_decode(data + at, size - at, &r);
        if (n == 0)
            return 0;
        if (n > size - at || r.data + r.chunk.length != data + at + n)
            abort();
        check_record(&r, data + at);
    }
    return 0;
}
