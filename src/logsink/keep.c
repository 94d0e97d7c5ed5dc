/* keep.c - housekeeping: the walk over all logs, what is done with each, and room on the disk.
 *
 * Given what store.c tells and what sweep.c finds; the rules are expiry.c's. Deletes logs and their local copies; has
 * logs packed (packing.c), sent to the archive (uploads.c) and fetched from there (refetch.c). */
#include "logsink/keep.h"

#include <sys/statvfs.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/expiry.h"
#include "logsink/file_keep.h"
#include "logsink/packing.h"
#include "logsink/refetch.h"
#include "logsink/removal.h"
#include "logsink/sweep.h"
#include "logsink/uploads.h"

#define SWEEP_FOLDERS 32     /* in one step */
#define SWEEP_PACE_MS 20     /* between two steps */
#define SWEEP_REST_MS 5000   /* between two walks, and four times what the last one took */
#define SPACE_MS 1000        /* the disk is looked at so often */

struct keep {
    int dir_fd;
    struct files *files;
    unsigned watermark;
    struct expiry_policy policy;
    struct packing *packing;
    struct uploads *uploads;      /* NULL: no archive */
    struct refetch *refetch;      /* NULL: no archive */
    struct sweep *sweep;
    bool is_sweeping;
    bool is_collecting;           /* ... victims, because the disk is too full */
    uint64_t sweep_started_ms, next_sweep_ms;
    struct expiry_victims victims;
    uint64_t space_ms;            /* the disk was looked at */
    uint64_t available;           /* what was seen, in bytes */
    uint64_t excess, room;        /* over and under the watermark */
    bool is_short;                /* no log may go: told */
};

static void warn(const char *event, const struct log_key *key, const struct err *e)
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&key->task, task);
    log_error(event, log_str("task", task), log_int("attempt", key->attempt), log_err(e));
}

/* --- one log ------------------------------------------------------------------------------------------------- */

/* Packed, or as it stays. Not with both files: what came after the packing is in N.log only, until it is packed anew. */
static void offer_to_archive(struct keep *k, const struct log_key *key, const struct seal *s)
{
    if (files_have(k->files, key, "zst") && files_have(k->files, key, "log"))
        return;
    if (k->uploads && packing_is_settled(s) && !(s->flags & SEAL_ARCHIVED) && files_have(k->files, key, "chunks"))
        uploads_put(k->uploads, key, s);
}

static void on_packed(void *arg, const struct log_key *key)
{
    struct keep *k = arg;
    struct seal seal;
    if (files_seal_get(k->files, key, &seal, NULL) == 0)
        offer_to_archive(k, key, &seal);
}

void keep_sealed(struct keep *k, const struct log_key *key)
{
    packing_push(k->packing, key);
}

static bool is_fetching(const struct keep *k, const struct log_key *key)
{
    return k->refetch && refetch_wants(k->refetch, key);
}

static void delete_left(struct keep *k, const struct log_key *key)
{
    static const char *const left[] = { "seal-new", "zst-new", "log-new", "chunks-new" };
    struct err e = { 0 };
    if (packing_is_at(k->packing, key) || is_fetching(k, key))
        return;
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        if (files_delete(k->files, key, left[i], &e))
            warn("unfinished file cannot be deleted", key, &e);
}

static void delete_data(struct keep *k, const struct log_key *key)
{
    struct err e = { 0 };
    if (files_delete_data(k->files, key, &e))
        warn("log cannot be deleted", key, &e);
}

static int obey(struct keep *k, enum expiry_verdict verdict, struct expiry_log *l, struct err *e)
{
    packing_stop(k->packing, &l->key);
    if (verdict == EXPIRY_ABANDON)
        return removal_of_abandoned(k->files, &l->key, e);
    if (verdict == EXPIRY_DROP_LOCAL)
        return is_fetching(k, &l->key) ? 0 : files_delete_data(k->files, &l->key, e);
    if (removal_of(k->files, &l->key, &l->seal, SEAL_EXPIRED, e))
        return -1;
    if (k->uploads && l->seal.flags & SEAL_ARCHIVED)
        uploads_delete(k->uploads, &l->key, &l->seal);
    return 0;
}

static void look_after(struct keep *k, const struct expiry_log *l)
{
    if (packing_wants(k->packing, &l->key, &l->seal))
        packing_push(k->packing, &l->key);
    else
        offer_to_archive(k, &l->key, &l->seal);
    if (k->is_collecting)
        expiry_offer(&k->victims, &k->policy, l, (uint64_t)clock_wall_ms());
}

static void judge(struct keep *k, struct expiry_log *l)
{
    struct err e = { 0 };
    enum expiry_verdict verdict = expiry_decide(&k->policy, l, (uint64_t)clock_wall_ms());
    if (verdict == EXPIRY_KEEP)
        look_after(k, l);
    else if (obey(k, verdict, l, &e))
        warn("log cannot be removed", &l->key, &e);
}

/* What the walk found. A damaged seal is nobody's order to delete anything. */
static void on_item(void *arg, const struct sweep_item *it)
{
    struct keep *k = arg;
    const struct log_key *key = &it->key;
    bool has_data = it->files & (SWEEP_LOG | SWEEP_PACKED | SWEEP_CHUNKS);
    struct expiry_log l = { .key = *key, .touched_ms = it->touched_ms, .bytes = it->bytes,
                            .is_local = it->files & SWEEP_CHUNKS };
    if (it->files & SWEEP_LEFT)
        delete_left(k, key);
    if (files_seal_get(k->files, key, &l.seal, NULL) || (l.seal.state == SEAL_OPEN && !l.is_local))
        return;
    l.sealed_at_ms = l.seal.sealed_at_ms ? l.seal.sealed_at_ms : it->seal_ms;
    bool is_archived = k->uploads && l.seal.flags & SEAL_ARCHIVED;
    /* The rest of a removal or of a drop that was interrupted. */
    if (has_data && (l.seal.removed != SEAL_KEPT || (is_archived && !l.is_local && !is_fetching(k, key))))
        delete_data(k, key);
    if (l.seal.removed == SEAL_KEPT)
        judge(k, &l);
    else if (is_archived)
        uploads_delete(k->uploads, key, &l.seal);
}

/* --- space ---------------------------------------------------------------------------------------------------- */

static void look_at_disk(struct keep *k)
{
    struct statvfs fs;
    k->space_ms = clock_boot_ms();
    if (fstatvfs(k->dir_fd, &fs) != 0)
        return;
    uint64_t used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
    k->available = (uint64_t)fs.f_bavail * fs.f_frsize;
    k->excess = expiry_excess(used, k->available, k->watermark);
    k->room = expiry_room(used, k->available, k->watermark);
}

/* What the walk saw may have changed since. */
static int remove_victim(struct keep *k, const struct expiry_victim *v, struct err *e)
{
    struct seal seal;
    if (files_seal_get(k->files, &v->key, &seal, e))
        return -1;
    if (seal.state == SEAL_OPEN || seal.removed != SEAL_KEPT || is_fetching(k, &v->key))
        return 0;
    packing_stop(k->packing, &v->key);
    if (v->is_archived)
        return seal.flags & SEAL_ARCHIVED ? files_delete_data(k->files, &v->key, e) : 0;
    if (seal.flags & SEAL_ARCHIVED && seal.state == SEAL_COMPLETE)
        return 0;   /* archived since: the next walk gives up the copy here only */
    return removal_of(k->files, &v->key, &seal, SEAL_SPACE, e);
}

static bool has_victims(const struct keep *k)
{
    return !k->is_collecting && k->victims.next < k->victims.n;
}

/* true: there is more to remove now. */
static bool step_space(struct keep *k)
{
    struct err e = { 0 };
    if (clock_boot_ms() - k->space_ms >= SPACE_MS)
        look_at_disk(k);
    if (k->excess == 0)
        k->is_short = false;
    if (k->excess == 0 || !has_victims(k))
        return false;
    const struct expiry_victim *v = expiry_next(&k->victims);
    if (remove_victim(k, v, &e))
        warn("log cannot be removed", &v->key, &e);
    look_at_disk(k);
    return k->excess > 0;
}

/* --- the walk --------------------------------------------------------------------------------------------------- */

static void start_sweep(struct keep *k, uint64_t now_ms)
{
    sweep_free(&k->sweep);
    k->sweep = sweep_new(k->dir_fd);
    k->is_sweeping = true;
    k->is_collecting = k->excess > 0;
    k->sweep_started_ms = now_ms;
    k->victims.n = k->victims.next = 0;
}

/* No victims: told once, until there is room again. */
static void end_collecting(struct keep *k, uint64_t now_ms)
{
    k->is_collecting = false;
    expiry_sort(&k->victims);
    if (k->victims.n > 0)
        k->next_sweep_ms = now_ms; /* for more, if these are not enough */
    else if (!k->is_short)
        log_warn("the disk is fuller than the watermark, and no log may go", log_int("over", (int64_t)k->excess));
    k->is_short = k->victims.n == 0;
}

static void end_sweep(struct keep *k, uint64_t now_ms)
{
    k->is_sweeping = false;
    k->next_sweep_ms = now_ms + SWEEP_REST_MS + 4 * (now_ms - k->sweep_started_ms);
    if (k->is_collecting)
        end_collecting(k, now_ms);
}

/* While the disk is too full the walk is in a hurry, unless the last one found nothing that may go. */
static bool is_urgent(const struct keep *k)
{
    return k->excess > 0 && !k->is_short && !has_victims(k);
}

/* ms until the next step. */
static int64_t step_sweep(struct keep *k)
{
    uint64_t now_ms = clock_boot_ms();
    bool is_more = true;
    if (now_ms < k->next_sweep_ms && !is_urgent(k))
        return (int64_t)(k->next_sweep_ms - now_ms);
    if (!k->is_sweeping || (is_urgent(k) && !k->is_collecting))
        start_sweep(k, now_ms);
    for (unsigned n = 0; n < SWEEP_FOLDERS && is_more; n++)
        is_more = sweep_step(k->sweep, on_item, k);
    k->next_sweep_ms = now_ms + SWEEP_PACE_MS;
    if (!is_more)
        end_sweep(k, clock_boot_ms());
    return is_urgent(k) ? 0 : SWEEP_PACE_MS;
}

int64_t keep_step(struct keep *k)
{
    bool is_busy = packing_step(k->packing, k->available);
    is_busy |= step_space(k);
    int64_t wait_ms = k->excess > 0 && has_victims(k) ? 0 : step_sweep(k);
    if (is_busy)
        return 0;
    return wait_ms < SPACE_MS ? wait_ms : SPACE_MS;
}

/* --- the archive -------------------------------------------------------------------------------------------------- */

void keep_archived(struct keep *k, struct archive_job *j)
{
    if (j->verb == ARCHIVE_GET)
        refetch_done(k->refetch, j);
    else
        uploads_done(k->uploads, j);
    mem_free(&j);
}

bool keep_read(struct keep *k, struct read *q)
{
    if (!k->refetch || q->what == READ_END)
        return false;
    if (q->why.kind != ERR_NOT_FOUND || q->gap_to > q->offset) {
        refetch_used(k->refetch, &q->key);
        return false;
    }
    return refetch_read(k->refetch, q, k->room);
}

struct read *keep_take_read(struct keep *k)
{
    return k->refetch ? refetch_take(k->refetch) : NULL;
}

/* --- start and stop ---------------------------------------------------------------------------------------------- */

struct keep *keep_new(int dir_fd, struct files *fs, const struct keep_settings *set, struct archive *a)
{
    struct keep *k = mem_zalloc(sizeof(*k));
    *k = (struct keep){ .dir_fd = dir_fd, .files = fs, .watermark = (unsigned)set->watermark,
                        .sweep = sweep_new(dir_fd) };
    k->policy = (struct expiry_policy){ .keep_ms = (uint64_t)set->keep_ms, .has_archive = a != NULL,
                                        .local_keep_ms = (uint64_t)set->local_keep_ms,
                                        .fetch_max = (uint64_t)set->cache_bytes };
    k->packing = packing_new(dir_fd, fs, (int)set->compress, on_packed, k);
    if (a) {
        k->uploads = uploads_new(fs, a);
        k->refetch = refetch_new(fs, a, (uint64_t)set->cache_bytes);
    }
    expiry_victims_init(&k->victims);
    look_at_disk(k);
    return k;
}

void keep_free(struct keep **k)
{
    if (!*k)
        return;
    packing_free(&(*k)->packing);
    uploads_free(&(*k)->uploads);
    refetch_free(&(*k)->refetch);
    sweep_free(&(*k)->sweep);
    expiry_victims_fini(&(*k)->victims);
    mem_free(k);
}
