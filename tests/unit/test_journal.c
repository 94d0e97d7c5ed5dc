/* test_journal.c - the journal: what is handed over is on the disk and reads back; a torn end at any byte and a
 * flipped bit anywhere cost what stands behind them, never a wrong byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <signal.h>

#include "lib/mem.h"
#include "logsink/journal.h"
#include "logsink/segment.h"
#include "tests/unit/sink_fixture.h"

#define FIRST "journal/0000000001.j"

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

/* Takes jobs until `chunks` chunks came back; their states must all be `want`. */
static void expect(struct mailbox *done, enum batch_state want, unsigned chunks)
{
    while (chunks > 0) {
        struct mail *i = mailbox_wait(done, 10000);
        assert_non_null(i);
        for (struct mail *next; i; i = next) {
            struct batch *b = (struct batch *)i;
            next = i->next;
            assert_int_equal(b->job.kind, JOB_BATCH);
            assert_int_equal(b->state, want);
            for (struct chunk *c = b->first; c; c = c->next)
                chunks--;
            batch_free(&b);
        }
    }
}

struct seen {
    unsigned n;
    uint64_t bytes;
    const struct sink_log *log;
};

static int see(void *arg, const struct journal_record *r, struct err *e)
{
    struct seen *s = arg;
    (void)e;
    s->n++;
    assert_int_equal(r->kind, JOURNAL_CHUNK);
    assert_int_equal(r->chunk.seq, s->n);
    assert_int_equal(r->chunk.offset, s->bytes);
    assert_memory_equal(r->data, s->log->bytes.data + s->bytes, r->chunk.length);
    s->bytes += r->chunk.length;
    return 0;
}

/* A segment with chunks of these sizes, written by the thread. */
static void write_log(struct sink_dir *d, struct sink_log *l, const size_t *sizes, size_t n)
{
    struct mailbox *done = mailbox_new(false);
    struct journal *j = journal_open(d->fd, 1, JOURNAL_SEGMENT_BYTES, done, NULL);
    assert_non_null(j);
    sink_log_start(l, 7);
    for (size_t i = 0; i < n; i++)
        journal_push(j, sink_log_chunk(l, sizes[i]));
    expect(done, BATCH_DURABLE, (unsigned)n);
    journal_close(&j);
    mailbox_free(&done);
}

static void test_append_and_read(void **state)
{
    struct sink_dir *d = *state;
    struct sink_log l;
    struct segment_end end;
    struct seen s = { .log = &l };
    size_t sizes[3000];
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        sizes[i] = i * 37 % 900;
    sizes[2000] = CHAIN_DATA_MAX;
    write_log(d, &l, sizes, ARRAY_LEN(sizes));
    assert_int_equal(segment_read(d->fd, 1, see, &s, &end, NULL), 0);
    assert_int_equal(s.n, ARRAY_LEN(sizes));
    assert_int_equal(s.bytes, l.bytes.len);
    assert_int_equal(end.good, end.size);
    assert_false(end.is_header_bad);
    sink_log_fini(&l);
}

/* Where each of the records ends. */
static size_t record_end(const size_t *sizes, size_t n)
{
    size_t at = JOURNAL_HEADER_SIZE;
    for (size_t i = 0; i < n; i++)
        at += JOURNAL_RECORD_SIZE + sizes[i];
    return at;
}

static void test_torn_at_every_byte(void **state)
{
    struct sink_dir *d = *state;
    static const size_t sizes[] = { 5, 0, 130, 1, 40 };
    struct sink_log l;
    size_t len;
    write_log(d, &l, sizes, ARRAY_LEN(sizes));
    char *whole = sink_file(d, FIRST, &len);
    assert_int_equal(len, record_end(sizes, ARRAY_LEN(sizes)));
    for (size_t cut = 0; cut <= len; cut++) {
        struct seen s = { .log = &l };
        struct segment_end end;
        unsigned want = 0;
        while (want < ARRAY_LEN(sizes) && record_end(sizes, want + 1) <= cut)
            want++;
        sink_file_write(d, FIRST, whole, cut);
        assert_int_equal(segment_read(d->fd, 1, see, &s, &end, NULL), 0);
        assert_int_equal(s.n, want);
        assert_int_equal(end.size, cut);
        assert_int_equal(end.good, cut < JOURNAL_HEADER_SIZE ? cut : record_end(sizes, want));
        assert_int_equal(end.is_header_bad, cut < JOURNAL_HEADER_SIZE);
    }
    mem_free(&whole);
    sink_log_fini(&l);
}

static void test_every_flipped_bit_is_found(void **state)
{
    struct sink_dir *d = *state;
    static const size_t sizes[] = { 20, 3, 50 };
    struct sink_log l;
    size_t len;
    write_log(d, &l, sizes, ARRAY_LEN(sizes));
    char *whole = sink_file(d, FIRST, &len);
    for (size_t bit = JOURNAL_HEADER_SIZE * 8; bit < len * 8; bit++) {
        struct seen s = { .log = &l };
        struct segment_end end;
        unsigned want = 0;
        while (record_end(sizes, want + 1) <= bit / 8)
            want++;
        whole[bit / 8] ^= (char)(1 << bit % 8);
        sink_file_write(d, FIRST, whole, len);
        whole[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(segment_read(d->fd, 1, see, &s, &end, NULL), 0);
        assert_int_equal(s.n, want);
    }
    mem_free(&whole);
    sink_log_fini(&l);
}

static void test_damaged_header_loses_nothing(void **state)
{
    struct sink_dir *d = *state;
    static const size_t sizes[] = { 20, 3 };
    struct sink_log l;
    struct segment_end end;
    struct seen s = { .log = &l };
    write_log(d, &l, sizes, ARRAY_LEN(sizes));
    sink_file_flip(d, FIRST, 17);
    assert_int_equal(segment_read(d->fd, 1, see, &s, &end, NULL), 0);
    assert_true(end.is_header_bad);
    assert_int_equal(s.n, 2);
    sink_log_fini(&l);
}

static void test_newer_version_is_refused_by_name(void **state)
{
    struct sink_dir *d = *state;
    uint8_t header[JOURNAL_HEADER_SIZE];
    struct segment_end end;
    struct err e = { 0 };
    journal_header_encode(1, header);
    header[8] = JOURNAL_VERSION + 1;
    uint32_t crc = hash_crc32c(0, header, 28);
    memcpy(header + 28, &crc, 4);
    sink_file_write(d, FIRST, header, sizeof(header));
    assert_int_equal(segment_read(d->fd, 1, see, NULL, &end, &e), -1);
    assert_non_null(strstr(e.text, FIRST));
    assert_non_null(strstr(e.text, "newer"));
}

static void test_rotation(void **state)
{
    struct sink_dir *d = *state;
    struct mailbox *done = mailbox_new(false);
    struct journal *j = journal_open(d->fd, 1, 1000, done, NULL);
    struct sink_log l;
    sink_log_start(&l, 1);
    for (unsigned i = 0; i < 10; i++) {
        journal_push(j, sink_log_chunk(&l, 500));
        expect(done, BATCH_DURABLE, 1);
    }
    journal_close(&j);
    mailbox_free(&done);
    assert_int_equal(sink_count_segments(d), 5);
    sink_log_fini(&l);
}

/* A file size limit is as good as a full disk, except for its errno: so this checks the other kind of failure. */
static void test_a_write_that_fails_is_a_fault(void **state)
{
    struct sink_dir *d = *state;
    struct mailbox *done = mailbox_new(false);
    struct journal *j = journal_open(d->fd, 1, JOURNAL_SEGMENT_BYTES, done, NULL);
    struct rlimit old, small;
    struct sink_log l;
    sink_log_start(&l, 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    journal_push(j, sink_log_chunk(&l, 5000));
    struct mail *i = mailbox_wait(done, 10000);
    journal_close(&j);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_non_null(i);
    struct job *fault = (struct job *)i, *batch = (struct job *)(i->next ? i->next : mailbox_take(done));
    assert_int_equal(fault->kind, JOB_FAULT);
    assert_int_equal(batch->kind, JOB_BATCH);
    assert_int_equal(((struct batch *)batch)->state, BATCH_REFUSED);
    job_free(&fault);
    job_free(&batch);
    mailbox_free(&done);
    sink_log_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_flipped_bit_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_header_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_version_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_write_that_fails_is_a_fault, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
