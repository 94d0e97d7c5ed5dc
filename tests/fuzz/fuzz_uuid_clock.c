/* fuzz_uuid_clock.c - ids and times as text; what was read is read the same after it was written. */
/* fuzz-links: src/lib/uuid.c src/lib/clock.c src/lib/hash.c */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/uuid.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[] = { { "uuid", 0 }, { "clock", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, sizeof(branches) / sizeof(branches[0]));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char id[UUID_TEXT_SIZE], at[CLOCK_TEXT_SIZE];
    struct uuid u, u2;
    int64_t ms, ms2;

    if (!uuid_parse(text, size, &u)) {
        branches[0].count++;
        uuid_format(&u, id);
        if (uuid_parse(id, strlen(id), &u2) || uuid_cmp(&u, &u2))
            abort();
    }
    if (!clock_parse(text, size, &ms)) {
        branches[1].count++;
        clock_format(ms, at);
        /* An offset can carry the first or last moments out of the years 0 to 9999. */
        if (!clock_parse(at, strlen(at), &ms2) && ms != ms2)
            abort();
    }
    return 0;
}
