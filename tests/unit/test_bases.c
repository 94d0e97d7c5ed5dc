/* test_bases.c - logs with bases: that begin at an offset, that have holes; read, walked and written on. And files of
 * version 1, which have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "logsink/base.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/range.h"
#include "logsink/verify.h"
#include "tests/unit/sink_fixture.h"

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
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    files_free(&r->fs);
    sink_log_fini(&r->log);
    sink_dir_remove(&r->dir);
    mem_free(state);
    return 0;
}

/* Consumes c. */
static void store(struct rig *r, struct chunk *c)
{
    assert_int_equal(files_store(r->fs, &c->record, 1, NULL), 0);
    chunk_free(&c);
}

static void reopen(struct rig *r)
{
    files_free(&r->fs);
    r->fs = files_new(r->dir.fd, 4);
}

static struct load walk(struct rig *r)
{
    struct buf scratch = { 0 };
    struct load q = { .key = r->log.key };
    while (!verify_step(r->fs, &q, &scratch))
        ;
    buf_fini(&scratch);
    return q;
}

/* The answer to a read there. Its bytes are compared with what was written, then released; data.len stays. */
static struct read at(struct rig *r, uint64_t offset)
{
    struct buf scratch = { 0 };
    struct read q = { .key = r->log.key, .offset = offset, .limit = 1 << 20 };
    range_read(r->fs, &q, &scratch);
    if (q.data.len > 0)
        assert_memory_equal(q.data.data, r->log.bytes.data + offset, q.data.len);
    size_t len = q.data.len;
    buf_fini(&q.data);
    buf_fini(&scratch);
    q.data.len = len;
    return q;
}

static void test_to_bytes_and_back(void **state)
{
    static const size_t lengths[] = { 0, 1, 31, 32, 33, 64, 255, 256 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct base b = { .seq = 5 + i, .offset = 1ull << 41, .newlines = 1000, .is_lost = i % 2, .head = { { 1, 2 } } };
        struct base got;
        struct chunk_record records[BASE_RECORDS_MAX];
        uint8_t raw[CHUNK_RECORD_SIZE], data[BASE_DATA_MAX];
        memset(b.reason, 'r', lengths[i]);
        size_t n = base_to_records(&b, records);
        assert_int_equal(n, 1 + (lengths[i] + 31) / 32);
        for (size_t k = 0; k < n; k++) {
            chunk_record_encode(&records[k], CHUNK_VERSION, raw);
            assert_int_equal(chunk_record_decode(raw, sizeof(raw), CHUNK_VERSION, &records[k]), 0);
            assert_int_equal(base_part(&records[k]), k);
        }
        assert_int_equal(base_from_records(records, n, &got), 0);
        assert_memory_equal(&got, &b, sizeof(b));
        const struct journal_record r = { .kind = JOURNAL_BASE, .head = b.head, .data = data,
                                          .chunk = { .seq = b.seq, .offset = b.offset,
                                                     .length = (uint32_t)base_encode(&b, data) } };
        memset(&got, 0, sizeof(got));
        assert_int_equal(base_decode(&r, &got), 0);
        assert_memory_equal(&got, &b, sizeof(b));
        if (n > 1)
            assert_int_equal(base_from_records(records + 1, n - 1, &got), -1);
    }
}

static void test_begins_at_an_offset(void **state)
{
    struct rig *r = *state;
    store(r, sink_log_base(&r->log, 20, 5000, "sink-1 is lost"));
    store(r, sink_log_chunk(&r->log, 100));
    store(r, sink_log_chunk(&r->log, 100));
    for (unsigned n = 0; n < 2; n++) {
        struct load end = walk(r);
        assert_int_equal(end.why.kind, ERR_NONE);
        assert_true(sink_is_same(&end.at, &r->log.at));
        assert_false(end.at.is_broken);
        struct read q = at(r, 0);
        assert_int_equal(q.gap_to, 5000);
        assert_string_equal(q.why.text, "sink-1 is lost");
        assert_false(q.is_damaged);
        q = at(r, 4999);
        assert_int_equal(q.gap_to, 5000);
        q = at(r, 5000);
        assert_int_equal(q.data.len, 200);
        assert_int_equal(q.durable, 5200);
        reopen(r);
    }
}

static void test_holes_inside(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 40; i++) {
        store(r, sink_log_chunk(&r->log, 100 + i));
        if (i % 5 == 4)
            store(r, sink_log_base(&r->log, 3, 77, "the agent's spool is damaged, and this one record cannot say"));
    }
    reopen(r);
    struct load end = walk(r);
    assert_int_equal(end.why.kind, ERR_NONE);
    assert_true(sink_is_same(&end.at, &r->log.at));
    assert_true(end.at.is_broken);
    uint64_t missing = 0;
    for (uint64_t offset = 0; offset < r->log.bytes.len;) {
        struct read q = at(r, offset);
        assert_true(q.data.len > 0 || q.gap_to == offset + 77);
        missing += q.gap_to > 0 ? q.gap_to - offset : 0;
        offset = q.gap_to > 0 ? q.gap_to : offset + q.data.len;
    }
    assert_int_equal(missing, 8 * 77);
    /* It goes on. */
    store(r, sink_log_chunk(&r->log, 10));
    assert_int_equal(at(r, r->log.bytes.len - 10).data.len, 10);
}

/* A base at a place that the file has already: what stands behind it was damaged and goes. */
static void test_a_base_cuts(void **state)
{
    struct rig *r = *state;
    struct position third;
    struct sink_log other;
    for (unsigned i = 0; i < 6; i++) {
        store(r, sink_log_chunk(&r->log, 20));
        if (i == 2)
            third = r->log.at;
    }
    sink_log_start(&other, 7);
    other.at = third;
    store(r, sink_log_base(&other, 0, 0, "again"));
    struct load end = walk(r);
    assert_int_equal(end.at.seq, 3);
    assert_int_equal(end.at.bytes, 60);
    assert_true(end.at.is_broken);
    struct read q = at(r, 0);
    assert_int_equal(q.data.len, 60);
    assert_int_equal(q.durable, 60);
    sink_log_fini(&other);
}

/* The base's own records are damaged: its bytes stay a gap, and so does nothing else. */
static void test_damaged_bases(void **state)
{
    struct rig *r = *state;
    char path[FILE_PATH_SIZE];
    store(r, sink_log_chunk(&r->log, 20));
    store(r, sink_log_base(&r->log, 3, 50, "a reason that takes more than one record of 64 bytes, two in fact"));
    store(r, sink_log_chunk(&r->log, 20));
    file_path(&r->log.key, "chunks", path);
    for (size_t i = 2 * CHUNK_RECORD_SIZE; i < 6 * CHUNK_RECORD_SIZE; i += 11) {
        sink_file_flip(&r->dir, path, i);
        reopen(r);
        struct read q = at(r, 0);
        assert_int_equal(q.data.len, 20);
        q = at(r, 20);
        assert_int_equal(q.gap_to, i < 6 * CHUNK_RECORD_SIZE ? 70 : 90);
        q = at(r, 70);
        assert_int_equal(q.data.len, 20);
        struct load end = walk(r);
        assert_true(end.at.is_broken);
        assert_int_equal(end.at.seq, 5);
        assert_memory_equal(&end.at.head, &r->log.at.head, sizeof(end.at.head));
        sink_file_flip(&r->dir, path, i);
    }
}

/* --- version 1 -------------------------------------------------------------------------------------------- */

static void make_old(struct rig *r, unsigned chunks)
{
    uint8_t raw[CHUNK_RECORD_SIZE];
    struct buf list = { 0 };
    char path[FILE_PATH_SIZE];
    store(r, sink_log_chunk(&r->log, 20));
    chunk_header_encode(&r->log.key, 1, raw);
    buf_append(&list, raw, sizeof(raw));
    reopen(r);
    sink_log_fini(&r->log);
    sink_log_start(&r->log, 7);
    for (unsigned i = 0; i < chunks; i++) {
        struct chunk *c = sink_log_chunk(&r->log, 20);
        struct chunk_record record;
        chunk_record_init(&record, &c->record.chunk, &c->record.head, c->record.data);
        chunk_record_encode(&record, 1, raw);
        buf_append(&list, raw, sizeof(raw));
        chunk_free(&c);
    }
    file_path(&r->log.key, "chunks", path);
    sink_file_write(&r->dir, path, list.data, list.len);
    file_path(&r->log.key, "log", path);
    sink_file_write(&r->dir, path, r->log.bytes.data, r->log.bytes.len);
    buf_fini(&list);
}

static void test_version_1_goes_on(void **state)
{
    struct rig *r = *state;
    make_old(r, 5);
    struct load end = walk(r);
    assert_true(end.is_old);
    assert_true(sink_is_same(&end.at, &r->log.at));
    store(r, sink_log_chunk(&r->log, 20));
    reopen(r);
    end = walk(r);
    assert_true(end.is_old);
    assert_true(sink_is_same(&end.at, &r->log.at));
    assert_int_equal(at(r, 0).data.len, 120);
}

/* Without whole heads a walk cannot go on behind damage; reads do. */
static void test_version_1_damaged(void **state)
{
    struct rig *r = *state;
    char path[FILE_PATH_SIZE];
    make_old(r, 5);
    file_path(&r->log.key, "log", path);
    sink_file_flip(&r->dir, path, 45);
    struct load end = walk(r);
    assert_true(end.is_damaged);
    assert_int_equal(end.at.seq, 2);
    assert_int_equal(at(r, 0).data.len, 40);
    assert_int_equal(at(r, 40).gap_to, 60);
    assert_int_equal(at(r, 60).data.len, 40);
    /* The agent sends again from there. */
    sink_log_fini(&r->log);
    sink_log_start(&r->log, 7);
    for (unsigned i = 0; i < 5; i++) {
        struct chunk *c = sink_log_chunk(&r->log, 20);
        if (i >= 2)
            assert_int_equal(files_store(r->fs, &c->record, 1, NULL), 0);
        chunk_free(&c);
    }
    end = walk(r);
    assert_false(end.is_damaged);
    assert_true(sink_is_same(&end.at, &r->log.at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_bytes_and_back),
        cmocka_unit_test_setup_teardown(test_begins_at_an_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holes_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_base_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_bases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_1_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_1_damaged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
