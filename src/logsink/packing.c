/* packing.c - the line of logs to pack. Given sealed logs; changes N.zst (pack.c) and deletes N.log behind it. */
#include "logsink/packing.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/file_keep.h"
#include "logsink/file_path.h"
#include "logsink/key_ring.h"
#include "logsink/pack.h"

#define QUEUE_MAX 1024         /* the walk finds those that did not fit */
#define GIVEN_UP_MAX 64
#define GAP_QUIET_MS 3600000   /* a log sealed as gap may go on so long before it is worth the trouble */

struct packing {
    int dir_fd, level;
    struct files *files;
    packing_fn *on_end;
    void *arg;
    struct key_ring queue, given_up;
    struct pack *pack;     /* the one under way */
    uint64_t bytes;        /* of it */
};

struct packing *packing_new(int dir_fd, struct files *fs, int level, packing_fn *on_end, void *arg)
{
    struct packing *p = mem_zalloc(sizeof(*p));
    *p = (struct packing){ .dir_fd = dir_fd, .level = level, .files = fs, .on_end = on_end, .arg = arg };
    key_ring_init(&p->queue, QUEUE_MAX);
    key_ring_init(&p->given_up, GIVEN_UP_MAX);
    return p;
}

void packing_free(struct packing **p)
{
    if (!*p)
        return;
    pack_free(&(*p)->pack);
    key_ring_fini(&(*p)->queue);
    key_ring_fini(&(*p)->given_up);
    mem_free(p);
}

static void note_failure(struct packing *p, const struct log_key *key, const struct err *e)
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&key->task, task);
    log_error("log cannot be packed; it stays as it is", log_str("task", task), log_int("attempt", key->attempt),
              log_err(e));
    /* A full disk passes: the walk tries again. */
    if (e->kind != ERR_UNAVAILABLE)
        key_ring_force(&p->given_up, key);
}

bool packing_is_settled(const struct seal *s)
{
    if (s->removed != SEAL_KEPT || s->state == SEAL_OPEN)
        return false;
    return s->state == SEAL_COMPLETE || (uint64_t)clock_wall_ms() >= s->sealed_at_ms + GAP_QUIET_MS;
}

bool packing_wants(const struct packing *p, const struct log_key *key, const struct seal *s)
{
    return p->level > 0 && s->bytes >= PACK_BYTES_MIN && packing_is_settled(s) && files_have(p->files, key, "log") &&
           files_have(p->files, key, "chunks") && !key_ring_has(&p->given_up, key);
}

void packing_push(struct packing *p, const struct log_key *key)
{
    if (!packing_is_at(p, key) && !key_ring_has(&p->queue, key))
        (void)key_ring_add(&p->queue, key);
}

bool packing_is_at(const struct packing *p, const struct log_key *key)
{
    return p->pack && key_is(pack_key(p->pack), key);
}

void packing_stop(struct packing *p, const struct log_key *key)
{
    if (packing_is_at(p, key))
        pack_free(&p->pack);
}

/* N.zst holds it all: an earlier life got as far as that, or the journal brought N.log back. */
static bool is_packed(const struct packing *p, const struct log_key *key, uint64_t bytes)
{
    char path[FILE_PATH_SIZE];
    file_path(key, "zst", path);
    int fd = openat(p->dir_fd, path, O_RDONLY | O_CLOEXEC);
    struct frames *f = fd < 0 ? NULL : frames_open(files_unpacker(p->files), fd, NULL);
    if (fd >= 0 && !f)
        close(fd);
    bool is = f && frames_bytes(f) == bytes;
    frames_close(&f);
    return is;
}

/* N.zst is durable and has its bytes. What came behind the seal meanwhile stays in N.log. */
static int delete_log(struct packing *p, const struct log_key *key, struct err *e)
{
    const struct file *f = files_get(p->files, key, false, e);
    if (!f)
        return -1;
    bool goes_on = f->bytes > p->bytes;
    if (!goes_on)
        files_drop_log(p->files, key);
    if (files_sync_one(p->files, key, e) || (!goes_on && files_delete(p->files, key, "log", e)))
        return -1;
    files_forget(p->files, key);
    return 0;
}

static void end(struct packing *p, const struct log_key *key, int rc, struct err *e)
{
    if (rc == 0)
        rc = delete_log(p, key, e);
    if (rc)
        note_failure(p, key, e);
    p->on_end(p->arg, key);
}

/* In the worst case nothing becomes smaller. Without the room it waits for a later walk. */
static bool has_room(uint64_t bytes, uint64_t available)
{
    return available > bytes + bytes / 8;
}

static void start(struct packing *p, const struct log_key *key, uint64_t available)
{
    struct seal seal;
    struct err e = { 0 };
    if (files_seal_get(p->files, key, &seal, &e)) {
        note_failure(p, key, &e);
        return;
    }
    p->bytes = seal.bytes;
    if (!packing_wants(p, key, &seal)) {
        p->on_end(p->arg, key);
    } else if (is_packed(p, key, seal.bytes)) {
        end(p, key, 0, &e);
    } else if (has_room(seal.bytes, available)) {
        p->pack = pack_start(p->dir_fd, files_unpacker(p->files), key, seal.bytes, p->level, &e);
        if (!p->pack)
            end(p, key, -1, &e);
    }
}

bool packing_step(struct packing *p, uint64_t available)
{
    struct err e = { 0 };
    struct log_key key;
    if (!p->pack && key_ring_pop(&p->queue, &key))
        start(p, &key, available);
    if (p->pack) {
        int rc = pack_step(p->pack, &e);
        if (rc != 1) {
            key = *pack_key(p->pack);
            pack_free(&p->pack);
            end(p, &key, rc, &e);
        }
    }
    return p->pack || p->queue.n > 0;
}
