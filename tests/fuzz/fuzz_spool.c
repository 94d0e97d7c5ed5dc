/* fuzz_spool.c - a spool file's bytes, as the agent's reader takes them: alone, in front of another file, from the
 * start and from a place inside. Chunks come in ascending order, whole, and the reader always comes to an end. */
/* fuzz-links: src/agent/spool_read.c src/lib/hash.c src/lib/err.c src/lib/mem.c */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/spool.h"
#include "lib/mem.h"
#include "tests/fuzz/count.h"

enum { CHUNK, STEPPED_OVER, NEWER, BRANCHES };
static struct fuzz_branch branches[BRANCHES] = { { "chunk", 0 },
                                                 { "over a damaged one", 0 },
                                                 { "a newer version", 0 } };
static char dir[40] = "/tmp/orion-fuzz-spool-XXXXXX";

static void file_put(const char *name, const uint8_t *data, size_t size)
{
    char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
    mem_free(&path);
}

static void file_remove(const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);

    unlink(path);
    mem_free(&path);
}

static void leave(void)
{
    file_remove("000001.spool");
    file_remove("000002.spool");
    rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, BRANCHES);
    if (!mkdtemp(dir))
        abort();
    atexit(leave);
    return 0;
}

static void read_all(uint64_t behind)
{
    struct spool_reader *r = spool_reader_open(dir);
    struct spool_chunk c;
    struct err e = { 0 };
    int rc;

    spool_rewind(r, behind);
    while ((rc = spool_read_on(r, &c, &e)) == 1) {
        if (c.chunk.seq <= behind || c.chunk.length > CHAIN_DATA_MAX)
            abort();
        branches[CHUNK].count++;
        branches[STEPPED_OVER].count += c.chunk.seq > behind + 1;
        behind = c.chunk.seq;
        uint8_t *copy = mem_dup(c.data, c.chunk.length);
        mem_free(&copy);
    }
    branches[NEWER].count += rc < 0;
    spool_reader_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    file_put("000001.spool", data, size);
    read_all(0);
    file_put("000002.spool", data, size);
    read_all(0);
    read_all(2);
    file_remove("000002.spool");
    return 0;
}
