/* fuzz_msg_bin.c - raw bytes through the dispatcher, as from a peer on a bus, with a handler for every message that
 * writes what it was given: bytes that were accepted come out the same, so the form is canonical. */
/* fuzz-links: src/proto/msg_table.c src/proto/msg_check.c src/lib/text.c src/proto/msg_json.c src/proto/msg_json_write.c */
/* fuzz-links: src/proto/msg_bin.c src/proto/msg_bin_read.c src/proto/dispatch.c */
/* fuzz-links: src/lib/mem.c src/lib/buf.c src/lib/err.c src/lib/clock.c src/lib/uuid.c src/lib/hash.c */
#include <stdlib.h>
#include <string.h>

#include "proto/dispatch.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[MSG_TYPES];
static struct msg_handler handlers[MSG_TYPES];

/* Empty optional texts and lists are not written, so a second reading may have less than the first, never a third. */
static int handle_any(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct buf first = { 0 }, again = { 0 };
    struct arena a = { 0 };
    struct msg_head head;
    void *m;

    (void)arg;
    branches[from->head.type].count++;
    msg_to_bin(&from->head, message, MSG_MINOR, &first);
    if (msg_from_bin((const uint8_t *)first.data, first.len, &a, &head, &m, e))
        abort();
    msg_to_bin(&head, m, MSG_MINOR, &again);
    if (first.len != again.len || memcmp(first.data, again.data, first.len))
        abort();
    buf_fini(&first);
    buf_fini(&again);
    arena_fini(&a);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned t = 0; t < MSG_TYPES; t++) {
        handlers[t] = (struct msg_handler){ (enum msg_type)t, FROM_GATEWAY, handle_any };
        branches[t].name = t == MSG_NONE ? NULL : msg_wire_name((enum msg_type)t);
    }
    fuzz_branches(branches, MSG_TYPES);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = { 0 };

    msg_dispatch_bin(handlers, MSG_TYPES, NULL, FROM_GATEWAY, NULL, data, size, &e);
    return 0;
}
