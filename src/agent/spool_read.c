/* spool_read.c - the agent's side of the spool (agent/spool.h): chunk after chunk from any place, while the runner
 * still writes. A torn or damaged record is an end, not an error: the reader stops in front of it. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/spool.h"
#include "lib/mem.h"

struct spool_reader {
    char *dir;
    int fd;               /* of file `number`; -1: not open */
    unsigned number;      /* 0: look for the oldest */
    off_t at;
    uint64_t behind;      /* chunks up to this one are passed over */
    uint8_t *record;
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

    *r = (struct spool_reader){ .dir = mem_strdup(dir), .fd = -1, .record = mem_alloc(SPOOL_RECORD_MAX) };
    return r;
}

static void file_close(struct spool_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    r->at = 0;
}

void spool_reader_close(struct spool_reader **r)
{
    if (*r) {
        file_close(*r);
        mem_free(&(*r)->dir);
        mem_free(&(*r)->record);
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

/* The lowest number of at least `from`; 0: there is none. */
static unsigned file_lowest(const struct spool_reader *r, unsigned from)
{
    DIR *d = opendir(r->dir);
    unsigned lowest = 0;
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char *end;
        unsigned long n = strtoul(entry->d_name, &end, 10);

        if (isdigit((unsigned char)entry->d_name[0]) && strcmp(end, ".spool") == 0 && n >= from && n <= UINT32_MAX &&
            (!lowest || n < lowest))
            lowest = (unsigned)n;
    }
    if (d)
        closedir(d);
    return lowest;
}

static int head_check(const struct spool_reader *r, const uint8_t *head, struct err *e)
{
    const unsigned version = (unsigned)get_le(head + sizeof(SPOOL_MAGIC), 4);

    if (memcmp(head, SPOOL_MAGIC, sizeof(SPOOL_MAGIC)) != 0)
        return err_set(e, ERR_INVALID, "%s/" SPOOL_NAME " is no spool file", r->dir, r->number);
    if (version != SPOOL_VERSION)
        return err_set(e, ERR_INVALID, "%s/" SPOOL_NAME " has format version %u: this agent reads version %d", r->dir,
                       r->number, version, SPOOL_VERSION);
    return 0;
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

static uint64_t record_decode(const uint8_t *p, struct spool_chunk *c_r)
{
    c_r->chunk.seq = get_le(p, 8);
    c_r->chunk.offset = get_le(p + 8, 8);
    c_r->chunk.length = (uint32_t)get_le(p + 16, 4);
    c_r->chunk.stream = p[20];
    c_r->chunk.flags = (uint16_t)get_le(p + 21, 2);
    c_r->chunk.time_ns = get_le(p + 23, 8);
    memcpy(c_r->head.b, p + 31, sizeof(c_r->head.b));
    c_r->data = p + SPOOL_CHUNK_HEAD;
    return c_r->chunk.length;
}

/* 1: a whole record at the reader's place, which moves behind it; 0: there is none. */
static int record_next(struct spool_reader *r, struct spool_chunk *c_r)
{
    uint8_t *head = r->record, *body = r->record + SPOOL_RECORD_HEAD;
    const size_t first = SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD;
    size_t body_len;

    if (pread(r->fd, head, first, r->at) != (ssize_t)first)
        return 0;
    body_len = get_le(head, 4);
    if (body_len < SPOOL_CHUNK_HEAD || body_len > SPOOL_CHUNK_HEAD + CHAIN_DATA_MAX)
        return 0;
    if (record_decode(body, c_r) != body_len - SPOOL_CHUNK_HEAD)
        return 0;
    if (c_r->chunk.seq > r->behind) { /* the bytes of those that are passed over are not looked at */
        const ssize_t rest = (ssize_t)c_r->chunk.length;

        if (pread(r->fd, body + SPOOL_CHUNK_HEAD, (size_t)rest, r->at + (off_t)first) != rest)
            return 0;
        if (hash_crc32c(0, body, body_len) != (uint32_t)get_le(head + 4, 4))
            return 0;
    }
    r->at += (off_t)(SPOOL_RECORD_HEAD + body_len);
    return 1;
}

int spool_read(struct spool_reader *r, struct spool_chunk *c_r, struct err *e)
{
    for (;;) {
        unsigned next;
        int rc = 1;

        if (r->fd < 0 || r->at < SPOOL_FILE_HEAD) {
            next = file_lowest(r, r->number);
            rc = next ? file_open(r, next, e) : 0;
            if (rc < 0)
                return -1;
        }
        /* the end of this file is the spool's, unless another one follows: then nothing is added here any more, but
         * something may have been since the first look */
        next = 0;
        rc = rc == 1 && record_next(r, c_r);
        if (!rc) {
            next = file_lowest(r, r->number + 1);
            rc = next && r->at >= SPOOL_FILE_HEAD && record_next(r, c_r);
        }
        if (rc && c_r->chunk.seq > r->behind) {
            r->behind = c_r->chunk.seq;
            return 1;
        }
        if (rc)
            continue;
        if (!next)
            return 0;
        file_close(r);
        r->number = next;
    }
}
