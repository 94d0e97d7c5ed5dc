/* test_recovery.c - a start after a crash: whatever state the files were left in, what the journal has is in them
 * afterwards, nothing is kept that was not whole, and damage is never silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/range.h"
#include "logsink/recovery.h"
#include "logsink/segment.h"
#include "logsink/verify.h"
#include "tests/unit/sink_fixture.h"

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

/* One segment with these chunks, which are freed. */
static void write_segment(struct sink_dir *d, uint64_t number, struct chunk **chunks, size_t n)
{
    struct segment s;
    assert_int_equal(segment_create(&s, d->fd, number, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        struct iovec iov = { chunks[i]->bytes, chunk_size(chunks[i]) };
        journal_record_encode(&chunks[i]->record, chunks[i]->bytes);
        assert_int_equal(segment_append(&s, &iov, 1, iov.iov_len, NULL), 0);
        chunk_free(&chunks[i]);
    }
    segment_close(&s);
}

static void recover(struct sink_dir *d, struct files **fs_r, uint64_t next)
{
    uint64_t number;
    struct err e = { 0 };
    *fs_r = files_new(d->fd, 4);
    assert_int_equal(recovery_run(d->fd, *fs_r, &number, &e), 0);
    assert_int_equal(number, next);
    assert_int_equal(sink_count_segments(d), 0);
}

static void check_end(struct files *fs, const struct log_key *key, const struct position *want)
{
    struct buf scratch = { 0 };
    struct load q = { .key = *key };
    while (!verify_step(fs, &q, &scratch))
        ;
    buf_fini(&scratch);
    assert_int_equal(q.why.kind, ERR_NONE);
    assert_true(sink_is_same(&q.at, want));
}

static void test_nothing_to_do(void **state)
{
    struct files *fs;
    recover(*state, &fs, 1);
    files_free(&fs);
}

static void test_files_are_made_from_the_journal(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log a, b;
    struct files *fs;
    sink_log_start(&a, 1);
    sink_log_start(&b, 2);
    struct chunk *one[] = { sink_log_chunk(&a, 30), sink_log_chunk(&b, 5), sink_log_chunk(&a, 10) };
    struct chunk *two[] = { sink_log_chunk(&b, 7), sink_log_chunk(&a, 0) };
    write_segment(d, 3, one, 3);
    write_segment(d, 4, two, 2);
    recover(d, &fs, 5);
    check_end(fs, &a.key, &a.at);
    check_end(fs, &b.key, &b.at);
    files_free(&fs);
    sink_log_fini(&a);
    sink_log_fini(&b);
}

/* The files as a crash may leave them: any length of each, the rest garbage or missing. */
static void test_unsynced_files_are_mended(void **state)
{
    struct sink_dir *d = *state;
    char log_path[FILE_PATH_SIZE], chunks_path[FILE_PATH_SIZE];
    for (unsigned cut = 0; cut < 12; cut++) {
        struct files *fs = files_new(d->fd, 4);
        struct sink_log l;
        struct chunk *chunks[4];
        sink_log_start(&l, (uint8_t)(cut + 1));
        for (unsigned i = 0; i < 4; i++) {
            chunks[i] = sink_log_chunk(&l, 20);
            assert_int_equal(files_store(fs, &chunks[i]->record, 1, NULL), 0);
        }
        files_free(&fs);
        file_path(&l.key, "log", log_path);
        file_path(&l.key, "chunks", chunks_path);
        /* The first chunk was synced once and is in no segment any more; the others are in the journal. */
        chunk_free(&chunks[0]);
        write_segment(d, 2, chunks + 1, 3);
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", d->path, cut % 2 ? log_path : chunks_path);
        if (cut < 6)
            assert_int_equal(truncate(path, cut % 2 ? 20 + cut * 9 : 128 + cut * 27), 0);
        else
            sink_file_flip(d, cut % 2 ? log_path : chunks_path, cut % 2 ? 20 + cut * 5 : 128 + cut * 15);
        recover(d, &fs, 3);
        check_end(fs, &l.key, &l.at);
        files_free(&fs);
        sink_log_fini(&l);
    }
}

static void test_torn_end_is_cut(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log l;
    struct files *fs;
    struct position want;
    size_t len;
    sink_log_start(&l, 1);
    struct chunk *chunks[2] = { sink_log_chunk(&l, 30) };
    want = l.at;
    chunks[1] = sink_log_chunk(&l, 30);
    write_segment(d, 1, chunks, 2);
    char *data = sink_file(d, "journal/0000000001.j", &len);
    sink_file_write(d, "journal/0000000001.j", data, len - 1);
    mem_free(&data);
    recover(d, &fs, 2);
    check_end(fs, &l.key, &want);
    files_free(&fs);
    sink_log_fini(&l);
}

/* Damage in an older segment: the file has what is lost there, so nothing is lost. */
static void test_damage_that_the_file_makes_good(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct chunk *chunks[6];
    sink_log_start(&l, 1);
    for (unsigned i = 0; i < 6; i++) {
        chunks[i] = sink_log_chunk(&l, 20);
        assert_int_equal(files_store(fs, &chunks[i]->record, 1, NULL), 0);
    }
    files_free(&fs);
    write_segment(d, 1, chunks, 4);
    write_segment(d, 2, chunks + 4, 2);
    sink_file_flip(d, "journal/0000000001.j", JOURNAL_HEADER_SIZE + JOURNAL_RECORD_SIZE + 20 + 50);
    recover(d, &fs, 3);
    check_end(fs, &l.key, &l.at);
    files_free(&fs);
    sink_log_fini(&l);
}

/* And when the file has not got it either: a hole, known as such; what is behind it is kept. */
static void test_damage_that_costs_chunks(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log l, other;
    struct files *fs;
    struct buf scratch = { 0 };
    sink_log_start(&l, 1);
    sink_log_start(&other, 2);
    struct chunk *one[] = { sink_log_chunk(&l, 20), sink_log_chunk(&l, 20), sink_log_chunk(&l, 20) };
    struct chunk *two[] = { sink_log_chunk(&l, 20), sink_log_chunk(&other, 20) };
    write_segment(d, 1, one, 3);
    write_segment(d, 2, two, 2);
    sink_file_flip(d, "journal/0000000001.j", JOURNAL_HEADER_SIZE + JOURNAL_RECORD_SIZE + 20 + 50);
    recover(d, &fs, 3);
    struct load end = { .key = l.key };
    while (!verify_step(fs, &end, &scratch))
        ;
    assert_true(end.is_damaged && end.at.is_broken);
    assert_int_equal(end.at.seq, 4);
    assert_int_equal(end.at.bytes, 80);
    assert_memory_equal(&end.at.head, &l.at.head, sizeof(l.at.head));
    struct read q = { .key = l.key, .offset = 25, .limit = 100 };
    range_read(fs, &q, &scratch);
    assert_int_equal(q.gap_to, 60);
    q = (struct read){ .key = l.key, .offset = 60, .limit = 100 };
    range_read(fs, &q, &scratch);
    assert_int_equal(q.data.len, 20);
    assert_memory_equal(q.data.data, l.bytes.data + 60, 20);
    buf_fini(&q.data);
    buf_fini(&scratch);
    check_end(fs, &other.key, &other.at);
    files_free(&fs);
    sink_log_fini(&l);
    sink_log_fini(&other);
}

/* Bases come back from the journal, whether the files have them, have them damaged, or have not got them. */
static void test_bases_come_back(void **state)
{
    struct sink_dir *d = *state;
    char path[FILE_PATH_SIZE];
    for (unsigned how = 0; how < 13; how++) {
        struct files *fs = files_new(d->fd, 4);
        struct sink_log l;
        sink_log_start(&l, (uint8_t)(how + 1));
        struct chunk *chunks[] = {
            sink_log_base(&l, 4, 400, "the log was somewhere else"), sink_log_chunk(&l, 20), sink_log_chunk(&l, 0),
            sink_log_base(&l, 2, 100, "the agent's spool is damaged, and this reason is longer than one record"),
            sink_log_chunk(&l, 30), sink_log_base(&l, 1, 0, ""),
        };
        unsigned stored = how == 0 ? 0 : how == 1 ? 4 : 6;
        for (unsigned i = 0; i < stored; i++)
            assert_int_equal(files_store(fs, &chunks[i]->record, 1, NULL), 0);
        files_free(&fs);
        file_path(&l.key, "chunks", path);
        if (how > 2)
            sink_file_flip(d, path, CHUNK_RECORD_SIZE * (how - 2) + 7 * how % CHUNK_RECORD_SIZE);
        write_segment(d, 1, chunks, ARRAY_LEN(chunks));
        recover(d, &fs, 2);
        check_end(fs, &l.key, &l.at);
        size_t len;
        char *data = sink_file(d, path, &len);
        assert_int_equal(len, CHUNK_RECORD_SIZE * (1 + 2 + 2 + 4 + 1 + 1));
        mem_free(&data);
        files_free(&fs);
        sink_log_fini(&l);
    }
}

/* A log that was finished and removed since does not come back from an old journal, nor does an older seal. */
static void test_removed_stays_removed(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log l;
    struct files *fs;
    struct seal got;
    uint8_t bytes[SEAL_SIZE];
    char path[FILE_PATH_SIZE];
    sink_log_start(&l, 1);
    struct chunk *chunks[2] = { sink_log_chunk(&l, 30) };
    struct seal s = { .state = SEAL_COMPLETE, .chunks = 1, .bytes = 30, .lines = 5, .head = l.at.head };
    seal_encode(&s, &l.key, bytes);
    const struct journal_record r = { .kind = JOURNAL_SEAL, .key = l.key, .chunk.length = SEAL_SIZE, .data = bytes };
    chunks[1] = chunk_new(&r);
    fs = files_new(d->fd, 4);
    assert_int_equal(files_store(fs, &chunks[0]->record, 1, NULL), 0);
    assert_int_equal(files_store(fs, &chunks[1]->record, 1, NULL), 0);
    files_free(&fs);
    s.removed = SEAL_EXPIRED;
    s.removed_at_ms = 77;
    seal_encode(&s, &l.key, bytes);
    file_path(&l.key, "seal", path);
    sink_file_write(d, path, bytes, sizeof(bytes));
    file_path(&l.key, "log", path);
    assert_int_equal(unlinkat(d->fd, path, 0), 0);
    write_segment(d, 1, chunks, 2);
    recover(d, &fs, 2);
    assert_int_equal(files_seal_get(fs, &l.key, &got, NULL), 0);
    assert_int_equal(got.removed, SEAL_EXPIRED);
    assert_int_equal(got.removed_at_ms, 77);
    assert_int_equal(files_log_size(fs, &l.key), 0);
    files_free(&fs);
    sink_log_fini(&l);
}

/* A gap was packed, its late output made it complete, and the power went before N.log and N.chunks were synced: the seal
 * and N.zst are there, and the journal alone has the rest. */
static void test_late_output_behind_a_pack(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log l;
    struct files *fs;
    uint8_t bytes[SEAL_SIZE];
    char path[FILE_PATH_SIZE];
    sink_log_start(&l, 1);
    struct chunk *chunks[3] = { sink_log_chunk(&l, 30), sink_log_chunk(&l, 40) };
    const struct seal s = { .state = SEAL_COMPLETE, .chunks = 2, .bytes = 70, .lines = 9, .head = l.at.head };
    seal_encode(&s, &l.key, bytes);
    const struct journal_record r = { .kind = JOURNAL_SEAL, .key = l.key, .chunk.length = SEAL_SIZE, .data = bytes };
    chunks[2] = chunk_new(&r);
    fs = files_new(d->fd, 4);
    assert_int_equal(files_store(fs, &chunks[0]->record, 1, NULL), 0);
    assert_int_equal(files_store(fs, &chunks[2]->record, 1, NULL), 0);
    files_free(&fs);
    file_path(&l.key, "zst", path);
    sink_file_write(d, path, "packed", 6);
    file_path(&l.key, "log", path);
    assert_int_equal(unlinkat(d->fd, path, 0), 0);
    sink_file_write(d, path, "", 0);
    write_segment(d, 1, chunks, 3);
    recover(d, &fs, 2);
    struct read q = { .key = l.key, .limit = 100 };
    struct buf scratch = { 0 };
    range_read(fs, &q, &scratch);
    assert_int_equal(q.why.kind, ERR_NONE);
    assert_int_equal(q.data.len, 70);
    assert_memory_equal(q.data.data, l.bytes.data, 70);
    buf_fini(&q.data);
    buf_fini(&scratch);
    files_free(&fs);
    sink_log_fini(&l);
}

static void test_seals_come_back(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log l;
    struct files *fs;
    struct seal got;
    uint8_t bytes[SEAL_SIZE];
    sink_log_start(&l, 1);
    struct chunk *chunks[2] = { sink_log_chunk(&l, 30) };
    const struct seal s = { .state = SEAL_GAP, .chunks = 1, .bytes = 30, .lines = 5, .head = l.at.head };
    seal_encode(&s, &l.key, bytes);
    const struct journal_record r = { .kind = JOURNAL_SEAL, .key = l.key, .chunk.length = SEAL_SIZE, .data = bytes };
    chunks[1] = chunk_new(&r);
    write_segment(d, 1, chunks, 2);
    recover(d, &fs, 2);
    assert_int_equal(files_seal_get(fs, &l.key, &got, NULL), 0);
    assert_int_equal(got.state, s.state);
    assert_int_equal(got.chunks, s.chunks);
    assert_int_equal(got.bytes, s.bytes);
    assert_int_equal(got.lines, s.lines);
    assert_memory_equal(&got.head, &s.head, sizeof(s.head));
    files_free(&fs);
    sink_log_fini(&l);
}

static void test_newer_journal_stops_the_start(void **state)
{
    struct sink_dir *d = *state;
    uint8_t header[JOURNAL_HEADER_SIZE];
    struct err e = { 0 };
    uint64_t next;
    struct files *fs = files_new(d->fd, 4);
    journal_header_encode(1, header);
    header[8] = JOURNAL_VERSION + 1;
    uint32_t crc = hash_crc32c(0, header, 28);
    memcpy(header + 28, &crc, 4);
    sink_file_write(d, "journal/0000000001.j", header, sizeof(header));
    assert_int_equal(recovery_run(d->fd, fs, &next, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_int_equal(sink_count_segments(d), 1);
    files_free(&fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_are_made_from_the_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsynced_files_are_mended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_end_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_that_the_file_makes_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_that_costs_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bases_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_stays_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_output_behind_a_pack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seals_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_journal_stops_the_start, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
