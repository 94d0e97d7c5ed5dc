/* test_store.c - the journal's and the store's threads together: durable chunks end up in the files, questions are
 * answered between writes, and a journal segment goes when its files are synced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/mem.h"
#include "logsink/journal.h"
#include "logsink/store.h"
#include "tests/unit/sink_fixture.h"

struct rig {
    struct sink_dir dir;
    struct mailbox *done;
    struct journal *journal;
    struct store *store;
    unsigned stored;     /* chunks */
    struct read *read;   /* the last answers */
    struct load *load;
};

static const struct keep_settings nothing = { .compress = 0 };

static int setup(void **state)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    sink_dir_make(&r->dir);
    r->done = mailbox_new(true);
    r->journal = journal_open(r->dir.fd, 1, 20000, r->done, NULL);
    const struct store_spec spec = { .dir_fd = r->dir.fd, .files = files_new(r->dir.fd, 3), .first_segment = 1,
                                     .done = r->done, .keep = &nothing, .sink_name = "sink-1" };
    r->store = store_open(&spec, NULL);
    *state = r;
    return 0;
}

static void take(struct rig *r, struct job *j)
{
    assert_int_not_equal(j->kind, JOB_FAULT);
    if (j->kind == JOB_READ) {
        r->read = (struct read *)j;
    } else if (j->kind == JOB_LOAD) {
        r->load = (struct load *)j;
    } else if (((struct batch *)j)->state == BATCH_DURABLE) {
        store_push(r->store, j);
    } else {
        struct batch *b = (struct batch *)j;
        assert_int_equal(b->state, BATCH_STORED);
        for (struct chunk *c = b->first; c; c = c->next)
            r->stored++;
        batch_free(&b);
    }
}

/* What the event loop does. */
static void turn(struct rig *r)
{
    struct mail *i = mailbox_wait(r->done, 10000);
    assert_non_null(i);
    for (struct mail *next; i; i = next) {
        next = i->next;
        take(r, (struct job *)i);
    }
}

static int teardown(void **state)
{
    struct rig *r = *state;
    journal_close(&r->journal);
    store_close(&r->store);
    for (struct mail *i = mailbox_take(r->done), *next; i; i = next) {
        next = i->next;
        struct job *j = (struct job *)i;
        job_free(&j);
    }
    mailbox_free(&r->done);
    sink_dir_remove(&r->dir);
    mem_free(state);
    return 0;
}

static struct read *ask_range(struct rig *r, const struct log_key *key, uint64_t offset, uint64_t limit)
{
    struct read *q = mem_zalloc(sizeof(*q));
    *q = (struct read){ .job.kind = JOB_READ, .key = *key, .offset = offset, .limit = limit };
    store_push(r->store, &q->job);
    for (r->read = NULL; !r->read;)
        turn(r);
    return r->read;
}

static struct load *ask_end(struct rig *r, const struct log_key *key)
{
    struct load *q = mem_zalloc(sizeof(*q));
    q->job.kind = JOB_LOAD;
    q->key = *key;
    store_push(r->store, &q->job);
    for (r->load = NULL; !r->load;)
        turn(r);
    return r->load;
}

static void test_chunks_reach_the_files(void **state)
{
    enum { LOGS = 8, ROUNDS = 200 };
    struct rig *r = *state;
    struct sink_log logs[LOGS];
    for (unsigned i = 0; i < LOGS; i++)
        sink_log_start(&logs[i], (uint8_t)(i + 1));
    for (unsigned n = 0; n < ROUNDS; n++)
        for (unsigned i = 0; i < LOGS; i++)
            journal_push(r->journal, sink_log_chunk(&logs[i], 10 + n));
    while (r->stored < LOGS * ROUNDS)
        turn(r);
    for (unsigned i = 0; i < LOGS; i++) {
        struct read *q = ask_range(r, &logs[i].key, 0, 1 << 20);
        assert_int_equal(q->data.len, logs[i].bytes.len);
        assert_memory_equal(q->data.data, logs[i].bytes.data, q->data.len);
        read_free(&q);
        struct load *l = ask_end(r, &logs[i].key);
        assert_true(sink_is_same(&l->at, &logs[i].at));
        mem_free(&l);
        sink_log_fini(&logs[i]);
    }
}

/* A read that is asked for after a batch was handed over sees that batch. */
static void test_reads_see_what_was_told(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    sink_log_start(&l, 9);
    for (unsigned n = 0; n < 100; n++) {
        unsigned before = r->stored;
        journal_push(r->journal, sink_log_chunk(&l, 100));
        while (r->stored == before)
            turn(r);
        struct read *q = ask_range(r, &l.key, n * 100, 1000);
        assert_int_equal(q->data.len, 100);
        read_free(&q);
    }
    sink_log_fini(&l);
}

static void test_segments_are_deleted(void **state)
{
    enum { N = 400 };
    struct rig *r = *state;
    struct sink_log logs[5];
    for (unsigned i = 0; i < 5; i++)
        sink_log_start(&logs[i], (uint8_t)(i + 1));
    for (unsigned n = 0; n < N; n++) {
        journal_push(r->journal, sink_log_chunk(&logs[n % 5], 1000));
        while (r->stored <= n)
            turn(r);
    }
    /* An answer comes after the turn in which the last chunk was written; the syncs follow, a few in each turn. */
    for (unsigned n = 0; n < 1000 && sink_count_segments(&r->dir) > 1; n++) {
        struct read *q = ask_range(r, &logs[0].key, 0, 0);
        read_free(&q);
    }
    assert_int_equal(sink_count_segments(&r->dir), 1);
    for (unsigned i = 0; i < 5; i++)
        sink_log_fini(&logs[i]);
}

static void test_seal_through_the_journal(void **state)
{
    struct rig *r = *state;
    struct sink_log l;
    uint8_t bytes[SEAL_SIZE];
    sink_log_start(&l, 9);
    journal_push(r->journal, sink_log_chunk(&l, 100));
    const struct seal s = { .state = SEAL_COMPLETE, .chunks = 1, .bytes = 100, .lines = 15, .head = l.at.head };
    const struct journal_record record = { .kind = JOURNAL_SEAL, .key = l.key, .chunk = { .seq = 1, .offset = 100,
                                           .length = SEAL_SIZE }, .head = l.at.head, .data = bytes };
    seal_encode(&s, &l.key, bytes);
    struct chunk *c = chunk_new(&record);
    c->round = 1;
    journal_push(r->journal, c);
    while (r->stored < 2)
        turn(r);
    struct load *q = ask_end(r, &l.key);
    assert_int_equal(q->seal.state, SEAL_COMPLETE);
    assert_int_equal(q->seal.bytes, 100);
    mem_free(&q);
    sink_log_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chunks_reach_the_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reads_see_what_was_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments_are_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seal_through_the_journal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
