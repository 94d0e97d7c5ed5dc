/* test_log_keep.c - housekeeping on real files: logs are packed and read back, also after a crash at any point of it; logs
 * with holes and late output; removal by age, the rest of an interrupted removal, abandoned logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "logsink/base.h"
#include "logsink/file_keep.h"
#include "logsink/file_path.h"
#include "logsink/keep.h"
#include "logsink/range.h"
#include "tests/unit/sink_fixture.h"

struct rig {
    struct sink_dir dir;
    struct files *files;
    struct keep_settings set;
    struct keep *keep;
};

static int setup(void **state)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    sink_dir_make(&r->dir);
    r->files = files_new(r->dir.fd, 4);
    r->set.compress = 3;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    keep_free(&r->keep);
    files_free(&r->files);
    sink_dir_remove(&r->dir);
    mem_free(state);
    return 0;
}

/* Until one whole walk over all logs, and what it found to do, is done. */
static void run(struct rig *r)
{
    if (!r->keep)
        r->keep = keep_new(r->dir.fd, r->files, &r->set, NULL);
    /* A walk over a few logs is one step or two, with a pause in between; its rest is longer than the pause. */
    for (unsigned quiet = 0; quiet < 2;) {
        int64_t wait_ms = keep_step(r->keep);
        quiet = wait_ms > 100 ? quiet + 1 : 0;
        if (wait_ms > 0 && wait_ms <= 100)
            usleep((useconds_t)wait_ms * 1000);
    }
}

/* As after a new start. */
static void run_again(struct rig *r)
{
    keep_free(&r->keep);
    files_free(&r->files);
    r->files = files_new(r->dir.fd, 4);
    run(r);
}

static void store(struct rig *r, struct chunk *c)
{
    struct err e = { 0 };
    if (files_store(r->files, &c->record, 1, &e))
        fail_msg("%s", e.text);
    chunk_free(&c);
}

static void fill(struct rig *r, struct sink_log *l, unsigned chunks)
{
    for (unsigned i = 0; i < chunks; i++)
        store(r, sink_log_chunk(l, 1 + i * 7919 % 3000));
}

static struct seal seal_of(const struct sink_log *l, enum seal_state state, uint64_t age_ms)
{
    return (struct seal){ .state = state, .chunks = l->at.seq, .bytes = l->at.bytes, .head = l->at.head,
                          .lines = position_lines(&l->at), .sealed_at_ms = (uint64_t)clock_wall_ms() - age_ms };
}

static void seal(struct rig *r, const struct sink_log *l, enum seal_state state, uint64_t age_ms)
{
    uint8_t bytes[SEAL_SIZE];
    const struct seal s = seal_of(l, state, age_ms);
    const struct journal_record record = { .kind = JOURNAL_SEAL, .key = l->key, .head = s.head, .data = bytes,
                                           .chunk = { .seq = s.chunks, .offset = s.bytes, .length = SEAL_SIZE } };
    seal_encode(&s, &l->key, bytes);
    assert_int_equal(files_store(r->files, &record, 1, NULL), 0);
}

static bool is_there(const struct rig *r, const struct sink_log *l, const char *suffix)
{
    return files_have(r->files, &l->key, suffix);
}

static void check_read(struct rig *r, const struct sink_log *l, uint64_t from)
{
    struct buf scratch = { 0 };
    for (uint64_t at = from; at < l->bytes.len;) {
        struct read q = { .key = l->key, .offset = at, .limit = 1 << 20 };
        range_read(r->files, &q, &scratch);
        if (q.why.kind != ERR_NONE)
            fail_msg("%s", q.why.text);
        assert_true(q.data.len > 0);
        assert_memory_equal(q.data.data, l->bytes.data + at, q.data.len);
        at += q.data.len;
        buf_fini(&q.data);
    }
    buf_fini(&scratch);
}

static void check_packed(struct rig *r, const struct sink_log *l)
{
    assert_true(is_there(r, l, "zst"));
    assert_false(is_there(r, l, "log"));
    assert_false(is_there(r, l, "zst-new"));
    check_read(r, l, 0);
}

static void test_packed_after_the_seal(void **state)
{
    struct rig *r = *state;
    struct sink_log l, small, open, gap;
    sink_log_start(&l, 1);
    sink_log_start(&small, 2);
    sink_log_start(&open, 3);
    sink_log_start(&gap, 4);
    fill(r, &l, 3000);
    store(r, sink_log_chunk(&small, 4000));
    fill(r, &open, 10);
    fill(r, &gap, 10);
    seal(r, &l, SEAL_COMPLETE, 0);
    seal(r, &small, SEAL_COMPLETE, 0);
    seal(r, &gap, SEAL_GAP, 0);
    run(r);
    check_packed(r, &l);
    assert_true(is_there(r, &small, "log") && is_there(r, &open, "log") && is_there(r, &gap, "log"));
    run_again(r);
    check_packed(r, &l);
    check_read(r, &small, 0);
    check_read(r, &open, 0);
    check_read(r, &gap, 0);
    sink_log_fini(&l);
    sink_log_fini(&small);
    sink_log_fini(&open);
    sink_log_fini(&gap);
}

/* The process ends after n steps; the next one finishes. */
static void test_interrupted(void **state)
{
    struct rig *r = *state;
    for (unsigned steps = 0; steps < 9; steps++) {
        struct sink_log l;
        sink_log_start(&l, (uint8_t)(10 + steps));
        fill(r, &l, 4000);
        seal(r, &l, SEAL_COMPLETE, 0);
        keep_free(&r->keep);
        r->keep = keep_new(r->dir.fd, r->files, &r->set, NULL);
        keep_sealed(r->keep, &l.key);
        for (unsigned n = 0; n < steps; n++)
            keep_step(r->keep);
        char path[FILE_PATH_SIZE];
        file_path(&l.key, "zst-new", path);
        bool was_there = is_there(r, &l, "zst-new");
        keep_free(&r->keep);
        if (was_there) /* a stop deletes what a kill leaves */
            sink_file_write(&r->dir, path, "half a log", 10);
        run_again(r);
        check_packed(r, &l);
        sink_log_fini(&l);
    }
}

/* Renamed, but N.log is still there. */
static void test_both_files(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    char path[FILE_PATH_SIZE];
    sink_log_start(&l, 5);
    fill(r, &l, 100);
    seal(r, &l, SEAL_COMPLETE, 0);
    run(r);
    check_packed(r, &l);
    file_path(&l.key, "log", path);
    sink_file_write(&r->dir, path, l.bytes.data, l.bytes.len / 2);
    check_read(r, &l, 0);
    run_again(r);
    check_packed(r, &l);
    sink_log_fini(&l);
}

/* A log that began elsewhere, at 10 GiB, is packed without reading 10 GiB; its bytes are where they were. */
static void test_hole(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    struct stat st;
    char path[FILE_PATH_SIZE];
    uint8_t data[BASE_DATA_MAX];
    struct base b = { .seq = 100000, .offset = 10ull << 30, .newlines = 7, .reason = "began on another log sink" };
    uint64_t started_ms = clock_boot_ms();
    sink_log_start(&l, 6);
    hash_bytes(&b.head, "head", 4);
    base_position(&b, &l.at);
    const struct journal_record record = {
        .kind = JOURNAL_BASE, .key = l.key, .head = b.head, .data = data,
        .chunk = { .seq = b.seq, .offset = b.offset, .length = (uint32_t)base_encode(&b, data) },
    };
    store(r, chunk_new(&record));
    for (unsigned i = 0; i < 200; i++)
        store(r, sink_log_chunk(&l, 1000));
    seal(r, &l, SEAL_COMPLETE, 0);
    run(r);
    assert_true(is_there(r, &l, "zst"));
    assert_false(is_there(r, &l, "log"));
    file_path(&l.key, "zst", path);
    assert_int_equal(fstatat(r->dir.fd, path, &st, 0), 0);
    assert_true(st.st_size < 4 << 20);
    struct read q = { .key = l.key, .offset = b.offset, .limit = 1 << 20 };
    struct buf scratch = { 0 };
    range_read(r->files, &q, &scratch);
    assert_int_equal(q.data.len, l.bytes.len);
    assert_memory_equal(q.data.data, l.bytes.data, l.bytes.len);
    buf_fini(&q.data);
    buf_fini(&scratch);
    assert_true(clock_boot_ms() - started_ms < 60000);
    sink_log_fini(&l);
}

/* Sealed as gap an hour ago: packed; then late output comes after all, and it is sealed again as complete. */
static void test_late_output(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    sink_log_start(&l, 7);
    fill(r, &l, 500);
    seal(r, &l, SEAL_GAP, 2 * 3600000);
    run(r);
    check_packed(r, &l);
    fill(r, &l, 300);
    assert_true(is_there(r, &l, "log"));
    check_read(r, &l, 0);
    run_again(r);
    check_read(r, &l, 0);
    seal(r, &l, SEAL_COMPLETE, 0);
    run_again(r);
    check_packed(r, &l);
    sink_log_fini(&l);
}

static void test_removed_by_age(void **state)
{
    struct rig *r = *state;
    struct sink_log old, young;
    struct seal s;
    r->set.keep_ms = 86400000;
    sink_log_start(&old, 8);
    sink_log_start(&young, 9);
    fill(r, &old, 50);
    fill(r, &young, 50);
    seal(r, &old, SEAL_COMPLETE, 2 * 86400000);
    seal(r, &young, SEAL_COMPLETE, 3600000);
    run(r);
    assert_int_equal(files_seal_get(r->files, &old.key, &s, NULL), 0);
    assert_int_equal(s.removed, SEAL_EXPIRED);
    assert_int_equal(s.state, SEAL_COMPLETE);
    assert_int_equal(s.bytes, old.bytes.len);
    assert_false(is_there(r, &old, "log") || is_there(r, &old, "zst") || is_there(r, &old, "chunks"));
    check_packed(r, &young);
    /* Its data came back, as from an old journal: the next walk deletes it again. */
    char path[FILE_PATH_SIZE];
    file_path(&old.key, "log", path);
    sink_file_write(&r->dir, path, "x", 1);
    run_again(r);
    assert_false(is_there(r, &old, "log"));
    sink_log_fini(&old);
    sink_log_fini(&young);
}

static void test_abandoned(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    struct seal s;
    char path[FILE_PATH_SIZE];
    const struct timespec then[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
    sink_log_start(&l, 11);
    fill(r, &l, 5);
    run(r);
    assert_true(is_there(r, &l, "log"));
    file_path(&l.key, "log", path);
    assert_int_equal(utimensat(r->dir.fd, path, then, 0), 0);
    file_path(&l.key, "chunks", path);
    assert_int_equal(utimensat(r->dir.fd, path, then, 0), 0);
    run_again(r);
    assert_false(is_there(r, &l, "log") || is_there(r, &l, "chunks"));
    assert_int_equal(files_seal_get(r->files, &l.key, &s, NULL), 0);
    assert_int_equal(s.state, SEAL_GAP);
    assert_int_equal(s.removed, SEAL_ABANDONED);
    assert_int_equal(s.bytes, l.bytes.len);
    sink_log_fini(&l);
}

/* A bit of N.zst flips: a gap there, the rest is read. */
static void test_damage(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    struct buf scratch = { 0 };
    char path[FILE_PATH_SIZE];
    sink_log_start(&l, 12);
    fill(r, &l, 300);
    seal(r, &l, SEAL_COMPLETE, 0);
    run(r);
    file_path(&l.key, "zst", path);
    sink_file_flip(&r->dir, path, 100);
    files_forget(r->files, &l.key);
    struct read q = { .key = l.key, .offset = 0, .limit = 1 << 20 };
    range_read(r->files, &q, &scratch);
    assert_int_equal(q.data.len, 0);
    assert_true(q.gap_to > 0 && q.gap_to <= l.bytes.len);
    assert_true(q.gap_to < 70000);
    check_read(r, &l, q.gap_to);
    buf_fini(&scratch);
    buf_fini(&q.data);
    sink_log_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packed_after_the_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_output, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_by_age, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
