/* fuzz_peers.c - the settings that name other processes. */
/* fuzz-links: src/proto/peers.c src/lib/mem.c src/lib/err.c */
#include "proto/peers.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[] = { { "schedulers", 0 }, { "sinks", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, ARRAY_LEN(branches));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct peers_sink *sinks;
    const char *const *endpoints;
    struct arena a = { 0 };
    char *text = arena_strndup(&a, (const char *)data, size);
    struct err e = { 0 };
    size_t n;

    branches[0].count += !peers_schedulers(text, &a, &endpoints, &n, &e) && n > 0;
    err_clear(&e);
    branches[1].count += !peers_sinks(text, &a, &sinks, &n, &e) && n > 0;
    arena_fini(&a);
    return 0;
}
