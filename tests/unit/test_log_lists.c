/* test_log_lists.c - log.list: chunks by number, offset and time are found with any of the records damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/mem.h"
#include "logsink/file_index.h"
#include "logsink/file_path.h"
#include "logsink/files.h"
#include "logsink/range.h"
#include "tests/unit/sink_fixture.h"

#define CHUNKS 500

struct rig {
    struct sink_dir dir;
    struct files *fs;
    struct sink_log log;
    struct chain_chunk chunks[CHUNKS + 1];   /* by number */
    struct hash heads[CHUNKS + 1];
    bool is_bad[CHUNKS + 1];
};

static int setup(void **state)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    sink_dir_make(&r->dir);
    r->fs = files_new(r->dir.fd, 4);
    sink_log_start(&r->log, 7);
    for (unsigned i = 1; i <= CHUNKS; i++) {
        struct chunk *c = sink_log_chunk(&r->log, i % 7 == 0 ? 0 : 10 + i % 5);
        assert_int_equal(files_store(r->fs, &c->record, 1, NULL), 0);
        r->chunks[i] = c->record.chunk;
        r->heads[i] = c->record.head;
        chunk_free(&c);
    }
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

static struct read list(struct rig *r, enum read_from from, uint64_t value, uint64_t limit)
{
    struct buf scratch = { 0 };
    struct read q = { .key = r->log.key, .what = READ_CHUNKS, .from = from, .offset = value, .limit = limit };
    range_read(r->fs, &q, &scratch);
    buf_fini(&scratch);
    return q;
}

/* The number of the first good chunk that is `value` or more. */
static unsigned want(const struct rig *r, enum read_from from, uint64_t value)
{
    for (unsigned i = 1; i <= CHUNKS; i++) {
        const struct chain_chunk *c = &r->chunks[i];
        uint64_t has = from == READ_FROM_SEQ ? c->seq : from == READ_FROM_TIME ? c->time_ns : c->offset + c->length - 1;
        if (!r->is_bad[i] && has >= value && !(from == READ_FROM_OFFSET && c->offset + c->length == 0))
            return i;
    }
    return CHUNKS + 1;
}

static void check(struct rig *r, enum read_from from, uint64_t value)
{
    struct read q = list(r, from, value, 3);
    const struct chunk_record *got = (const struct chunk_record *)q.data.data;
    size_t n = q.data.len / sizeof(*got);
    unsigned next = want(r, from, value);
    assert_int_equal(q.durable, CHUNKS);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got[i].chunk.seq, next);
        assert_memory_equal(&got[i].head, &r->heads[next], sizeof(struct hash));
        while (++next <= CHUNKS && r->is_bad[next])
            ;
    }
    assert_true(n == 3 || next == CHUNKS + 1);
    buf_fini(&q.data);
}

static void check_all(struct rig *r)
{
    for (uint64_t v = 1; v < CHUNKS + 3; v++)
        check(r, READ_FROM_SEQ, v);
    for (uint64_t v = 0; v < r->log.bytes.len + 3; v += 3)
        check(r, READ_FROM_OFFSET, v);
    for (uint64_t v = 0; v < (CHUNKS + 2) * 1000; v += 500)
        check(r, READ_FROM_TIME, v);
}

static void test_whole(void **state)
{
    check_all(*state);
}

static void damage(struct rig *r, unsigned first, unsigned last)
{
    char path[FILE_PATH_SIZE];
    file_path(&r->log.key, "chunks", path);
    for (unsigned i = first; i <= last; i++) {
        if (!r->is_bad[i])
            sink_file_flip(&r->dir, path, i * CHUNK_RECORD_SIZE + i % CHUNK_RECORD_SIZE);
        r->is_bad[i] = true;
    }
}

static void test_damaged(void **state)
{
    struct rig *r = *state;
    damage(r, 1, 3);
    damage(r, 60, 140);
    damage(r, 249, 252);
    for (unsigned i = 300; i < 400; i += 2)
        damage(r, i, i);
    check_all(r);
    for (unsigned i = 400; i < 490; i += 1 + i % 3)
        damage(r, i, i);
    check_all(r);
}

static void test_bases_in_lists(void **state)
{
    struct rig *r = *state;
    struct read q;
    struct chunk *c = sink_log_base(&r->log, 10, 100, "lost, and a reason that takes more than one record to say");
    assert_int_equal(files_store(r->fs, &c->record, 1, NULL), 0);
    chunk_free(&c);
    for (unsigned i = 0; i < 2; i++) {
        c = sink_log_chunk(&r->log, 10);
        assert_int_equal(files_store(r->fs, &c->record, 1, NULL), 0);
        chunk_free(&c);
    }
    /* From the hole, from the chunk in front, and from the one behind: the base comes with it. */
    static const struct {
        uint64_t seq;
        unsigned n;
    } rows[] = { { CHUNKS, 4 }, { CHUNKS + 1, 3 }, { CHUNKS + 10, 3 }, { CHUNKS + 11, 3 }, { CHUNKS + 12, 1 } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        q = list(r, READ_FROM_SEQ, rows[i].seq, 100);
        const struct chunk_record *got = (const struct chunk_record *)q.data.data;
        assert_int_equal(q.data.len / sizeof(*got), rows[i].n);
        unsigned base = rows[i].n == 4;
        if (rows[i].n >= 3) {
            assert_true(chunk_record_is_base(&got[base]));
            assert_int_equal(got[base].chunk.seq, CHUNKS + 10);
            assert_int_equal(got[base + 1].chunk.seq, CHUNKS + 11);
        }
        buf_fini(&q.data);
    }
    /* One at a time gets to the end all the same. */
    uint64_t seq = CHUNKS;
    for (unsigned n = 0; n < 10 && seq <= CHUNKS + 12; n++) {
        q = list(r, READ_FROM_SEQ, seq, 1);
        const struct chunk_record *got = (const struct chunk_record *)q.data.data;
        assert_true(q.data.len >= sizeof(*got));
        uint64_t last = got[q.data.len / sizeof(*got) - 1].chunk.seq;
        assert_true(last >= seq);
        seq = last + 1;
        buf_fini(&q.data);
    }
    assert_int_equal(seq, CHUNKS + 13);
    q = list(r, READ_FROM_OFFSET, r->log.bytes.len - 50, 100);
    assert_true(chunk_record_is_base((const struct chunk_record *)q.data.data));
    buf_fini(&q.data);
    q = list(r, READ_FROM_SEQ, 1, 5000);
    assert_true(q.data.len / sizeof(struct chunk_record) <= 1024);
    buf_fini(&q.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bases_in_lists, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
