/* fuzz_accept.c - what headers ask for: Accept, Accept-Encoding, Range, If-None-Match; and moments in a URL. */
/* fuzz-links: src/gateway/accept.c src/gateway/byte_range.c src/gateway/moment.c src/lib/clock.c src/lib/mem.c */
/* fuzz-links: src/lib/err.c */
#include <stdlib.h>
#include <string.h>

#include "gateway/accept.h"
#include "gateway/byte_range.h"
#include "gateway/moment.h"
#include "lib/mem.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[] = { { "accept", 0 }, { "coding", 0 }, { "part", 0 }, { "unsatisfiable", 0 },
                                         { "tag", 0 },    { "moment", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, ARRAY_LEN(branches));
    return 0;
}

static void try_range(const char *text, uint64_t size)
{
    uint64_t from, to;
    enum range_end end = byte_range(text, size, &from, &to);

    branches[2].count += end == RANGE_PART;
    branches[3].count += end == RANGE_UNSATISFIABLE;
    if (from > to || to > size || (end == RANGE_PART && from == to))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = { "text/plain", "text/event-stream", "application/jsonl", NULL };
    struct arena a = { 0 };
    const char *text = arena_strndup(&a, (const char *)data, size);
    int64_t ms = 0;

    branches[0].count += accept_best(text, types) > 0;
    branches[1].count += accept_coding(text, "gzip");
    branches[4].count += etag_is_listed(text, "\"ab\"");
    branches[5].count += moment_parse(text, 1795230000000, &ms) == 0 && ms != 0;
    try_range(text, 0);
    try_range(text, 10);
    try_range(text, UINT64_MAX);
    arena_fini(&a);
    return 0;
}
