/* test_read_errors.c - a disk that cannot read some of its places (EIO, made up here): those chunks are gaps, and only
 * those; other errors pass, so they are no gap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/range.h"
#include "logsink/verify.h"
#include "tests/unit/sink_fixture.h"

static int bad_fd = -1;          /* reads of it that touch [bad_from, bad_to) fail with bad_errno */
static off_t bad_from, bad_to;
static int bad_errno;

ssize_t __real_pread(int fd, void *data, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t offset)
{
    if (fd == bad_fd && offset < bad_to && offset + (off_t)len > bad_from) {
        errno = bad_errno;
        return -1;
    }
    return __real_pread(fd, data, len, offset);
}

struct rig {
    struct sink_dir dir;
    struct files *fs;
    struct sink_log log;
};

static int setup(void **state)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    sink_dir_make(&r->dir);
    r->fs = files_new(r->dir.fd, 4);
    sink_log_start(&r->log, 7);
    for (unsigned i = 0; i < 200; i++) {
        struct chunk *c = sink_log_chunk(&r->log, 100);
        assert_int_equal(files_store(r->fs, &c->record, 1, NULL), 0);
        chunk_free(&c);
    }
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    bad_fd = -1;
    files_free(&r->fs);
    sink_log_fini(&r->log);
    sink_dir_remove(&r->dir);
    mem_free(state);
    return 0;
}

static void spoil(struct rig *r, bool is_log, off_t from, off_t to, int number)
{
    const struct file *f = files_get(r->fs, &r->log.key, false, NULL);
    bad_fd = is_log ? f->log_fd : f->chunks_fd;
    bad_from = from;
    bad_to = to;
    bad_errno = number;
}

/* The read at `offset` gives bytes up to `end` (0: none), or a gap up to `gap_to`. */
static void expect(struct rig *r, uint64_t offset, uint64_t end, uint64_t gap_to)
{
    struct buf scratch = { 0 };
    struct read q = { .key = r->log.key, .offset = offset, .limit = 1 << 20 };
    range_read(r->fs, &q, &scratch);
    assert_int_equal(q.data.len, end > offset ? end - offset : 0);
    if (q.data.len > 0)
        assert_memory_equal(q.data.data, r->log.bytes.data + offset, q.data.len);
    assert_int_equal(q.gap_to, gap_to);
    assert_int_equal(q.why.kind != ERR_NONE, q.data.len == 0);
    buf_fini(&q.data);
    buf_fini(&scratch);
}

static void test_bytes(void **state)
{
    struct rig *r = *state;
    struct load l = { .key = r->log.key };
    struct buf scratch = { 0 };
    spoil(r, true, 5050, 5120, EIO);
    expect(r, 0, 5000, 0);
    expect(r, 5000, 0, 5200);
    expect(r, 5110, 0, 5200);
    expect(r, 5200, 20000, 0);
    while (!verify_step(r->fs, &l, &scratch))
        ;
    assert_true(l.is_damaged && l.at.is_broken);
    assert_int_equal(l.at.seq, 200);
    assert_memory_equal(&l.at.head, &r->log.at.head, sizeof(l.at.head));
    buf_fini(&scratch);
}

static void test_records(void **state)
{
    struct rig *r = *state;
    spoil(r, false, 64 * CHUNK_RECORD_SIZE, 65 * CHUNK_RECORD_SIZE, EIO); /* a page: records 64 to 127 */
    expect(r, 0, 6300, 0);
    expect(r, 6300, 0, 12700);
    expect(r, 9000, 0, 12700);
    expect(r, 12700, 20000, 0);
}

static void test_errors_that_pass(void **state)
{
    struct rig *r = *state;
    struct load l = { .key = r->log.key };
    struct buf scratch = { 0 };
    spoil(r, true, 5050, 5120, ENOMEM);
    expect(r, 5000, 0, 0);
    while (!verify_step(r->fs, &l, &scratch))
        ;
    assert_false(l.is_damaged);
    assert_int_not_equal(l.why.kind, ERR_NONE);
    buf_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_that_pass, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
