/* test_log_files.c - an attempt's files: what was appended reads back, verifies and seals, with few descriptors and
 * after being opened again; damage of any byte is found, never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

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
    struct file *f = files_get(fs, &l->key, true, NULL);
    assert_non_null(f);
    assert_int_equal(files_append(fs, f, &c->record, 1, NULL), 0);
    chunk_free(&c);
}

static void seal(struct files *fs, const struct sink_log *l, enum seal_state state)
{
    uint8_t bytes[SEAL_SIZE];
    const struct seal s = { .state = state, .chunks = l->at.seq, .bytes = l->at.bytes,
                            .lines = position_lines(&l->at), .head = l->at.head };
    seal_encode(&s, &l->key, bytes);
    assert_int_equal(files_seal(fs, &l->key, bytes, 1, NULL), 0);
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

/* One bit, anywhere in N.log or in the records of N.chunks: no reader gets a wrong byte, and ingest goes on from the
 * last chunk before it. */
static void check_flipped(struct sink_dir *d, struct sink_log *l, const char *suffix, size_t offset, uint64_t good)
{
    char path[FILE_PATH_SIZE];
    struct load q;
    struct read r;
    struct files *fs = files_new(d->fd, 4);
    file_path(&l->key, suffix, path);
    sink_file_flip(d, path, offset);
    verify(fs, &q, &l->key);
    assert_true(q.is_damaged);
    assert_int_equal(q.at.seq, good);
    for (uint64_t at = 0; at < l->bytes.len; at += 9) {
        range(fs, &r, &l->key, at, 9);
        assert_true(r.data.len == 0 || memcmp(r.data.data, l->bytes.data + at, r.data.len) == 0);
        assert_true(r.why.kind != ERR_NONE || r.data.len > 0 || r.durable <= at);
        buf_fini(&r.data);
    }
    files_free(&fs);
    sink_file_flip(d, path, offset);
}

static void test_damage_is_found(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l;
    sink_log_start(&l, 6);
    for (unsigned i = 0; i < 4; i++)
        append(fs, &l, 20);
    files_free(&fs);
    for (size_t i = 0; i < 80; i++)
        check_flipped(d, &l, "log", i, i / 20);
    for (size_t i = CHUNK_RECORD_SIZE; i < 5 * CHUNK_RECORD_SIZE; i++)
        if (i % CHUNK_RECORD_SIZE < 56) /* behind it nothing is stored yet */
            check_flipped(d, &l, "chunks", i, i / CHUNK_RECORD_SIZE - 1);
    sink_log_fini(&l);
}

static void test_goes_on_where_it_is_good(void **state)
{
    struct sink_dir *d = *state;
    struct files *fs = files_new(d->fd, 4);
    struct sink_log l, again;
    struct load q;
    char path[FILE_PATH_SIZE];
    sink_log_start(&l, 6);
    sink_log_start(&again, 6);
    for (unsigned i = 0; i < 4; i++)
        append(fs, &l, 20);
    files_free(&fs);
    file_path(&l.key, "log", path);
    sink_file_flip(d, path, 45);
    fs = files_new(d->fd, 4);
    verify(fs, &q, &l.key);
    assert_int_equal(q.at.seq, 2);
    for (unsigned i = 0; i < 4; i++) {
        struct chunk *c = sink_log_chunk(&again, 20);
        struct file *f = files_get(fs, &l.key, true, NULL);
        if (c->record.chunk.seq > 2)
            assert_int_equal(files_append(fs, f, &c->record, 1, NULL), 0);
        chunk_free(&c);
    }
    verify(fs, &q, &l.key);
    assert_false(q.is_damaged);
    assert_true(sink_is_same(&q.at, &l.at));
    files_free(&fs);
    sink_log_fini(&l);
    sink_log_fini(&again);
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
    chunk_header_encode(&l.key, header);
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
        cmocka_unit_test_setup_teardown(test_damage_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_on_where_it_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_header_and_newer_version, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
