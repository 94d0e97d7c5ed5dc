/* refetch.c - logs back from the archive, for as long as somebody looks. Given reads and the archive's answers; deletes
 * the local copies of what it fetched before. */
#include "logsink/refetch.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/file_keep.h"
#include "logsink/lru.h"

#define FAILED_MS 2000         /* the archive is not asked again for so long */
#define USED_MS (10 * 60000)   /* what was read so lately stays */

/* One log that is here again, or on its way. */
struct fetched {
    struct lru_node node;
    bool is_coming;
    uint64_t used_ms;
    uint64_t bytes;
};

struct refetch {
    struct files *files;
    struct archive *archive;
    uint64_t cache_bytes, bytes;
    struct lru fetched;
    struct mail *waiting, **waiting_end;   /* reads of what is coming */
    struct mail *ready, **ready_end;
    struct err failed;
    uint64_t failed_until_ms;
};

struct refetch *refetch_new(struct files *fs, struct archive *a, uint64_t cache_bytes)
{
    struct refetch *r = mem_zalloc(sizeof(*r));
    *r = (struct refetch){ .files = fs, .archive = a, .cache_bytes = cache_bytes };
    lru_init(&r->fetched);
    r->waiting_end = &r->waiting;
    r->ready_end = &r->ready;
    return r;
}

static void free_reads(struct mail *m)
{
    for (struct mail *next; m; m = next) {
        next = m->next;
        struct read *q = (struct read *)m;
        read_free(&q);
    }
}

static void remove_fetched(struct refetch *r, struct fetched *f)
{
    r->bytes -= f->bytes;
    lru_remove(&r->fetched, &f->node);
    mem_free(&f);
}

void refetch_free(struct refetch **r)
{
    if (!*r)
        return;
    free_reads((*r)->waiting);
    free_reads((*r)->ready);
    while ((*r)->fetched.oldest)
        remove_fetched(*r, (struct fetched *)(*r)->fetched.oldest);
    lru_fini(&(*r)->fetched);
    mem_free(r);
}

static void add(struct mail ***end, struct mail *m)
{
    m->next = NULL;
    **end = m;
    *end = &m->next;
}

static void fail(struct refetch *r, struct read *q, const struct err *why)
{
    q->why = *why;
    add(&r->ready_end, &q->job.item);
}

/* Has the archive what this read did not find? */
static bool is_archived(const struct refetch *r, const struct log_key *key, struct seal *seal_r)
{
    return files_seal_get(r->files, key, seal_r, NULL) == 0 && seal_r->state == SEAL_COMPLETE &&
           seal_r->removed == SEAL_KEPT && seal_r->flags & SEAL_ARCHIVED && !files_have(r->files, key, "chunks");
}

static void ask(struct refetch *r, const struct log_key *key, const struct seal *seal, uint64_t max_bytes)
{
    struct fetched *f = mem_zalloc(sizeof(*f));
    f->node.key = *key;
    f->is_coming = true;
    lru_add(&r->fetched, &f->node);
    struct archive_job *j = mem_zalloc(sizeof(*j));
    *j = (struct archive_job){ .job.kind = JOB_ARCHIVE, .verb = ARCHIVE_GET, .key = *key, .seal = *seal,
                               .max_bytes = max_bytes };
    archive_push(r->archive, j);
}

bool refetch_read(struct refetch *r, struct read *q, uint64_t room_bytes)
{
    struct seal seal;
    if (q->was_fetched || !is_archived(r, &q->key, &seal))
        return false;
    if (clock_boot_ms() < r->failed_until_ms) {
        fail(r, q, &r->failed);
        return true;
    }
    if (room_bytes == 0) {
        const struct err full = { .kind = ERR_UNAVAILABLE,
                                  .text = "the log sink's disk has no room to fetch this log from the archive" };
        fail(r, q, &full);
        return true;
    }
    struct fetched *f = (struct fetched *)lru_get(&r->fetched, &q->key);
    if (f && !f->is_coming) {
        /* Its local copy was dropped meanwhile. */
        remove_fetched(r, f);
        f = NULL;
    }
    if (!f)
        ask(r, &q->key, &seal, room_bytes < r->cache_bytes ? room_bytes : r->cache_bytes);
    q->was_fetched = true;
    q->why = (struct err){ 0 };
    q->gap_to = 0;
    buf_reset(&q->data);
    add(&r->waiting_end, &q->job.item);
    return true;
}

void refetch_used(struct refetch *r, const struct log_key *key)
{
    struct fetched *f = (struct fetched *)lru_get(&r->fetched, key);
    if (!f)
        return;
    f->used_ms = clock_boot_ms();
    lru_touch(&r->fetched, &f->node);
}

/* The ones used longest ago go, until the rest fits; the one that came last stays in any case. */
static void shrink(struct refetch *r)
{
    struct err e = { 0 };
    for (struct lru_node *n = r->fetched.oldest, *newer; n && n->newer && r->bytes > r->cache_bytes; n = newer) {
        struct fetched *f = (struct fetched *)n;
        newer = n->newer;
        if (f->is_coming)
            continue;
        if (files_delete_data(r->files, &f->node.key, &e))
            log_error("a fetched log cannot be deleted", log_err(&e));
        remove_fetched(r, f);
    }
}

static const struct err *note_answer(struct refetch *r, const struct archive_job *j)
{
    struct fetched *f = (struct fetched *)lru_get(&r->fetched, &j->key);
    if (j->why.kind != ERR_NONE) {
        if (f)
            remove_fetched(r, f);
        r->failed = j->why;
        /* What this one log has wrong is no reason not to ask for others. */
        if (j->why.kind == ERR_UNAVAILABLE || j->why.kind == ERR_DENIED)
            r->failed_until_ms = clock_boot_ms() + FAILED_MS;
        return &r->failed;
    }
    if (f) {
        f->is_coming = false;
        f->bytes = j->bytes;
        r->bytes += j->bytes;
        refetch_used(r, &j->key);
    }
    shrink(r);
    return NULL;
}

void refetch_done(struct refetch *r, const struct archive_job *j)
{
    struct mail *m = r->waiting;
    const struct err *why = note_answer(r, j);
    r->waiting = NULL;
    r->waiting_end = &r->waiting;
    for (struct mail *next; m; m = next) {
        struct read *q = (struct read *)m;
        next = m->next;
        if (q->key.attempt != j->key.attempt || uuid_cmp(&q->key.task, &j->key.task) != 0)
            add(&r->waiting_end, m);
        else if (why)
            fail(r, q, why);
        else
            add(&r->ready_end, m);
    }
}

struct read *refetch_take(struct refetch *r)
{
    struct mail *m = r->ready;
    if (m) {
        r->ready = m->next;
        if (!r->ready)
            r->ready_end = &r->ready;
        m->next = NULL;
    }
    return (struct read *)m;
}

bool refetch_wants(const struct refetch *r, const struct log_key *key)
{
    const struct fetched *f = (const struct fetched *)lru_get(&r->fetched, key);
    return f && (f->is_coming || clock_boot_ms() - f->used_ms < USED_MS);
}
