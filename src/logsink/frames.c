/* frames.c - packing and reading N.zst with libzstd.
 *
 * Given descriptors. Changes only the file that it packs into. Implements ARCHITECTURE "Log format". Memory: 12 bytes
 * per frame while packing; an open file costs 16 bytes per 64 frames. */
#include "logsink/frames.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/little.h"
#include "logsink/seek_table.h"

#define NAME "a packed log"
#define OUT_SIZE (512 * 1024)    /* packed bytes collected before they are written */
#define MARK_EVERY 64            /* frames between two remembered places */
#define SLOTS 8                  /* decoded frames kept */
#define CHECKSUM_SIZE 4          /* at the end of a frame: what the seek table has as well */

/* --- writing -------------------------------------------------------------------------------------------- */

struct packer {
    int fd;
    int level;
    ZSTD_CCtx *cctx;
    struct buf out;       /* not written yet */
    uint64_t at;          /* where `out` goes */
    struct buf entries;   /* as in the seek table */
    uint32_t frames;
    struct buf hole;      /* a packed frame of zeros; empty until one is wanted */
};

static ZSTD_CCtx *cctx_new(int level)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (!c || ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)))
        abort(); /* no memory: the parameters are good */
    return c;
}

struct packer *packer_new(int fd, int level)
{
    struct packer *p = mem_zalloc(sizeof(*p));
    p->fd = fd;
    p->level = level;
    p->cctx = cctx_new(level);
    return p;
}

void packer_free(struct packer **p)
{
    if (!*p)
        return;
    ZSTD_freeCCtx((*p)->cctx);
    buf_fini(&(*p)->out);
    buf_fini(&(*p)->entries);
    buf_fini(&(*p)->hole);
    close((*p)->fd);
    mem_free(p);
}

/* One packed frame behind what is in `out`. */
static size_t pack(ZSTD_CCtx *cctx, const void *data, size_t len, struct buf *out)
{
    size_t room = ZSTD_compressBound(len);
    char *to = buf_reserve(out, room);
    size_t n = ZSTD_compress2(cctx, to, room, data, len);
    if (ZSTD_isError(n))
        abort(); /* there is room, so it was memory */
    buf_commit(out, n);
    return n;
}

static int flush(struct packer *p, struct err *e)
{
    if (disk_write_at(p->fd, p->out.data, p->out.len, p->at, NAME, e))
        return -1;
    /* On its way to the disk now, so that the sync at the end is short. */
    (void)sync_file_range(p->fd, (off_t)p->at, (off_t)p->out.len, SYNC_FILE_RANGE_WRITE);
    p->at += p->out.len;
    buf_reset(&p->out);
    return 0;
}

/* `out` ends with a frame of `packed` bytes. */
static int note_frame(struct packer *p, size_t packed, size_t plain, struct err *e)
{
    uint8_t raw[SEEK_ENTRY_SIZE];
    const uint8_t *end = (const uint8_t *)p->out.data + p->out.len;
    const struct seek_entry entry = { .packed = (uint32_t)packed, .plain = (uint32_t)plain,
                                      .checksum = little_get32(end - CHECKSUM_SIZE) };
    if (p->frames == SEEK_FRAMES_MAX)
        return err_set(e, ERR_TOO_LARGE, "a packed log has at most %u frames", SEEK_FRAMES_MAX);
    seek_entry_encode(&entry, raw);
    buf_append(&p->entries, raw, sizeof(raw));
    p->frames++;
    return p->out.len >= OUT_SIZE ? flush(p, e) : 0;
}

int packer_put(struct packer *p, const void *data, size_t len, struct err *e)
{
    return note_frame(p, pack(p->cctx, data, len, &p->out), len, e);
}

/* Always at the same level, so that frames_is_hole knows its bytes. */
static void pack_hole(struct buf *out)
{
    uint8_t *zeros = mem_zalloc(FRAME_HOLE);
    ZSTD_CCtx *cctx = cctx_new(1);
    pack(cctx, zeros, FRAME_HOLE, out);
    ZSTD_freeCCtx(cctx);
    mem_free(&zeros);
}

int packer_put_hole(struct packer *p, struct err *e)
{
    if (p->hole.len == 0)
        pack_hole(&p->hole);
    buf_append(&p->out, p->hole.data, p->hole.len);
    return note_frame(p, p->hole.len, FRAME_HOLE, e);
}

int packer_finish(struct packer *p, struct err *e)
{
    uint8_t header[SEEK_HEADER_SIZE], footer[SEEK_FOOTER_SIZE];
    seek_header_encode(p->frames, header);
    seek_footer_encode(p->frames, footer);
    buf_append(&p->out, header, sizeof(header));
    buf_append(&p->out, p->entries.data, p->entries.len);
    buf_append(&p->out, footer, sizeof(footer));
    if (flush(p, e))
        return -1;
    return fsync(p->fd) == 0 ? 0 : disk_error(e, "cannot sync", NAME);
}

/* --- reading: the seek table -------------------------------------------------------------------------------- */

/* In front of frame MARK_EVERY * its index. */
struct mark {
    uint64_t plain, packed;
};

struct slot {
    uint64_t file;    /* 0: empty */
    uint64_t plain;   /* where the frame begins */
    struct buf data;
};

struct unpacker {
    ZSTD_DCtx *dctx;
    uint64_t last_file;
    struct slot slots[SLOTS];
    unsigned next_slot;
    struct buf packed;
    struct buf hole;   /* as packer_put_hole writes it; empty until one is wanted */
};

struct frames {
    struct unpacker *unpacker;
    uint64_t number;    /* which file, for the slots */
    int fd;
    uint64_t size;      /* of the file */
    struct seek_footer footer;
    uint64_t bytes;
    struct mark *marks;
};

/* One frame's place. */
struct place {
    uint64_t plain, packed;
    struct seek_entry entry;
};

struct unpacker *unpacker_new(void)
{
    struct unpacker *u = mem_zalloc(sizeof(*u));
    u->dctx = ZSTD_createDCtx();
    if (!u->dctx)
        abort(); /* no memory */
    return u;
}

void unpacker_free(struct unpacker **u)
{
    if (!*u)
        return;
    ZSTD_freeDCtx((*u)->dctx);
    for (unsigned i = 0; i < SLOTS; i++)
        buf_fini(&(*u)->slots[i].data);
    buf_fini(&(*u)->packed);
    buf_fini(&(*u)->hole);
    mem_free(u);
}

static int read_exactly(const struct frames *f, void *at, size_t len, uint64_t offset, struct err *e)
{
    int64_t got = disk_read_at(f->fd, at, len, offset, NAME, e);
    if (got < 0)
        return -1;
    return (size_t)got == len ? 0 : err_set(e, ERR_INVALID, "the file is cut short");
}

/* The entries of frames [first, first + n), n at most MARK_EVERY. */
static int read_entries(const struct frames *f, uint32_t first, uint32_t n, struct seek_entry *entries,
                        struct err *e)
{
    uint8_t raw[MARK_EVERY * SEEK_ENTRY_SIZE];
    unsigned size = f->footer.entry_size;
    uint64_t at = f->size - f->footer.table_size + SEEK_HEADER_SIZE + (uint64_t)first * size;
    if (read_exactly(f, raw, (size_t)n * size, at, e))
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (seek_entry_decode(raw + (size_t)i * size, &f->footer, FRAME_HOLE, &entries[i], e))
            return -1;
    return 0;
}

static uint32_t entries_at(const struct frames *f, uint32_t first)
{
    return f->footer.frames - first < MARK_EVERY ? f->footer.frames - first : MARK_EVERY;
}

/* The sums of all entries must be what the file has. */
static int load_marks(struct frames *f, struct err *e)
{
    struct seek_entry entries[MARK_EVERY];
    uint64_t packed = 0;
    f->marks = mem_array(f->footer.frames / MARK_EVERY + 1, sizeof(*f->marks));
    for (uint32_t first = 0; first < f->footer.frames; first += MARK_EVERY) {
        uint32_t n = entries_at(f, first);
        f->marks[first / MARK_EVERY] = (struct mark){ f->bytes, packed };
        if (read_entries(f, first, n, entries, e))
            return -1;
        for (uint32_t i = 0; i < n; i++) {
            f->bytes += entries[i].plain;
            packed += entries[i].packed;
        }
    }
    if (packed != f->size - f->footer.table_size)
        return err_set(e, ERR_INVALID, "the seek table does not fit the file's size");
    return 0;
}

static int load_table(struct frames *f, struct err *e)
{
    uint8_t footer[SEEK_FOOTER_SIZE], header[SEEK_HEADER_SIZE];
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return disk_error(e, "cannot examine", NAME);
    f->size = (uint64_t)st.st_size;
    if (f->size < sizeof(footer))
        return err_set(e, ERR_INVALID, "the file is too short for a seek table");
    if (read_exactly(f, footer, sizeof(footer), f->size - sizeof(footer), e) ||
        seek_footer_decode(footer, f->size, &f->footer, e) ||
        read_exactly(f, header, sizeof(header), f->size - f->footer.table_size, e) ||
        seek_header_check(header, &f->footer, e))
        return -1;
    return load_marks(f, e);
}

struct frames *frames_open(struct unpacker *u, int fd, struct err *e)
{
    struct frames *f = mem_zalloc(sizeof(*f));
    *f = (struct frames){ .unpacker = u, .number = ++u->last_file, .fd = fd };
    if (load_table(f, e)) {
        f->fd = -1;
        frames_close(&f);
    }
    return f;
}

void frames_close(struct frames **f)
{
    if (!*f)
        return;
    if ((*f)->fd >= 0)
        close((*f)->fd);
    mem_free(&(*f)->marks);
    mem_free(f);
}

uint64_t frames_bytes(const struct frames *f)
{
    return f->bytes;
}

/* The last mark that is not behind `offset`. */
static uint32_t find_mark(const struct frames *f, uint64_t offset)
{
    uint32_t low = 0, high = (f->footer.frames - 1) / MARK_EVERY;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (f->marks[middle].plain <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static int find_place(const struct frames *f, uint64_t offset, struct place *p_r, struct err *e)
{
    struct seek_entry entries[MARK_EVERY];
    if (offset >= f->bytes)
        return err_set(e, ERR_INVALID, "behind the end of the packed log");
    uint32_t mark = find_mark(f, offset), n = entries_at(f, mark * MARK_EVERY);
    if (read_entries(f, mark * MARK_EVERY, n, entries, e))
        return -1;
    *p_r = (struct place){ f->marks[mark].plain, f->marks[mark].packed, { 0 } };
    for (uint32_t i = 0; i < n; i++) {
        p_r->entry = entries[i];
        if (offset < p_r->plain + entries[i].plain)
            return 0;
        p_r->plain += entries[i].plain;
        p_r->packed += entries[i].packed;
    }
    return err_set(e, ERR_INVALID, "the seek table has changed");
}

/* --- reading: the frames ------------------------------------------------------------------------------------- */

static int load_packed(const struct frames *f, const struct place *p, struct buf *to, struct err *e)
{
    buf_reset(to);
    if (read_exactly(f, buf_reserve(to, p->entry.packed), p->entry.packed, p->packed, e))
        return -1;
    buf_commit(to, p->entry.packed);
    return 0;
}

/* The decoded frame at p, kept until SLOTS others were wanted. */
static const struct buf *decode(struct frames *f, const struct place *p, struct err *e)
{
    struct unpacker *u = f->unpacker;
    for (unsigned i = 0; i < SLOTS; i++)
        if (u->slots[i].file == f->number && u->slots[i].plain == p->plain)
            return &u->slots[i].data;
    struct slot *s = &u->slots[u->next_slot++ % SLOTS];
    s->file = 0;
    if (load_packed(f, p, &u->packed, e))
        return NULL;
    buf_reset(&s->data);
    char *to = buf_reserve(&s->data, p->entry.plain);
    size_t n = ZSTD_decompressDCtx(u->dctx, to, p->entry.plain, u->packed.data, u->packed.len);
    if (ZSTD_isError(n) || n != p->entry.plain) {
        err_set(e, ERR_INVALID, "the frame at %llu is damaged: %s", (unsigned long long)p->packed,
                ZSTD_isError(n) ? ZSTD_getErrorName(n) : "shorter than it says");
        return NULL;
    }
    buf_commit(&s->data, n);
    s->file = f->number;
    s->plain = p->plain;
    return &s->data;
}

int frames_read(struct frames *f, void *at, size_t len, uint64_t offset, struct err *e)
{
    struct place p;
    for (size_t done = 0; done < len;) {
        if (find_place(f, offset + done, &p, e))
            return -1;
        const struct buf *data = decode(f, &p, e);
        if (!data)
            return -1;
        size_t skip = (size_t)(offset + done - p.plain), n = data->len - skip;
        if (n > len - done)
            n = len - done;
        memcpy((char *)at + done, data->data + skip, n);
        done += n;
    }
    return 0;
}

int frames_end(struct frames *f, uint64_t offset, uint64_t *end_r, struct err *e)
{
    struct place p;
    if (find_place(f, offset, &p, e))
        return -1;
    *end_r = p.plain + p.entry.plain;
    return 0;
}

int frames_is_hole(struct frames *f, uint64_t offset, struct err *e)
{
    struct unpacker *u = f->unpacker;
    struct place p;
    if (find_place(f, offset, &p, e))
        return -1;
    if (u->hole.len == 0)
        pack_hole(&u->hole);
    if (p.plain != offset || p.entry.plain != FRAME_HOLE || p.entry.packed != u->hole.len)
        return 0;
    if (load_packed(f, &p, &u->packed, e))
        return -1;
    return memcmp(u->packed.data, u->hole.data, u->hole.len) == 0;
}
