/* test_spool.c - the spool's files: what was written comes back, from any place; torn and damaged ends are ends. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/spool.h"
#include "lib/mem.h"

struct rig {
    char dir[40];
    struct spool_writer *w;
    struct spool_reader *r;
    struct hash head;
    uint64_t seq, offset;
};

static void rig_init(struct rig *g)
{
    struct uuid task = { { 7 } };
    struct err e = { 0 };

    *g = (struct rig){ 0 };
    strcpy(g->dir, "/tmp/orion-spool-XXXXXX");
    assert_non_null(mkdtemp(g->dir));
    g->w = spool_writer_open(g->dir, &task, 1, &e);
    assert_non_null(g->w);
    g->r = spool_reader_open(g->dir);
    chain_start(&task, 1, &g->head);
}

static char *file_path(const struct rig *g, unsigned number)
{
    return mem_printf("%s/" SPOOL_NAME, g->dir, number);
}

static bool file_exists(const struct rig *g, unsigned number)
{
    char *path = file_path(g, number);
    bool exists = access(path, F_OK) == 0;

    mem_free(&path);
    return exists;
}

static void rig_fini(struct rig *g)
{
    spool_writer_close(&g->w);
    spool_reader_close(&g->r);
    for (unsigned i = 1; i < 20; i++) {
        char *path = file_path(g, i);

        unlink(path);
        mem_free(&path);
    }
    assert_int_equal(rmdir(g->dir), 0);
}

/* Chunk `seq` is a run of bytes that follow from its number. */
static void chunk_fill(uint8_t *data, size_t len, uint64_t seq)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(seq * 31 + i);
}

static void put(struct rig *g, uint32_t len)
{
    static uint8_t data[CHAIN_DATA_MAX];
    struct spool_chunk c = { .data = data };
    struct err e = { 0 };

    chunk_fill(data, len, ++g->seq);
    c.chunk = (struct chain_chunk){ .seq = g->seq, .offset = g->offset, .length = len, .stream = 2, .flags = 0x1234,
                                    .time_ns = g->seq << 40 };
    chain_next(&g->head, &c.chunk, data);
    c.head = g->head;
    g->offset += len;
    assert_int_equal(spool_write(g->w, &c, &e), 0);
}

static void take(struct rig *g, uint64_t seq, uint32_t len)
{
    static uint8_t data[CHAIN_DATA_MAX];
    struct spool_chunk c;
    struct err e = { 0 };

    assert_int_equal(spool_read(g->r, &c, &e), 1);
    assert_int_equal(c.chunk.seq, seq);
    assert_int_equal(c.chunk.length, len);
    assert_int_equal(c.chunk.stream, 2);
    assert_int_equal(c.chunk.flags, 0x1234);
    assert_int_equal(c.chunk.time_ns, seq << 40);
    chunk_fill(data, len, seq);
    assert_memory_equal(c.data, data, len);
}

static void take_none(struct rig *g)
{
    struct spool_chunk c;
    struct err e = { 0 };

    assert_int_equal(spool_read(g->r, &c, &e), 0);
}

static void test_round_trip(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    take_none(&g);
    put(&g, 1);
    put(&g, CHAIN_DATA_MAX);
    take(&g, 1, 1);
    take(&g, 2, CHAIN_DATA_MAX);
    take_none(&g);
    put(&g, 3);
    take(&g, 3, 3);
    take_none(&g);
    rig_fini(&g);
}

static void test_many_files_rewind_and_trim(void **state)
{
    enum { N = 400 }; /* 400 x 64 KiB: four files */
    struct rig g;

    (void)state;
    rig_init(&g);
    for (int i = 0; i < N; i++)
        put(&g, CHAIN_DATA_MAX);
    assert_true(file_exists(&g, 4));
    for (uint64_t i = 1; i <= N; i++)
        take(&g, i, CHAIN_DATA_MAX);
    take_none(&g);
    spool_rewind(g.r, 250);
    take(&g, 251, CHAIN_DATA_MAX);
    take(&g, 252, CHAIN_DATA_MAX);

    spool_trim(g.w, 100); /* inside the first file: it stays */
    assert_true(file_exists(&g, 1));
    spool_trim(g.w, 300);
    assert_false(file_exists(&g, 1));
    assert_false(file_exists(&g, 2));
    assert_true(file_exists(&g, 3));
    take(&g, 253, CHAIN_DATA_MAX);
    spool_rewind(g.r, 300);
    take(&g, 301, CHAIN_DATA_MAX);
    spool_trim(g.w, N); /* the last file stays: it is the one that is written */
    assert_true(file_exists(&g, 4));
    put(&g, 9);
    spool_rewind(g.r, N);
    take(&g, N + 1, 9);
    rig_fini(&g);
}

static void test_torn_tail(void **state)
{
    struct stat st;
    struct rig g;
    char *path;

    (void)state;
    rig_init(&g);
    path = file_path(&g, 1);
    put(&g, 1000);
    assert_int_equal(stat(path, &st), 0);
    put(&g, 1000);
    for (off_t cut = 1; cut < 1071; cut += 97) {
        assert_int_equal(truncate(path, st.st_size + 1071 - cut), 0);
        spool_rewind(g.r, 0);
        take(&g, 1, 1000);
        take_none(&g);
    }
    mem_free(&path);
    rig_fini(&g);
}

static void test_damaged_record(void **state)
{
    struct rig g;
    char *path;
    int fd;

    (void)state;
    rig_init(&g);
    path = file_path(&g, 1);
    put(&g, 1000);
    put(&g, 1000);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "?", 1, SPOOL_FILE_HEAD + 1071 + 500), 1);
    close(fd);
    take(&g, 1, 1000);
    take_none(&g);
    mem_free(&path);
    rig_fini(&g);
}

static void test_newer_version_is_refused(void **state)
{
    struct err e = { 0 };
    struct spool_chunk c;
    struct rig g;
    char *path;
    int fd;

    (void)state;
    rig_init(&g);
    path = file_path(&g, 1);
    put(&g, 1);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\2", 1, 8), 1);
    close(fd);
    assert_int_equal(spool_read(g.r, &c, &e), -1);
    assert_non_null(strstr(e.text, "format version 2"));
    mem_free(&path);
    rig_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_many_files_rewind_and_trim),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_damaged_record),
        cmocka_unit_test(test_newer_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
