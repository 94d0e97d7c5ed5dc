/* seeds_agent.c - writes the corpus of fuzz_record: attempts in every stage, with and without what a record may have.
 *
 *   seeds_agent DIR     makes DIR/record/...; the folder must exist */
/* fuzz-links: src/agent/record.c src/proto/msg*.c src/proto/chain.c src/lib/mem.c src/lib/buf.c src/lib/err.c */
/* fuzz-links: src/lib/text.c src/lib/hash.c src/lib/uuid.c src/lib/clock.c */
#include <stdio.h>
#include <stdlib.h>

#include "agent/record.h"

enum { SEEDS = 12 };

static void sample(unsigned seed, struct arena *a, struct buf *out)
{
    const enum record_stage stage = (enum record_stage)(seed % (RECORD_DROPPED + 1));
    void *order, *verdict, *result, *base;
    struct record r;

    msg_sample(MSG_TASK_ASSIGN, seed, a, &order);
    msg_sample(MSG_TASK_RESULT, seed, a, &verdict);
    msg_sample(MSG_TASK_RESULT, seed + 1, a, &result);
    msg_sample(MSG_LOG_BASE, seed, a, &base);
    r = (struct record){ .stage = stage,
                         .order = *(struct msg_task_assign *)order,
                         .boot = "unknown",
                         .began_ms = seed,
                         .commit = seed % 2 ? "0123456789abcdef" : NULL,
                         .driver = seed % 2 ? "make" : NULL,
                         .verdict = seed % 3 ? verdict : NULL,
                         .result = stage == RECORD_FINISHED ? result : NULL,
                         .base = seed % 4 ? base : NULL };
    record_encode(&r, out);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        char *path = mem_printf("%s/record/%u", argv[1], seed);
        FILE *f = fopen(path, "w");
        struct arena a = { 0 };
        struct buf text = { 0 };

        sample(seed, &a, &text);
        if (!f || fwrite(text.data, 1, text.len, f) != text.len || fclose(f)) {
            perror(path);
            return 1;
        }
        buf_fini(&text);
        arena_fini(&a);
        mem_free(&path);
    }
    return 0;
}
