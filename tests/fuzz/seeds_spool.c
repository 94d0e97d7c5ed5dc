/* seeds_spool.c - writes the corpus of fuzz_spool: checksums cannot be guessed.
 *
 *   seeds_spool DIR       makes DIR/spool/...; the folder must exist */
/* fuzz-links: src/agent/runner/spool_write.c src/proto/chain.c src/lib/hash.c src/lib/err.c src/lib/mem.c */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/spool.h"
#include "lib/mem.h"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The file of that writer gets a name of its own; the byte at `flip` (0: none) is another. */
static void seed(const char *dir, const char *name, off_t flip)
{
    const struct uuid task = { { 7 } };
    struct err e = { 0 };
    struct spool_writer *w = spool_writer_open(dir, &task, 1, &e);
    char *from = mem_printf("%s/000001.spool", dir), *to = mem_printf("%s/%s", dir, name);
    struct spool_chunk c = { .data = (const uint8_t *)"one line\n", .chunk.length = 9 };
    int fd;

    chain_start(&task, 1, &c.head);
    for (uint64_t i = 1; w && i <= 4; i++) {
        c.chunk.seq = c.lines = i;
        c.before = c.head;
        chain_next(&c.head, &c.chunk, c.data);
        if (spool_write(w, &c, &e))
            die(e.text);
        c.chunk.offset += 9;
    }
    spool_writer_close(&w);
    fd = open(from, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || (flip && pwrite(fd, "\7", 1, flip) != 1) || rename(from, to))
        die(from);
    close(fd);
    mem_free(&from);
    mem_free(&to);
}

int main(int argc, char **argv)
{
    const off_t second = SPOOL_FILE_HEAD + SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD + 9;
    char *dir;

    if (argc != 2)
        return 2;
    dir = mem_printf("%s/spool", argv[1]);
    seed(dir, "whole", 0);
    seed(dir, "damaged-bytes", second + 120);
    seed(dir, "damaged-length", second + 1);
    seed(dir, "newer", 8);
    mem_free(&dir);
    return 0;
}
