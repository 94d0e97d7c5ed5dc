/* fuzz_conf.c - the settings file. The rows have one of every type. */
/* fuzz-links: src/lib/conf*.c src/lib/mem.c src/lib/buf.c src/lib/err.c src/lib/text.c */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/mem.h"
#include "tests/fuzz/count.h"

struct settings {
    char *text;
    int64_t number, time_ms, size_bytes;
    bool yes;
};
#define ROW(type_, member_, env_, min_, max_)                                                                          \
    { .type = type_, .offset = offsetof(struct settings, member_), .env = env_, .min = min_, .max = max_, .help = "help" }
static const struct conf_row rows[] = {
    ROW(CONF_STR, text, "ORION_TEXT", 0, 0),          ROW(CONF_INT, number, "ORION_NUMBER", -5, 5000),
    ROW(CONF_MS, time_ms, "ORION_TIME", 0, 86400000), ROW(CONF_BYTES, size_bytes, "ORION_SIZE", 0, INT64_MAX),
    ROW(CONF_BOOL, yes, "ORION_YES", 0, 0),           CONF_END,
};
static struct fuzz_branch branches[] = { { "text", 0 }, { "number", 0 }, { "time", 0 }, { "size", 0 }, { "yes", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, ARRAY_LEN(branches));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[] = { "fuzz", NULL }, path[64];
    struct settings s = { 0 };
    struct err e = { 0 };
    struct conf *c = NULL;
    int argc = 1, fd = memfd_create("conf", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    c = conf_load(rows, &s, path, true, &argc, argv, &e);
    if (c) {
        branches[0].count += s.text != NULL;
        branches[1].count += s.number != 0;
        branches[2].count += s.time_ms != 0;
        branches[3].count += s.size_bytes != 0;
        branches[4].count += s.yes;
    } else if (!e.text[0]) {
        abort();   /* refused without a reason */
    }
    conf_free(&c);
    close(fd);
    return 0;
}
