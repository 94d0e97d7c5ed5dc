/* spool_read.c - the agent's side of the spool (agent/spool.h): chunk after chunk from any place, while the runner
 * still writes. Files are read in blocks, so that a busy log costs few calls. A torn record is an end, not an error; a
 * damaged one that others follow is stepped over: whoever reads sees by the numbers that something is missing. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool.h"
#include "lib/mem.h"

enum { BLOCK_SIZE = 128 << 10, SEEK_MAX = 2 * SPOOL_FILE_MAX };

struct spool_reader {
    char *dir;
    int fd;               /* of file `number`; -1: not open */
    unsigned number;      /* 0: look for the oldest */
    off_t at;
    uint64_t behind;      /* chunks up to this one are passed over */
    uint64_t passed;      /* the last of them in this file; 0: none */
    bool is_careful;      /* the checksums of those that are passed over are looked at, too */
    uint8_t *block;       /* NULL: at rest */
    off_t block_at;
    size_t block_len;
};

static uint64_t get_le(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

struct spool_reader *spool_reader_open(const char *dir)
{
    struct spool_reader *r = mem_zalloc(sizeof(*r));

    *r = (struct spool_reader){ .dir = mem_strdup(dir), .fd = -1 };
    return r;
}

static void file_close(struct spool_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    r->at = 0;
    r->block_len = 0;
    r->passed = 0;
    r->is_careful = false;
}

void spool_rest(struct spool_reader *r)
{
    mem_free(&r->block);
    r->block_len = 0;
}

void spool_reader_close(struct spool_reader **r)
{
    if (*r) {
        file_close(*r);
        spool_rest(*r);
        mem_free(&(*r)->dir);
    }
    mem_free(r);
}

void spool_rewind(struct spool_reader *r, uint64_t seq)
{
    file_close(r);
    r->number = 0;
    r->behind = seq;
}

/* --- files ----------------------------------------------------------------------------------------- */

/* The lowest number of at least `from`; 0: there is none. -1: nobody can tell now. */
static int file_lowest(const struct spool_reader *r, unsigned from, unsigned *lowest_r, struct err *e)
{
    DIR *d = opendir(r->dir);
    unsigned lowest = 0;
    struct dirent *entry;

    if (!d && errno != ENOENT)
        return err_sys(e, "cannot read the spool %s", r->dir);
    while (d && (entry = readdir(d))) {
        char *end;
        unsigned long n = strtoul(entry->d_name, &end, 10);

        if (isdigit((unsigned char)entry->d_name[0]) && strcmp(end, ".spool") == 0 && n >= from && n <= UINT32_MAX &&
            (!lowest || n < lowest))
            lowest = (unsigned)n;
    }
    if (d)
        closedir(d);
    *lowest_r = lowest;
    return 0;
}

/* Every record has its own checksum: of the header only a version that cannot be read matters. */
static int head_check(const struct spool_reader *r, const uint8_t *head, struct err *e)
{
    const unsigned version = (unsigned)get_le(head + sizeof(SPOOL_MAGIC), 4);

    if (memcmp(head, SPOOL_MAGIC, sizeof(SPOOL_MAGIC)) != 0 || version == SPOOL_VERSION)
        return 0;
    return err_set(e, ERR_INVALID, "%s/" SPOOL_NAME " has format version %u: this agent reads version %d", r->dir,
                   r->number, version, SPOOL_VERSION);
}

/* 1: file `number` is open behind its header; 0: its header is not there yet. */
static int file_open(struct spool_reader *r, unsigned number, struct err *e)
{
    uint8_t head[SPOOL_FILE_HEAD];
    char *path = mem_printf("%s/" SPOOL_NAME, r->dir, number);

    file_close(r);
    r->number = number;
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    mem_free(&path);
    if (r->fd < 0)
        return errno == ENOENT ? 0 : err_sys(e, "cannot read the spool %s", r->dir);
    if (pread(r->fd, head, sizeof(head), 0) != sizeof(head))
        return 0;
    r->at = SPOOL_FILE_HEAD;
    return head_check(r, head, e) ? -1 : 1;
}

/* --- records --------------------------------------------------------------------------------------- */

/* `len` bytes at the reader's place; NULL: they are not there. */
static const uint8_t *bytes_at(struct spool_reader *r, size_t len)
{
    ssize_t n;

    if (r->at >= r->block_at && r->at + (off_t)len <= r->block_at + (off_t)r->block_len)
        return r->block + (r->at - r->block_at);
    if (!r->block)
        r->block = mem_alloc(BLOCK_SIZE);
    n = pread(r->fd, r->block, BLOCK_SIZE, r->at);
    r->block_at = r->at;
    r->block_len = n > 0 ? (size_t)n : 0;
    return r->block_len >= len ? r->block : NULL;
}

/* Its whole length; 0: that is no record's beginning. */
static size_t record_decode(const uint8_t *record, struct spool_chunk *c_r)
{
    const size_t body_len = get_le(record, 4);
    const uint8_t *p = record + SPOOL_RECORD_HEAD;

    c_r->chunk.seq = get_le(p, 8);
    c_r->chunk.offset = get_le(p + 8, 8);
    c_r->chunk.length = (uint32_t)get_le(p + 16, 4);
    c_r->chunk.stream = p[20];
    c_r->chunk.flags = (uint16_t)get_le(p + 21, 2);
    c_r->chunk.time_ns = get_le(p + 23, 8);
    c_r->lines = get_le(p + 31, 8);
    memcpy(c_r->before.b, p + 39, sizeof(c_r->before.b));
    memcpy(c_r->head.b, p + 71, sizeof(c_r->head.b));
    c_r->data = p + SPOOL_CHUNK_HEAD;
    if (body_len < SPOOL_CHUNK_HEAD || body_len > SPOOL_CHUNK_HEAD + CHAIN_DATA_MAX ||
        body_len != SPOOL_CHUNK_HEAD + c_r->chunk.length)
        return 0;
    return SPOOL_RECORD_HEAD + body_len;
}

static bool is_sound(const uint8_t *record, size_t len)
{
    return hash_crc32c(0, record + SPOOL_RECORD_HEAD, len - SPOOL_RECORD_HEAD) == (uint32_t)get_le(record + 4, 4);
}

/* Is a whole record at the reader's place, which then moves behind it? */
static bool record_next(struct spool_reader *r, struct spool_chunk *c_r)
{
    const uint8_t *record = bytes_at(r, SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD);
    const size_t len = record ? record_decode(record, c_r) : 0;

    if (!len)
        return false;
    if (c_r->chunk.seq > r->behind || r->is_careful) {
        record = bytes_at(r, len);
        if (!record || !is_sound(record, len))
            return false;
        record_decode(record, c_r);
    }
    r->at += (off_t)len;
    return true;
}

/* Moves on to the next place of this file at which a whole record begins. */
static bool record_seek(struct spool_reader *r)
{
    const size_t least = SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD;
    struct spool_chunk c;
    struct stat st;
    uint8_t *rest;
    size_t len = 0, at = 1;
    bool is_found = false;

    if (fstat(r->fd, &st) == 0 && st.st_size > r->at && st.st_size - r->at < SEEK_MAX)
        len = (size_t)(st.st_size - r->at);
    rest = mem_alloc(len + 1);
    if (pread(r->fd, rest, len, r->at) != (ssize_t)len)
        len = 0;
    for (; !is_found && at + least <= len; at++) {
        const size_t size = record_decode(rest + at, &c);

        is_found = size && size <= len - at && is_sound(rest + at, size);
    }
    if (is_found)
        r->at += (off_t)(at - 1);
    mem_free(&rest);
    return is_found;
}

/* --- reading --------------------------------------------------------------------------------------- */

/* Once more from the file's first record, trusting none. */
static void file_again(struct spool_reader *r)
{
    r->is_careful = true;
    r->at = SPOOL_FILE_HEAD;
    r->block_len = 0;
    r->passed = 0;
}

static bool is_at_end(const struct spool_reader *r)
{
    struct stat st;

    return fstat(r->fd, &st) < 0 || st.st_size <= r->at;
}

/* Is there a later file? When nobody can tell now, read_next will say so. */
static bool is_followed(const struct spool_reader *r)
{
    struct err e = { 0 };
    unsigned next;

    return file_lowest(r, r->number + 1, &next, &e) == 0 && next;
}

/* The record at the reader's place is not there, or damaged. It is the end, unless others must follow. */
static bool record_recover(struct spool_reader *r, struct spool_chunk *c_r, bool must)
{
    const bool is_more = must || is_followed(r);

    r->block_len = 0; /* a torn record is cut off and written anew: what was read of it is of no use */
    if (!is_more)
        return false;
    if (record_next(r, c_r)) /* it was added between the two looks */
        return true;
    if (is_at_end(r))
        return false;
    if (r->passed && !r->is_careful) {
        file_again(r);
        if (record_next(r, c_r))
            return true;
    }
    return record_seek(r) && record_next(r, c_r);
}

/* The next record of the file that is open, wanted or not. */
static bool file_read(struct spool_reader *r, struct spool_chunk *c_r, bool must)
{
    bool has_one = record_next(r, c_r) || record_recover(r, c_r, must);

    if (has_one && r->passed && !r->is_careful && c_r->chunk.seq != r->passed + 1) {
        file_again(r); /* one that was passed over led astray */
        has_one = record_next(r, c_r) || record_recover(r, c_r, true);
    }
    if (has_one)
        r->passed = c_r->chunk.seq <= r->behind ? c_r->chunk.seq : 0;
    return has_one;
}

static int read_next(struct spool_reader *r, struct spool_chunk *c_r, bool must, struct err *e)
{
    for (;;) {
        unsigned next;
        int rc = 1;

        if (r->fd < 0 || r->at < SPOOL_FILE_HEAD) {
            rc = file_lowest(r, r->number, &next, e);
            if (rc == 0 && next)
                rc = file_open(r, next, e);
            if (rc < 0 || !next)
                return rc;
        }
        rc = rc == 1 && file_read(r, c_r, must);
        if (rc && c_r->chunk.seq > r->behind) {
            r->behind = c_r->chunk.seq;
            return 1;
        }
        if (rc)
            continue;
        if (file_lowest(r, r->number + 1, &next, e))
            return -1;
        if (!next)
            return 0;
        file_close(r);
        r->number = next;
    }
}

int spool_read(struct spool_reader *r, struct spool_chunk *c_r, struct err *e)
{
    return read_next(r, c_r, false, e);
}

int spool_read_on(struct spool_reader *r, struct spool_chunk *c_r, struct err *e)
{
    return read_next(r, c_r, true, e);
}
