/* fuzz_record.c - the record of an attempt that a former agent process held. The checksum at its end is put right first,
 * or no input would get behind it; what is understood is written and read again, and stays the same. */
/* fuzz-links: src/agent/record.c src/proto/msg*.c src/proto/chain.c src/lib/mem.c src/lib/buf.c src/lib/err.c */
/* fuzz-links: src/lib/text.c src/lib/hash.c src/lib/uuid.c src/lib/clock.c */
#include <stdlib.h>
#include <string.h>

#include "agent/record.h"
#include "lib/hash.h"
#include "tests/fuzz/count.h"

enum { RAW, REFUSED, ACCEPTED, STARTED, FINISHED, DROPPED, VERDICT, BASE };
static struct fuzz_branch branches[] = {
    [RAW] = { "as it is", 0 },      [REFUSED] = { "refused", 0 },   [ACCEPTED] = { "accepted", 0 }, [STARTED] = { "started", 0 },
    [FINISHED] = { "finished", 0 }, [DROPPED] = { "dropped", 0 },   [VERDICT] = { "verdict", 0 },   [BASE] = { "base", 0 },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, ARRAY_LEN(branches));
    return 0;
}

static void check_again(const struct record *r)
{
    struct buf one = { 0 }, two = { 0 };
    struct arena a = { 0 };
    struct record same;
    struct err e = { 0 };

    record_encode(r, &one);
    if (record_decode(one.data, one.len, &a, &same, &e))
        abort();
    record_encode(&same, &two);
    if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
        abort();
    buf_fini(&one);
    buf_fini(&two);
    arena_fini(&a);
}

static void decode(const char *text, size_t len)
{
    struct arena a = { 0 };
    struct record r;
    struct err e = { 0 };

    if (record_decode(text, len, &a, &r, &e) == 0) {
        branches[ACCEPTED + r.stage].count++;
        branches[VERDICT].count += r.verdict != NULL;
        branches[BASE].count += r.base != NULL;
        check_again(&r);
    } else {
        branches[REFUSED].count++;
        if (!e.text[0])
            abort();   /* refused without a reason */
    }
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t end = strlen("end 01234567\n");
    struct buf text = { 0 };
    struct arena a = { 0 };
    struct record r;

    branches[RAW].count += record_decode((const char *)data, size, &a, &r, NULL) == 0;
    arena_fini(&a);
    if (size > end)
        buf_append(&text, data, size - end);
    buf_printf(&text, "end %08x\n", hash_crc32c(0, text.data ? text.data : "", text.len));
    decode(text.data, text.len);
    buf_fini(&text);
    return 0;
}
