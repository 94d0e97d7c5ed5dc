/* journal.c - group commit. Given chunks from the loop; writes DIR/journal; tells the loop what is durable.
 *
 * Implements ARCHITECTURE "Log format" and "Processes" (orion-logsink). */
#include "logsink/journal.h"

#include <pthread.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/segment.h"
#include "logsink/thread.h"

#define JOURNAL_IOV_MAX 1024   /* Linux's IOV_MAX */

struct journal {
    pthread_t thread;
    int dir_fd;
    uint64_t segment_bytes;
    struct mailbox *in;     /* chunks */
    struct mailbox *done;   /* the loop's */
    struct segment segment;
    uint32_t refused_round;   /* chunks up to it are refused; rounds begin at 1 */
    bool is_broken;
};

static int rotate(struct journal *j, struct err *e)
{
    if (j->segment.fd >= 0 && j->segment.size < j->segment_bytes)
        return 0;
    uint64_t number = j->segment.number + 1;
    segment_close(&j->segment);
    if (segment_create(&j->segment, j->dir_fd, number, e) == 0)
        return 0;
    j->segment.number = number - 1; /* the next try takes the same name */
    return -1;
}

/* One writev's worth of chunks from *c on. */
static int write_some(struct journal *j, struct chunk **c, struct err *e)
{
    struct iovec iov[JOURNAL_IOV_MAX];
    int n = 0;
    size_t len = 0;
    for (; *c && n < JOURNAL_IOV_MAX; *c = (*c)->next) {
        size_t size = chunk_size(*c);
        journal_record_encode(&(*c)->record, (*c)->bytes);
        (*c)->segment = j->segment.number;
        iov[n++] = (struct iovec){ (*c)->bytes, size };
        len += size;
    }
    return segment_append(&j->segment, iov, n, len, e);
}

/* All or nothing: a batch of which only a part fits is taken back. */
static int write_batch(struct journal *j, struct batch *b, struct err *e)
{
    if (rotate(j, e))
        return -1;
    uint64_t start = j->segment.size;
    for (struct chunk *c = b->first; c;) {
        if (write_some(j, &c, e) == 0)
            continue;
        if (segment_cut(&j->segment, start) && e)
            e->kind = ERR_SYSTEM;
        return -1;
    }
    return segment_sync(&j->segment, e);
}

static void fail(struct journal *j, const struct err *why)
{
    j->is_broken = true;
    mailbox_push(j->done, &fault_new(why)->job.item);
}

static void refuse(struct journal *j, struct batch *b)
{
    for (const struct chunk *c = b->first; c; c = c->next)
        if (c->round > j->refused_round)
            j->refused_round = c->round;
    b->state = BATCH_REFUSED;
    b->round = j->refused_round;
}

/* Chunks of a refused round and of a good one never share a batch: rounds come in order, so the list is split once. */
static struct batch *gather(struct journal *j, struct mail **items)
{
    struct batch *b = batch_new(BATCH_DURABLE);
    bool is_late = ((struct chunk *)*items)->round <= j->refused_round;
    while (*items && (((struct chunk *)*items)->round <= j->refused_round) == is_late) {
        struct chunk *c = (struct chunk *)*items;
        *items = (*items)->next;
        c->next = NULL;
        *b->end = c;
        b->end = &c->next;
    }
    if (is_late)
        refuse(j, b);
    return b;
}

static void commit(struct journal *j, struct batch *b)
{
    struct err e = { 0 };
    if (b->state == BATCH_DURABLE && !j->is_broken && write_batch(j, b, &e)) {
        if (e.kind != ERR_UNAVAILABLE)
            fail(j, &e);
        b->why = e;
        refuse(j, b);
    } else if (j->is_broken) {
        refuse(j, b);
    }
    mailbox_push(j->done, &b->job.item);
}

static void *journal_main(void *arg)
{
    struct journal *j = arg;
    for (struct mail *items; (items = mailbox_wait(j->in, -1));) {
        while (items)
            commit(j, gather(j, &items));
    }
    return NULL;
}

struct journal *journal_open(int dir_fd, uint64_t number, uint64_t segment_bytes, struct mailbox *done, struct err *e)
{
    struct journal *j = mem_zalloc(sizeof(*j));
    j->dir_fd = dir_fd;
    j->segment_bytes = segment_bytes;
    j->done = done;
    if (segment_create(&j->segment, dir_fd, number, e)) {
        mem_free(&j);
        return NULL;
    }
    j->in = mailbox_new(false);
    thread_start(&j->thread, journal_main, j);
    return j;
}

void journal_push(struct journal *j, struct chunk *c)
{
    mailbox_push(j->in, &c->item);
}

void journal_close(struct journal **j)
{
    if (!*j)
        return;
    mailbox_close((*j)->in);
    pthread_join((*j)->thread, NULL);
    mailbox_free(&(*j)->in);
    segment_close(&(*j)->segment);
    mem_free(j);
}
