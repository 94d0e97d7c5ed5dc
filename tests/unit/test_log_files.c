/* test_log_files.c - an attempt's files: what was appended reads back, verifies and seals, with few descriptors and
 * after being opened again; damage of any byte is found, never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/range.h"
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

static void append(struct files *fs, struct sink_log *l, size_t len)
{
    struct chunk *c = sink_log_chunk(l, len);
    assert_int_equal(files_store(fs, &c->record, 1, NULL), 0);
    chunk_free(&c);
}

static void seal(struct files *fs, const struct sink_log *l, enum seal_state state)
{
    uint8_t bytes[SEAL_SIZE];
    const struct seal s = { .state = state, .chunks = l->at.seq, .bytes = l->at.bytes,
                            .lines = position_lines(&l->at), .head = l->at.head };
    const struct journal_record r = { .kind = JOURNAL_SEAL, .key = l->key, .data = bytes, .chunk.length = SEAL_SIZE };
    seal_encode(&s, &l->key, bytes);
    assert_int_equal(files_store(fs, &r, 1, NULL), 0);
}

static void verify(struct files *fs, struct load *q, const struct log_key *key)
{
    struct buf scratch = { 0 };
    *q = (struct load){ .key = *key };
    while (!verify_step(fs, q, &scratch))
        ;
    buf_fini(&scratch);
}

static void range(struct files *fs, struct read *q, const struct log_key *key, uint64_t offset, uint64_t limit)
{
    struct buf scratch = { 0 };
    *q = (struct read){ .key = *key, .offset = offset, .limit = limit };
    range_read(fs, q, &scratch);
    buf_fini(&scratch);
}

static void test_grows_and_verifies(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct load q;
    char path[FILE_PATH_SIZE];
    size_t len;
    sink_log_start(&l, 0xab);
    for (size_t i = 0; i < 200; i++)
        append(fs, &l, i * 31 % 500);
    file_path(&l.key, "log", path);
    assert_string_equal(path, "log/ab/abababab-abab-abab-abab-abababababab/1.log");
    char *data = sink_file(d, path, &len);
    assert_int_equal(len, l.bytes.len);
    assert_memory_equal(data, l.bytes.data, len);
    mem_free(&data);
    files_free(&fs);
    fs = files_new(d->fd, 4);
    verify(fs, &q, &l.key);
    assert_int_equal(q.why.kind, ERR_NONE);
    assert_int_equal(q.seal.state, SEAL_OPEN);
    assert_true(sink_is_same(&q.at, &l.at));
    append(fs, &l, 10);
    files_free(&fs);
    sink_log_fini(&l);
}

static void test_nothing_there(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct load q;
    struct read r;
    sink_log_start(&l, 1);
    verify(fs, &q, &l.key);
    assert_int_equal(q.why.kind, ERR_NONE);
    assert_true(sink_is_same(&q.at, &l.at));
    range(fs, &r, &l.key, 0, 100);
    assert_true(r.is_absent);
    assert_int_equal(r.why.kind, ERR_NONE);
    files_free(&fs);
}

/* Many more attempts than descriptors, taking turns. */
static void test_eviction(void **state)
{
    enum { LOGS = 20 };
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 3);
    struct sink_log logs[LOGS];
    struct load q;
    for (unsigned i = 0; i < LOGS; i++)
        sink_log_start(&logs[i], (uint8_t)(i + 1));
    for (unsigned n = 0; n < 10; n++)
        for (unsigned i = 0; i < LOGS; i++)
            append(fs, &logs[i], 100 + i);
    /* Some synced in the middle: clean ones are forgotten when their turn is over. */
    assert_int_equal(files_sync(fs, 1, 7, NULL), 1);
    for (unsigned i = 0; i < LOGS; i++)
        append(fs, &logs[i], 50);
    assert_int_equal(files_sync(fs, 0, 100, NULL), 0);
    assert_non_null(files_dirty(fs));
    assert_int_equal(files_sync(fs, 1, 100, NULL), 0);
    assert_null(files_dirty(fs));
    for (unsigned i = 0; i < LOGS; i++) {
        verify(fs, &q, &logs[i].key);
        assert_true(sink_is_same(&q.at, &logs[i].at));
        sink_log_fini(&logs[i]);
    }
    files_free(&fs);
}

static void test_ranges(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct read r;
    sink_log_start(&l, 3);
    static const size_t sizes[] = { 10, 0, 1, 300, 0, 7, CHAIN_DATA_MAX, 5, 0 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        append(fs, &l, sizes[i]);
    for (uint64_t offset = 0; offset <= l.bytes.len + 1; offset += offset < 330 || offset > 65800 ? 1 : 997) {
        for (uint64_t limit = 0; limit < 700; limit += 1 + limit * 3) {
            uint64_t rest = offset < l.bytes.len ? l.bytes.len - offset : 0;
            range(fs, &r, &l.key, offset, limit);
            assert_int_equal(r.why.kind, ERR_NONE);
            assert_int_equal(r.durable, l.bytes.len);
            assert_int_equal(r.data.len, rest < limit ? rest : limit);
            if (r.data.len > 0)
                assert_memory_equal(r.data.data, l.bytes.data + offset, r.data.len);
            buf_fini(&r.data);
        }
    }
    for (size_t i = 0; i < 8; i++)
        append(fs, &l, CHAIN_DATA_MAX);
    range(fs, &r, &l.key, 5, 1 << 20);
    assert_int_equal(r.data.len, RANGE_MAX);
    assert_memory_equal(r.data.data, l.bytes.data + 5, RANGE_MAX);
    buf_fini(&r.data);
    files_free(&fs);
    sink_log_fini(&l);
}

static void test_seals(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l, empty;
    struct load q;
    struct read r;
    sink_log_start(&l, 4);
    sink_log_start(&empty, 5);
    append(fs, &l, 100);
    seal(fs, &l, SEAL_COMPLETE);
    seal(fs, &empty, SEAL_GAP);
    assert_int_equal(files_sync(fs, 1, 10, NULL), 0);
    files_free(&fs);
    fs = files_new(d->fd, 4);
    verify(fs, &q, &l.key);
    assert_int_equal(q.seal.state, SEAL_COMPLETE);
    assert_int_equal(q.seal.lines, position_lines(&l.at));
    assert_int_equal(q.at.seq, 1);
    assert_int_equal(q.at.bytes, 100);
    range(fs, &r, &l.key, 90, 100);
    assert_int_equal(r.state, SEAL_COMPLETE);
    assert_int_equal(r.data.len, 10);
    buf_fini(&r.data);
    range(fs, &r, &empty.key, 0, 100);
    assert_false(r.is_absent);
    assert_int_equal(r.state, SEAL_GAP);
    assert_int_equal(r.durable, 0);
    files_free(&fs);
    sink_log_fini(&l);
}

/* Reads the log from its beginning as a viewer does, answer by answer, and compares. Returns how many bytes were
 * missing, in how many gaps. */
static uint64_t read_all(struct files *fs, const struct sink_log *l, unsigned *gaps_r)
{
    struct read r;
    uint64_t at = 0, missing = 0;
    *gaps_r = 0;
    while (at < l->bytes.len) {
        range(fs, &r, &l->key, at, 1 << 20);
        assert_int_equal(r.durable, l->bytes.len);
        if (r.gap_to > 0) {
            assert_int_equal(r.data.len, 0);
            assert_true(r.why.text[0] != '\0');
            assert_true(r.gap_to > at && r.gap_to <= l->bytes.len);
            missing += r.gap_to - at;
            ++*gaps_r;
            at = r.gap_to;
        } else {
            assert_true(r.data.len > 0);
            assert_memory_equal(r.data.data, l->bytes.data + at, r.data.len);
            at += r.data.len;
        }
        buf_fini(&r.data);
    }
    return missing;
}

/* One bit, anywhere in N.log or in the records of N.chunks: exactly that chunk is a gap, and the log goes on. */
static void check_flipped(struct sink_dir *d, struct sink_log *l, const char *suffix, size_t offset)
{
    char path[FILE_PATH_SIZE];
    struct load q;
    unsigned gaps;
    bool is_last_record = strcmp(suffix, "chunks") == 0 && offset >= 4 * CHUNK_RECORD_SIZE;
    struct files *fs = files_new(d->fd, 4);
    file_path(&l->key, suffix, path);
    sink_file_flip(d, path, offset);
    verify(fs, &q, &l->key);
    assert_true(q.is_damaged);
    assert_true(q.at.is_broken || is_last_record);
    assert_int_equal(q.at.seq, is_last_record ? 3 : 4);
    assert_true(is_last_record || memcmp(&q.at.head, &l->at.head, sizeof(l->at.head)) == 0);
    assert_int_equal(read_all(fs, l, &gaps), 20);
    assert_int_equal(gaps, 1);
    files_free(&fs);
    sink_file_flip(d, path, offset);
}

static void test_damage_is_a_gap(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    sink_log_start(&l, 6);
    for (unsigned i = 0; i < 4; i++)
        append(fs, &l, 20);
    files_free(&fs);
    for (size_t i = 0; i < 80; i++)
        check_flipped(d, &l, "log", i);
    for (size_t i = CHUNK_RECORD_SIZE; i < 5 * CHUNK_RECORD_SIZE; i++)
        check_flipped(d, &l, "chunks", i);
    sink_log_fini(&l);
}

/* Neighbours that are damaged are told as one gap; reads of a byte here and there see the same. */
static void test_damaged_neighbours(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct read r;
    char path[FILE_PATH_SIZE];
    unsigned gaps;
    sink_log_start(&l, 6);
    for (unsigned i = 0; i < 300; i++)
        append(fs, &l, 50);
    files_free(&fs);
    file_path(&l.key, "log", path);
    for (unsigned i = 100; i < 200; i++)
        sink_file_flip(d, path, i * 50 + i % 50);
    fs = files_new(d->fd, 4);
    assert_int_equal(read_all(fs, &l, &gaps), 5000);
    assert_int_equal(gaps, 1);
    for (uint64_t at = 4950; at < 10010; at += 13) {
        range(fs, &r, &l.key, at, 1);
        bool is_there = at < 5000 || at >= 10000;
        assert_int_equal(r.data.len, is_there);
        assert_int_equal(r.gap_to, is_there ? 0 : 10000);
        buf_fini(&r.data);
    }
    files_free(&fs);
    sink_log_fini(&l);
}

/* N.log gone or cut, N.chunks cut: what is left is served, the rest is told. */
static void test_missing_and_cut_files(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct load q;
    struct read r;
    char path[FILE_PATH_SIZE];
    unsigned gaps;
    sink_log_start(&l, 6);
    for (unsigned i = 0; i < 10; i++)
        append(fs, &l, 100);
    files_free(&fs);
    file_path(&l.key, "log", path);
    assert_int_equal(sink_file_cut(d, path, 450), 0);
    fs = files_new(d->fd, 4);
    assert_int_equal(read_all(fs, &l, &gaps), 600);
    assert_int_equal(gaps, 1);
    files_free(&fs);
    assert_int_equal(unlinkat(d->fd, path, 0), 0);
    fs = files_new(d->fd, 4);
    assert_int_equal(read_all(fs, &l, &gaps), 1000);
    assert_int_equal(gaps, 1);
    verify(fs, &q, &l.key);
    assert_true(q.at.is_broken && q.is_damaged);
    assert_int_equal(q.at.seq, 10);
    /* It goes on all the same. */
    append(fs, &l, 100);
    assert_int_equal(read_all(fs, &l, &gaps), 1000);
    seal(fs, &l, SEAL_GAP);
    files_free(&fs);
    file_path(&l.key, "chunks", path);
    assert_int_equal(unlinkat(d->fd, path, 0), 0);
    fs = files_new(d->fd, 4);
    range(fs, &r, &l.key, 10, 100);
    assert_int_equal(r.gap_to, 1100);
    assert_int_equal(r.state, SEAL_GAP);
    files_free(&fs);
    sink_log_fini(&l);
}

/* The files are deleted under a sink that writes: it goes on, and what is gone is a gap. */
static void test_deleted_while_written(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 1);
    struct sink_log l, other;
    char path[FILE_PATH_SIZE];
    unsigned gaps;
    sink_log_start(&l, 6);
    sink_log_start(&other, 7);
    append(fs, &l, 100);
    assert_int_equal(files_sync(fs, 1, 10, NULL), 0);
    append(fs, &other, 100); /* the only descriptors there are */
    file_path(&l.key, "log", path);
    assert_int_equal(unlinkat(d->fd, path, 0), 0);
    file_path(&l.key, "chunks", path);
    assert_int_equal(unlinkat(d->fd, path, 0), 0);
    append(fs, &l, 100);
    append(fs, &l, 100);
    assert_int_equal(read_all(fs, &l, &gaps), 100);
    assert_int_equal(gaps, 1);
    files_free(&fs);
    sink_log_fini(&l);
    sink_log_fini(&other);
}

/* The seal is damaged: the log is readable all the same, as one that has an end. */
static void test_damaged_seal(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct load q;
    struct read r;
    char path[FILE_PATH_SIZE];
    sink_log_start(&l, 6);
    append(fs, &l, 100);
    seal(fs, &l, SEAL_COMPLETE);
    file_path(&l.key, "seal", path);
    sink_file_flip(d, path, 70);
    range(fs, &r, &l.key, 0, 100);
    assert_int_equal(r.data.len, 100);
    assert_int_equal(r.state, SEAL_GAP);
    buf_fini(&r.data);
    verify(fs, &q, &l.key);
    assert_int_equal(q.seal.state, SEAL_OPEN);
    assert_true(sink_is_same(&q.at, &l.at));
    files_free(&fs);
    sink_log_fini(&l);
}

static void test_damaged_header_and_newer_version(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    struct load q;
    char path[FILE_PATH_SIZE];
    uint8_t header[CHUNK_RECORD_SIZE];
    sink_log_start(&l, 8);
    append(fs, &l, 20);
    files_free(&fs);
    file_path(&l.key, "chunks", path);
    sink_file_flip(d, path, 20);
    fs = files_new(d->fd, 4);
    verify(fs, &q, &l.key);
    assert_int_equal(q.why.kind, ERR_NONE);
    assert_int_equal(q.at.seq, 1);
    files_free(&fs);
    chunk_header_encode(&l.key, CHUNK_VERSION, header);
    header[8] = CHUNK_VERSION + 1;
    uint32_t crc = hash_crc32c(0, header, 60);
    memcpy(header + 60, &crc, 4);
    sink_file_write(d, path, header, sizeof(header));
    fs = files_new(d->fd, 4);
    verify(fs, &q, &l.key);
    assert_int_equal(q.why.kind, ERR_CONFLICT);
    assert_false(q.is_damaged);
    assert_non_null(strstr(q.why.text, "1.chunks"));
    files_free(&fs);
    sink_log_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grows_and_verifies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_eviction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_is_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_neighbours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_and_cut_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_while_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_header_and_newer_version, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
