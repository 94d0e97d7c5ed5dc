/* fuzz_seek_table.c - the end of N.zst: footer, header and entries of any bytes; what is good is written the same. */
/* fuzz-links: src/logsink/seek_table.c src/lib/err.c src/lib/mem.c */
#include <stdlib.h>
#include <string.h>

#include "logsink/seek_table.h"
#include "tests/fuzz/count.h"

enum { PLAIN_MAX = 1024 * 1024 };
enum { FOOTER, HEADER, ENTRY, WITHOUT_CHECKSUM, BRANCHES };
static struct fuzz_branch branches[BRANCHES] = { { "footer", 0 }, { "header", 0 }, { "entry", 0 },
                                                 { "entry without checksum", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, BRANCHES);
    return 0;
}

static void check_entry(const uint8_t *in, const struct seek_footer *f, const struct seek_entry *s)
{
    uint8_t raw[SEEK_ENTRY_SIZE];
    seek_entry_encode(s, raw);
    if (memcmp(raw, in, f->entry_size) != 0 || s->plain > PLAIN_MAX)
        abort();
    branches[f->entry_size == SEEK_ENTRY_SIZE ? ENTRY : WITHOUT_CHECKSUM].count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seek_footer f;
    struct seek_entry s;
    if (size < SEEK_FOOTER_SIZE || seek_footer_decode(data + size - SEEK_FOOTER_SIZE, size, &f, NULL))
        return 0;
    branches[FOOTER].count++;
    if (f.table_size > size)
        abort();
    const uint8_t *table = data + size - f.table_size;
    if (seek_header_check(table, &f, NULL))
        return 0;
    branches[HEADER].count++;
    for (uint32_t i = 0; i < f.frames; i++) {
        const uint8_t *entry = table + SEEK_HEADER_SIZE + (size_t)i * f.entry_size;
        if (seek_entry_decode(entry, &f, PLAIN_MAX, &s, NULL))
            return 0;
        check_entry(entry, &f, &s);
    }
    return 0;
}
