/* fuzz_msg_json.c - the JSON decoder over all messages. The first byte chooses: 0 a typed object through the
 * dispatcher, else the number of a message as an HTTP body would be read. What was accepted is written and must be
 * read again as the same text. */
/* fuzz-links: src/proto/msg_table.c src/proto/msg_check.c src/lib/text.c src/proto/msg_json.c src/proto/msg_json_write.c */
/* fuzz-links: src/proto/msg_bin.c src/proto/msg_bin_read.c src/proto/dispatch.c */
/* fuzz-links: src/lib/mem.c src/lib/buf.c src/lib/err.c src/lib/clock.c src/lib/uuid.c src/lib/hash.c */
#include <stdlib.h>
#include <string.h>

#include "proto/dispatch.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[2 * MSG_TYPES];
static struct msg_handler handlers[MSG_TYPES];

static int handle_any(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)arg;
    (void)message;
    (void)e;
    branches[MSG_TYPES + from->head.type].count++;
    return 0;
}

/* First the bodies, then the typed objects: records and what clients send are never typed. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned t = 0; t < MSG_TYPES; t++) {
        const enum msg_type type = (enum msg_type)t;
        unsigned roles = msg_senders(type) | msg_receivers(type);

        handlers[t] = (struct msg_handler){ type, FROM_AGENT, handle_any };
        if (t != MSG_NONE)
            branches[t].name = msg_wire_name(type);
        if (roles && !(roles & FROM_CLIENT))
            branches[MSG_TYPES + t].name = mem_printf("%s-typed", msg_wire_name(type));
    }
    fuzz_branches(branches, 2 * MSG_TYPES);
    return 0;
}

static void body(enum msg_type type, const char *data, size_t size)
{
    struct buf first = { 0 }, again = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    void *m = arena_alloc(&a, msg_struct_size(type));

    if (msg_from_json(type, data, size, &a, m, &e)) {
        if (e.kind == ERR_NONE || !e.text[0])
            abort();   /* refused without a reason */
    } else {
        branches[type].count++;
        msg_to_json(type, m, false, &first);
        /* Escapes make text longer: what was read may not fit when it is written. */
        if (first.len <= MSG_JSON_MAX) {
            if (msg_from_json(type, first.data, first.len, &a, m, &e))
                abort();
            msg_to_json(type, m, false, &again);
            if (first.len != again.len || memcmp(first.data, again.data, first.len))
                abort();
        }
    }
    buf_fini(&first);
    buf_fini(&again);
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = { 0 };

    if (!size)
        return 0;
    if (data[0] % MSG_TYPES)
        body((enum msg_type)(data[0] % MSG_TYPES), (const char *)data + 1, size - 1);
    else
        msg_dispatch_json(handlers, MSG_TYPES, NULL, FROM_AGENT, NULL, (const char *)data + 1, size - 1, &e);
    return 0;
}
