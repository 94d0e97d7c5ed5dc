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
    uint64_t seq, offset, lines;
};

/* bytes of a record in front of its data */
enum { OVERHEAD = SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD };

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
    c.before = g->head;
    chain_next(&g->head, &c.chunk, data);
    c.head = g->head;
    c.lines = g->lines += 3;
    g->offset += len;
    assert_int_equal(spool_write(g->w, &c, &e), 0);
}

static void check(const struct spool_chunk *c, uint64_t seq, uint32_t len)
{
    static uint8_t data[CHAIN_DATA_MAX];
    struct hash head = c->before;

    assert_int_equal(c->chunk.seq, seq);
    assert_int_equal(c->chunk.length, len);
    assert_int_equal(c->chunk.stream, 2);
    assert_int_equal(c->chunk.flags, 0x1234);
    assert_int_equal(c->chunk.time_ns, seq << 40);
    assert_int_equal(c->lines, 3 * seq);
    chunk_fill(data, len, seq);
    assert_memory_equal(c->data, data, len);
    chain_next(&head, &c->chunk, c->data);
    assert_memory_equal(&head, &c->head, sizeof(head));
}

static void take(struct rig *g, uint64_t seq, uint32_t len)
{
    struct spool_chunk c;
    struct err e = { 0 };

    assert_int_equal(spool_read(g->r, &c, &e), 1);
    check(&c, seq, len);
}

/* The same, knowing that there must be one. */
static void take_on(struct rig *g, uint64_t seq, uint32_t len)
{
    struct spool_chunk c;
    struct err e = { 0 };

    assert_int_equal(spool_read(g->r, &c, &e), 0);
    assert_int_equal(spool_read_on(g->r, &c, &e), 1);
    check(&c, seq, len);
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
    for (off_t cut = 1; cut < OVERHEAD + 1000; cut += 97) {
        assert_int_equal(truncate(path, st.st_size + OVERHEAD + 1000 - cut), 0);
        spool_rewind(g.r, 0);
        take(&g, 1, 1000);
        take_none(&g);
    }
    mem_free(&path);
    rig_fini(&g);
}

static void damage(const struct rig *g, unsigned number, off_t at)
{
    char *path = file_path(g, number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char byte;

    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)~byte;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    mem_free(&path);
}

/* Where the `n`th record of a file begins when all have `len` bytes of data. */
static off_t place(unsigned n, uint32_t len)
{
    return SPOOL_FILE_HEAD + (off_t)(n - 1) * (OVERHEAD + len);
}

/* Wherever in a record the damage is, only that record is missing. */
static void test_damaged_record(void **state)
{
    static const off_t spots[] = { 0, 2, 5, 8, 20, 60, OVERHEAD - 1, OVERHEAD, OVERHEAD + 999 };
    struct rig g;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(spots); i++) {
        rig_init(&g);
        put(&g, 1000);
        put(&g, 1000);
        damage(&g, 1, place(2, 1000) + spots[i]);
        take(&g, 1, 1000);
        take_none(&g);
        put(&g, 1000);
        put(&g, 1000);
        take_on(&g, 3, 1000);
        take(&g, 4, 1000);
        take_none(&g);
        rig_fini(&g);
    }
}

/* A file that is not the last one: nobody has to say that more must be there. */
static void test_damage_in_older_files(void **state)
{
    enum { N = 300 };
    struct rig g;

    (void)state;
    rig_init(&g);
    for (int i = 0; i < N; i++)
        put(&g, CHAIN_DATA_MAX);
    assert_true(file_exists(&g, 3));
    damage(&g, 1, place(10, CHAIN_DATA_MAX) + 500);
    damage(&g, 1, place(11, CHAIN_DATA_MAX));
    damage(&g, 2, 3);    /* a file's header: nothing is lost */
    for (uint64_t i = 1; i <= N; i++)
        if (i != 10 && i != 11)
            take(&g, i, CHAIN_DATA_MAX);
    take_none(&g);
    spool_rewind(g.r, 9);
    take(&g, 12, CHAIN_DATA_MAX);
    spool_rewind(g.r, 20);  /* over the damaged ones */
    take(&g, 21, CHAIN_DATA_MAX);
    rig_fini(&g);
}

static void test_missing_file(void **state)
{
    struct rig g;
    uint64_t seq = 0;
    char *path;

    (void)state;
    rig_init(&g);
    for (int i = 0; i < 300; i++)
        put(&g, CHAIN_DATA_MAX);
    path = file_path(&g, 2);
    assert_int_equal(unlink(path), 0);
    mem_free(&path);
    for (struct spool_chunk c; seq < 300;) {
        struct err e = { 0 };

        assert_int_equal(spool_read(g.r, &c, &e), 1);
        check(&c, c.chunk.seq, CHAIN_DATA_MAX);
        assert_true(c.chunk.seq == seq + 1 || (seq == 128 && c.chunk.seq == 257));
        seq = c.chunk.seq;
    }
    rig_fini(&g);
}

/* A length that is damaged among the chunks that are passed over must not lead past one that is wanted. */
static void test_damage_in_front_of_a_rewind(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    for (int i = 0; i < 20; i++)
        put(&g, 1000);
    damage(&g, 1, place(5, 1000) + 1);
    damage(&g, 1, place(5, 1000) + SPOOL_RECORD_HEAD + 17);
    spool_rewind(g.r, 10);
    take_on(&g, 11, 1000);
    take(&g, 12, 1000);
    rig_fini(&g);
}

/* Read in blocks, written record by record: what was half there at the first look is read anew. */
static void test_reader_at_the_writers_heels(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    for (uint64_t i = 1; i <= 2000; i++) {
        put(&g, (uint32_t)(i * 37 % 300 + 1));
        if (i % 3)
            continue;
        if (i % 5 == 0)
            spool_rest(g.r);
        take(&g, i - 2, (uint32_t)((i - 2) * 37 % 300 + 1));
        take(&g, i - 1, (uint32_t)((i - 1) * 37 % 300 + 1));
        take(&g, i, (uint32_t)(i * 37 % 300 + 1));
        take_none(&g);
    }
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
    assert_int_equal(pwrite(fd, "\3", 1, 8), 1);
    close(fd);
    assert_int_equal(spool_read(g.r, &c, &e), -1);
    assert_non_null(strstr(e.text, "format version 3"));
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
        cmocka_unit_test(test_damage_in_older_files),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_damage_in_front_of_a_rewind),
        cmocka_unit_test(test_reader_at_the_writers_heels),
        cmocka_unit_test(test_newer_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
