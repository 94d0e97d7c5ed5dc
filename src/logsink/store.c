/* store.c - the store's thread. Given jobs from the loop; changes DIR/log and deletes from DIR/journal. What becomes of
 * finished logs is keep.c's, called between writes.
 *
 * Implements ARCHITECTURE "Processes" (orion-logsink) and "Log format". */
#include "logsink/store.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/archive.h"
#include "logsink/range.h"
#include "logsink/segment.h"
#include "logsink/thread.h"
#include "logsink/verify.h"

#define STORE_QUESTIONS_MAX 16   /* checks' steps and reads in one turn */
#define STORE_SYNCS_MAX 4        /* files synced in one turn */
#define STORE_RETRY_MS 1000

struct jobs {
    struct mail *first, **end;
};

struct store {
    pthread_t thread;
    int dir_fd;
    struct files *files;
    struct keep *keep;
    struct archive *archive;     /* NULL: none */
    struct mailbox *in, *done;
    struct jobs batches;
    struct jobs questions;       /* loads and reads */
    struct jobs parked;          /* reads of bytes that wait for room on the disk */
    struct buf scratch;
    uint64_t oldest_segment;     /* the first that is not deleted */
    uint64_t newest_segment;     /* of the last chunk seen: the ones before are complete */
    uint64_t full_until_ms;      /* 0: the disk is not full */
    bool is_broken;
};

static void jobs_add(struct jobs *q, struct mail *i)
{
    i->next = NULL;
    *q->end = i;
    q->end = &i->next;
}

static struct mail *jobs_pop(struct jobs *q)
{
    struct mail *i = q->first;
    if (i) {
        q->first = i->next;
        if (!q->first)
            q->end = &q->first;
    }
    return i;
}

static void jobs_free(struct jobs *q)
{
    for (struct job *j; (j = (struct job *)jobs_pop(q));)
        job_free(&j);
}

static void fail(struct store *s, const struct err *why)
{
    s->is_broken = true;
    mailbox_push(s->done, &fault_new(why)->job.item);
}

/* --- writing ------------------------------------------------------------------------------------------- */

/* A log that was removed takes nothing any more, even if the loop does not know it yet. */
static bool is_removed(struct store *s, const struct log_key *key)
{
    struct seal seal;
    return !files_get(s->files, key, false, NULL) && files_seal_get(s->files, key, &seal, NULL) == 0 &&
           seal.removed != SEAL_KEPT;
}

static int write_chunk(struct store *s, const struct chunk *c, struct err *e)
{
    const struct journal_record *r = &c->record;
    if (r->kind != JOURNAL_SEAL && is_removed(s, &r->key))
        return 0;
    if (files_store(s->files, r, c->segment, e))
        return -1;
    if (r->kind == JOURNAL_SEAL)
        keep_sealed(s->keep, &r->key);
    return 0;
}

/* -1: the disk is full, or the store is broken; goes on with the same chunk next time. */
static int write_batch(struct store *s, struct batch *b)
{
    struct err e = { 0 };
    for (; b->next; b->next = b->next->next) {
        if (b->next->segment > s->newest_segment)
            s->newest_segment = b->next->segment;
        if (write_chunk(s, b->next, &e))
            break;
    }
    if (!b->next) {
        if (s->full_until_ms)
            log_info("the disk has room again");
        s->full_until_ms = 0;
        return 0;
    }
    if (e.kind != ERR_UNAVAILABLE) {
        fail(s, &e);
        return -1;
    }
    if (!s->full_until_ms)
        log_error("the disk is full; logs wait in the journal", log_err(&e));
    s->full_until_ms = clock_boot_ms() + STORE_RETRY_MS;
    return -1;
}

static bool may_write(const struct store *s)
{
    return s->batches.first && !s->is_broken && clock_boot_ms() >= s->full_until_ms;
}

static void write_all(struct store *s)
{
    while (may_write(s) && write_batch(s, (struct batch *)s->batches.first) == 0) {
        struct batch *b = (struct batch *)jobs_pop(&s->batches);
        b->state = BATCH_STORED;
        mailbox_push(s->done, &b->job.item);
    }
}

/* --- the end of journal segments --------------------------------------------------------------------------- */

/* true: more is left to do now. */
static bool sync_some(struct store *s)
{
    struct err e = { 0 };
    if (s->is_broken || s->oldest_segment >= s->newest_segment)
        return false;
    int more = files_sync(s->files, s->newest_segment - 1, STORE_SYNCS_MAX, &e);
    for (; more == 0 && s->oldest_segment < s->newest_segment; s->oldest_segment++)
        more = segment_delete(s->dir_fd, s->oldest_segment, &e);
    if (more < 0)
        fail(s, &e);
    return more > 0;
}

/* --- checks and reads ------------------------------------------------------------------------------------ */

/* Published bytes may be in the journal only, while the disk is full. An empty answer would be asked again at once. */
static bool must_wait(const struct store *s, const struct read *q)
{
    return s->batches.first && q->what == READ_BYTES && q->data.len == 0 && q->why.kind == ERR_NONE &&
           q->state == SEAL_OPEN;
}

static void answer_read(struct store *s, struct read *q)
{
    q->is_absent = false;
    range_read(s->files, q, &s->scratch);
    if (keep_read(s->keep, q))
        return;
    if (must_wait(s, q))
        jobs_add(&s->parked, &q->job.item);
    else
        mailbox_push(s->done, &q->job.item);
}

/* Those whose log was fetched from the archive, or could not be. */
static void answer_fetched(struct store *s)
{
    for (struct read *q; (q = keep_take_read(s->keep));) {
        if (q->why.kind == ERR_NONE)
            jobs_add(&s->questions, &q->job.item);
        else
            mailbox_push(s->done, &q->job.item);
    }
}

static void answer_some(struct store *s)
{
    answer_fetched(s);
    while (!s->batches.first && s->parked.first)
        jobs_add(&s->questions, jobs_pop(&s->parked));
    for (unsigned n = 0; n < STORE_QUESTIONS_MAX && s->questions.first; n++) {
        struct job *j = (struct job *)jobs_pop(&s->questions);
        if (j->kind == JOB_READ) {
            answer_read(s, (struct read *)j);
        } else if (verify_step(s->files, (struct load *)j, &s->scratch)) {
            mailbox_push(s->done, &j->item);
        } else {
            jobs_add(&s->questions, &j->item);
        }
    }
}

/* --- the thread ------------------------------------------------------------------------------------------ */

static void sort_in(struct store *s, struct job *j)
{
    if (j->kind == JOB_ARCHIVE) {
        keep_archived(s->keep, (struct archive_job *)j);
        return;
    }
    if (j->kind == JOB_BATCH)
        ((struct batch *)j)->next = ((struct batch *)j)->first;
    jobs_add(j->kind == JOB_BATCH ? &s->batches : &s->questions, &j->item);
}

static void take(struct store *s, int64_t wait_ms)
{
    if (s->questions.first)
        wait_ms = 0;
    else if (s->batches.first && wait_ms > STORE_RETRY_MS)
        wait_ms = STORE_RETRY_MS;
    struct mail *items = mailbox_wait(s->in, wait_ms);
    while (items) {
        struct job *j = (struct job *)items;
        items = items->next;
        sort_in(s, j);
    }
}

static void *store_main(void *arg)
{
    struct store *s = arg;
    int64_t wait_ms = 0;
    while (!mailbox_is_closed(s->in)) {
        take(s, wait_ms);
        write_all(s);
        answer_some(s);
        bool is_busy = sync_some(s);
        wait_ms = s->is_broken ? STORE_RETRY_MS : keep_step(s->keep);
        if (is_busy)
            wait_ms = 0;
    }
    take(s, 0);
    write_all(s);
    return NULL;
}

static void free_all(struct store **s)
{
    /* What the archive hands back last is in the mailbox. */
    archive_close(&(*s)->archive);
    for (struct mail *i = mailbox_take((*s)->in), *next; i; i = next) {
        next = i->next;
        struct job *j = (struct job *)i;
        job_free(&j);
    }
    keep_free(&(*s)->keep);
    jobs_free(&(*s)->batches);
    jobs_free(&(*s)->questions);
    jobs_free(&(*s)->parked);
    mailbox_free(&(*s)->in);
    files_free(&(*s)->files);
    buf_fini(&(*s)->scratch);
    mem_free(s);
}

struct store *store_open(const struct store_spec *spec, struct err *e)
{
    const struct keep_settings *set = spec->keep;
    struct store *s = mem_zalloc(sizeof(*s));
    *s = (struct store){ .dir_fd = spec->dir_fd, .files = spec->files, .in = mailbox_new(false), .done = spec->done,
                         .oldest_segment = spec->first_segment, .newest_segment = spec->first_segment };
    s->batches.end = &s->batches.first;
    s->questions.end = &s->questions.first;
    s->parked.end = &s->parked.first;
    if (archive_is_on(&set->archive)) {
        s->archive = archive_open(s->dir_fd, &set->archive, spec->sink_name, s->in, e);
        if (!s->archive) {
            free_all(&s);
            return NULL;
        }
    }
    s->keep = keep_new(s->dir_fd, s->files, set, s->archive);
    thread_start(&s->thread, store_main, s);
    return s;
}

void store_push(struct store *s, struct job *j)
{
    mailbox_push(s->in, &j->item);
}

void store_close(struct store **s)
{
    if (!*s)
        return;
    mailbox_close((*s)->in);
    pthread_join((*s)->thread, NULL);
    free_all(s);
}
