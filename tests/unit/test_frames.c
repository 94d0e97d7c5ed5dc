/* test_frames.c - packed logs: any size reads back at any place, holes cost next to nothing, zstd(1) agrees, and damage
 * of any byte is found, never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "logsink/frames.h"
#include "logsink/little.h"
#include "logsink/seek_table.h"
#include "tests/unit/sink_fixture.h"

#define PACKED "packed.zst"

static int setup(void **state)
{
    struct sink_dir *d = mem_zalloc(sizeof(*d));
    sink_dir_make(d);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    sink_dir_remove(*state);
    mem_free(state);
    return 0;
}

static uint64_t next_random(uint64_t *r)
{
    *r ^= *r << 13;
    *r ^= *r >> 7;
    *r ^= *r << 17;
    return *r;
}

/* Half text that packs well, half noise that does not pack at all. */
static void fill(char *data, size_t len, uint64_t seed)
{
    uint64_t r = seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        bool is_noise = i / 50000 % 2;
        data[i] = is_noise ? (char)next_random(&r) : "compiling file number 17 of 100\n"[(i + seed) % 32];
    }
}

static int make(const struct sink_dir *d)
{
    int fd = openat(d->fd, PACKED, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void pack(const struct sink_dir *d, const char *data, size_t len)
{
    struct packer *p = packer_new(make(d), 3);
    for (size_t at = 0; at < len; at += FRAME_SIZE)
        assert_int_equal(packer_put(p, data + at, len - at < FRAME_SIZE ? len - at : FRAME_SIZE, NULL), 0);
    assert_int_equal(packer_finish(p, NULL), 0);
    packer_free(&p);
}

static struct frames *try_open(const struct sink_dir *d, struct unpacker *u, struct err *e)
{
    int fd = openat(d->fd, PACKED, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct frames *f = frames_open(u, fd, e);
    if (!f)
        close(fd);
    return f;
}

static void check_size(const struct sink_dir *d, size_t len)
{
    char *data = mem_alloc(len + 1), *got = mem_alloc(len + 1);
    struct unpacker *u = unpacker_new();
    uint64_t r = len + 1, end;
    fill(data, len, len);
    pack(d, data, len);
    struct frames *f = try_open(d, u, NULL);
    assert_non_null(f);
    assert_int_equal(frames_bytes(f), len);
    assert_int_equal(frames_read(f, got, len, 0, NULL), 0);
    assert_memory_equal(got, data, len);
    for (unsigned i = 0; i < 200 && len > 0; i++) {
        size_t at = next_random(&r) % len, n = next_random(&r) % (len - at) % 150000 + 1;
        assert_int_equal(frames_read(f, got, n, at, NULL), 0);
        assert_memory_equal(got, data + at, n);
        assert_int_equal(frames_end(f, at, &end, NULL), 0);
        assert_true(end > at && (end % FRAME_SIZE == 0 || end == len));
    }
    assert_int_equal(frames_read(f, got, 1, len, NULL), -1);
    frames_close(&f);
    unpacker_free(&u);
    mem_free(&data);
    mem_free(&got);
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = { 0, 1, 4096, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE,
                                    63 * FRAME_SIZE + 5, 64 * FRAME_SIZE, 64 * FRAME_SIZE + 1, 200 * FRAME_SIZE - 7 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        check_size(*state, sizes[i]);
}

/* Several files with one decoder: the frames kept are each file's own. */
static void test_two_files(void **state)
{
    const struct sink_dir *d = *state;
    struct unpacker *u = unpacker_new();
    char a[1000], b[1000], got[1000];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    pack(d, a, sizeof(a));
    struct frames *one = try_open(d, u, NULL);
    assert_int_equal(unlinkat(d->fd, PACKED, 0), 0);
    pack(d, b, sizeof(b));
    struct frames *two = try_open(d, u, NULL);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(frames_read(i % 2 ? one : two, got, sizeof(got), 0, NULL), 0);
        assert_memory_equal(got, i % 2 ? a : b, sizeof(got));
    }
    frames_close(&one);
    frames_close(&two);
    unpacker_free(&u);
}

/* A log that begins at 10 GiB. */
static void test_holes(void **state)
{
    const struct sink_dir *d = *state;
    const uint64_t base = (uint64_t)10 << 30;
    struct unpacker *u = unpacker_new();
    struct packer *p = packer_new(make(d), 3);
    struct stat st;
    char got[20];
    for (uint64_t at = 0; at < base; at += FRAME_HOLE)
        assert_int_equal(packer_put_hole(p, NULL), 0);
    assert_int_equal(packer_put(p, "the log begins here\n", 20, NULL), 0);
    assert_int_equal(packer_finish(p, NULL), 0);
    packer_free(&p);
    assert_int_equal(fstatat(d->fd, PACKED, &st, 0), 0);
    assert_true(st.st_size < 2 * 1024 * 1024);
    struct frames *f = try_open(d, u, NULL);
    assert_int_equal(frames_bytes(f), base + 20);
    assert_int_equal(frames_read(f, got, 20, base, NULL), 0);
    assert_memory_equal(got, "the log begins here\n", 20);
    assert_int_equal(frames_read(f, got, 20, base - 10, NULL), 0);
    assert_memory_equal(got, "\0\0\0\0\0\0\0\0\0\0the log be", 20);
    assert_int_equal(frames_is_hole(f, 0, NULL), 1);
    assert_int_equal(frames_is_hole(f, base - FRAME_HOLE, NULL), 1);
    assert_int_equal(frames_is_hole(f, 1, NULL), 0);
    assert_int_equal(frames_is_hole(f, base, NULL), 0);
    frames_close(&f);
    unpacker_free(&u);
}

static void test_zstd_program(void **state)
{
    const struct sink_dir *d = *state;
    size_t len = 5 * FRAME_SIZE + 77;
    char *data = mem_alloc(len), command[256];
    if (system("command -v zstd >/dev/null 2>&1") != 0)
        skip();
    fill(data, len, 4);
    pack(d, data, len);
    sink_file_write(d, "plain", data, len);
    snprintf(command, sizeof(command), "cd %s && zstd -qt " PACKED " && zstd -qdc " PACKED " | cmp - plain", d->path);
    assert_int_equal(system(command), 0);
    mem_free(&data);
}

static void test_every_cut_is_refused(void **state)
{
    const struct sink_dir *d = *state;
    struct unpacker *u = unpacker_new();
    struct err e = { 0 };
    size_t len;
    pack(d, "some log\n", 9);
    char *raw = sink_file(d, PACKED, &len);
    for (size_t cut = 0; cut < len; cut++) {
        sink_file_write(d, PACKED, raw, cut);
        assert_null(try_open(d, u, &e));
        assert_int_equal(e.kind, ERR_INVALID);
    }
    mem_free(&raw);
    unpacker_free(&u);
}

/* Each bit of a small file: refused at opening or at reading, or without influence on the bytes. */
static void test_every_flip_is_found(void **state)
{
    const struct sink_dir *d = *state;
    struct unpacker *u = unpacker_new();
    char data[3000], got[3000];
    size_t len, shown = 0;
    fill(data, sizeof(data), 9);
    pack(d, data, sizeof(data));
    char *raw = sink_file(d, PACKED, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        raw[bit / 8] ^= (char)(1 << bit % 8);
        sink_file_write(d, PACKED, raw, len);
        raw[bit / 8] ^= (char)(1 << bit % 8);
        struct frames *f = try_open(d, u, NULL);
        if (f && frames_bytes(f) == sizeof(data) && frames_read(f, got, sizeof(got), 0, NULL) == 0) {
            assert_memory_equal(got, data, sizeof(data));
            shown++;
        }
        frames_close(&f);
    }
    assert_true(shown < 64);   /* the table's own copy of the checksum, and bits that mean nothing */
    mem_free(&raw);
    unpacker_free(&u);
}

/* A table that promises more than there is. */
static void test_tables_refused(void **state)
{
    static const struct {
        size_t from_end;
        uint32_t value;
    } lies[] = {
        { 9, 2 }, { 9, 0 }, { 9, 0xffffffff }, { 9, 0x8000001 },      /* number of frames */
        { 9 + 12, 1 << 30 }, { 9 + 12, 0 }, { 9 + 8, 0xffffffff },    /* packed and plain size of the frame */
        { 9 + 12 + 4, 20 }, { 9 + 12 + 8, 0x184D2A50 },               /* the skippable frame's size and magic */
    };
    const struct sink_dir *d = *state;
    struct unpacker *u = unpacker_new();
    struct err e = { 0 };
    size_t len;
    pack(d, "some log\n", 9);
    char *raw = sink_file(d, PACKED, &len);
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        char *lie = mem_alloc(len);
        memcpy(lie, raw, len);
        little_put32((uint8_t *)lie + len - lies[i].from_end, lies[i].value);
        sink_file_write(d, PACKED, lie, len);
        assert_null(try_open(d, u, &e));
        mem_free(&lie);
    }
    mem_free(&raw);
    unpacker_free(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zstd_program, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_cut_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_flip_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
