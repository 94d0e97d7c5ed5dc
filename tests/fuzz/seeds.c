/* seeds.c - writes the corpora that the message table defines: valid messages for fuzz_msg_json and fuzz_msg_bin.
 *
 *   seeds DIR     makes DIR/msg_json/... and DIR/msg_bin/...; both folders must exist */
/* fuzz-links: src/proto/msg_table.c src/proto/msg_check.c src/lib/text.c src/proto/msg_sample.c src/proto/msg_json_write.c */
/* fuzz-links: src/proto/msg_bin.c */
/* fuzz-links: src/lib/mem.c src/lib/buf.c src/lib/err.c src/lib/clock.c src/lib/uuid.c src/lib/hash.c */
#include <stdio.h>
#include <stdlib.h>

#include "proto/msg.h"

#define SEEDS_PER_TYPE 4

static void write_file(const char *dir, const char *target, enum msg_type type, const char *name, const struct buf *b)
{
    char *path = mem_printf("%s/%s/%s-%s", dir, target, msg_wire_name(type), name);
    FILE *f = fopen(path, "w");

    if (!f || fwrite(b->data, 1, b->len, f) != b->len || fclose(f)) {
        perror(path);
        exit(1);
    }
    mem_free(&path);
}

static void write_seeds(const char *dir, enum msg_type type, unsigned seed)
{
    const struct msg_head head = { .type = type, .epoch = seed, .conn = seed };
    struct buf body = { 0 }, typed = { 0 }, bin = { 0 };
    struct arena a = { 0 };
    char name[32];
    void *m;

    msg_sample(type, seed, &a, &m);
    buf_putc(&body, (char)type);
    msg_to_json(type, m, false, &body);
    snprintf(name, sizeof(name), "%u", seed);
    write_file(dir, "msg_json", type, name, &body);
    buf_putc(&typed, 0);
    msg_to_json(type, m, true, &typed);
    snprintf(name, sizeof(name), "%u-typed", seed);
    write_file(dir, "msg_json", type, name, &typed);
    msg_to_bin(&head, m, MSG_MINOR, &bin);
    snprintf(name, sizeof(name), "%u", seed);
    write_file(dir, "msg_bin", type, name, &bin);
    buf_fini(&body);
    buf_fini(&typed);
    buf_fini(&bin);
    arena_fini(&a);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seeds DIR\n");
        return 2;
    }
    for (unsigned t = MSG_NONE + 1; t < MSG_TYPES; t++) {
        for (unsigned seed = 0; seed < SEEDS_PER_TYPE; seed++)
            write_seeds(argv[1], (enum msg_type)t, seed);
    }
    return 0;
}
