/* pack.c - N.log to N.zst by steps. Given the sink's folder and a log that is sealed; changes DIR/log/XX/TASK/N.zst.
 *
 * Implements ARCHITECTURE "Log format". */
#include "logsink/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/file_path.h"

#define STEP_MS 10   /* of one step: at the highest level a single frame takes longer */

enum phase { PACKING, COMPARING };

struct pack {
    int dir_fd;
    struct unpacker *unpacker;
    struct log_key key;
    uint64_t bytes, at;
    enum phase phase;
    int log_fd;               /* -1: everything is in `before` */
    struct frames *before;    /* N.zst of an earlier seal, or NULL */
    struct packer *packer;
    struct frames *made;      /* what was packed, while comparing */
    char path[FILE_PATH_SIZE];
    uint8_t one[FRAME_HOLE], other[FRAME_HOLE];
};

/* --- what is packed ------------------------------------------------------------------------------------------ */

static int open_before(struct pack *p, struct err *e)
{
    char path[FILE_PATH_SIZE];
    file_path(&p->key, "zst", path);
    int fd = openat(p->dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : disk_error(e, "cannot open", path);
    p->before = frames_open(p->unpacker, fd, e);
    if (!p->before)
        close(fd);
    return p->before ? 0 : -1;
}

static int open_log(struct pack *p, struct err *e)
{
    char path[FILE_PATH_SIZE];
    file_path(&p->key, "log", path);
    p->log_fd = openat(p->dir_fd, path, O_RDONLY | O_CLOEXEC);
    return p->log_fd >= 0 || (errno == ENOENT && p->before) ? 0 : disk_error(e, "cannot open", path);
}

static uint64_t bytes_before(const struct pack *p)
{
    return p->before ? frames_bytes(p->before) : 0;
}

/* [offset, offset + len): what was packed before, and behind it N.log. */
static int read_source(const struct pack *p, uint8_t *at, size_t len, uint64_t offset, struct err *e)
{
    uint64_t before = bytes_before(p);
    size_t old = before > offset ? (before - offset < len ? (size_t)(before - offset) : len) : 0;
    if (old > 0 && frames_read(p->before, at, old, offset, e))
        return -1;
    if (old == len)
        return 0;
    int64_t got = p->log_fd < 0 ? 0 : disk_read_at(p->log_fd, at + old, len - old, offset + old, p->path, e);
    if (got < 0)
        return -1;
    return (size_t)got == len - old ? 0 : err_set(e, ERR_INVALID, "N.log is shorter than its seal says");
}

/* Are the next FRAME_HOLE bytes a hole, as far as that is known without reading them? */
static int is_hole(const struct pack *p, struct err *e)
{
    if (p->bytes - p->at < FRAME_HOLE)
        return 0;
    if (p->at < bytes_before(p))
        return frames_is_hole(p->before, p->at, e);
    off_t data = lseek(p->log_fd, (off_t)p->at, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO && lseek(p->log_fd, 0, SEEK_END) >= (off_t)p->bytes;
    return (uint64_t)data - p->at >= FRAME_HOLE;
}

/* --- the steps ----------------------------------------------------------------------------------------------- */

struct pack *pack_start(int dir_fd, struct unpacker *u, const struct log_key *key, uint64_t bytes, int level,
                        struct err *e)
{
    struct pack *p = mem_alloc(sizeof(*p));
    memset(p, 0, offsetof(struct pack, one));
    p->dir_fd = dir_fd;
    p->unpacker = u;
    p->key = *key;
    p->bytes = bytes;
    p->log_fd = -1;
    file_path(key, "zst-new", p->path);
    if (open_before(p, e) == 0 && open_log(p, e) == 0) {
        int fd = openat(dir_fd, p->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        if (fd >= 0) {
            p->packer = packer_new(fd, level);
            return p;
        }
        disk_error(e, "cannot make", p->path);
    }
    pack_free(&p);
    return NULL;
}

const struct log_key *pack_key(const struct pack *p)
{
    return &p->key;
}

/* The next frame ends here: at FRAME_SIZE, at the log's end, or where the earlier pack did, so that no frame needs
 * both. */
static size_t next_length(const struct pack *p)
{
    uint64_t left = p->bytes - p->at, before = bytes_before(p);
    if (before > p->at && before - p->at < left)
        left = before - p->at;
    return left < FRAME_SIZE ? (size_t)left : FRAME_SIZE;
}

static int pack_one(struct pack *p, struct err *e)
{
    int hole = is_hole(p, e);
    if (hole < 0)
        return -1;
    if (hole) {
        p->at += FRAME_HOLE;
        return packer_put_hole(p->packer, e);
    }
    size_t len = next_length(p);
    if (read_source(p, p->one, len, p->at, e))
        return -1;
    p->at += len;
    return packer_put(p->packer, p->one, len, e);
}

/* All are packed: the file is closed and opened again as any reader would. */
static int turn_round(struct pack *p, struct err *e)
{
    if (packer_finish(p->packer, e))
        return -1;
    packer_free(&p->packer);
    int fd = openat(p->dir_fd, p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return disk_error(e, "cannot open", p->path);
    p->made = frames_open(p->unpacker, fd, e);
    if (!p->made)
        close(fd);
    if (!p->made || frames_bytes(p->made) != p->bytes)
        return err_set(e, ERR_INVALID, "the packed log does not end where the log does");
    p->phase = COMPARING;
    p->at = 0;
    return 0;
}

static int compare_one(struct pack *p, struct err *e)
{
    uint64_t end;
    int hole = is_hole(p, e), packed_hole = hole == 1 ? frames_is_hole(p->made, p->at, e) : 0;
    if (hole < 0 || packed_hole < 0)
        return -1;
    if (packed_hole) {
        p->at += FRAME_HOLE;
        return 0;
    }
    if (frames_end(p->made, p->at, &end, e))
        return -1;
    size_t len = (size_t)(end - p->at);
    if (read_source(p, p->one, len, p->at, e) || frames_read(p->made, p->other, len, p->at, e))
        return -1;
    if (memcmp(p->one, p->other, len) != 0)
        return err_set(e, ERR_INVALID, "the packed log differs at %llu", (unsigned long long)p->at);
    p->at += len;
    return 0;
}

static int install(struct pack *p, struct err *e)
{
    char path[FILE_PATH_SIZE];
    file_path(&p->key, "zst", path);
    if (renameat(p->dir_fd, p->path, p->dir_fd, path) != 0)
        return disk_error(e, "cannot rename", p->path);
    p->path[0] = '\0';
    return file_sync_folder(p->dir_fd, &p->key, e);
}

int pack_step(struct pack *p, struct err *e)
{
    for (uint64_t until_ms = clock_boot_ms() + STEP_MS; p->at < p->bytes && clock_boot_ms() < until_ms;)
        if (p->phase == PACKING ? pack_one(p, e) : compare_one(p, e))
            return -1;
    if (p->at < p->bytes)
        return 1;
    if (p->phase == PACKING)
        return turn_round(p, e) ? -1 : 1;
    return install(p, e);
}

void pack_free(struct pack **pp)
{
    struct pack *p = *pp;
    if (!p)
        return;
    packer_free(&p->packer);
    frames_close(&p->made);
    frames_close(&p->before);
    if (p->log_fd >= 0)
        close(p->log_fd);
    if (p->path[0])
        (void)unlinkat(p->dir_fd, p->path, 0);
    mem_free(pp);
}
