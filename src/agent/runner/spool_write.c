/* spool_write.c - the runner's side of the spool (agent/spool.h): appends chunks, starts a new file every 8 MiB,
 * deletes files that are acknowledged. Nothing is synced: the spool outlives processes, and when the machine dies
 * the attempt is lost with it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent/spool.h"
#include "lib/mem.h"

struct spool_writer {
    int dir_fd;
    int fd;
    struct uuid task;
    uint32_t attempt;
    unsigned first, last;    /* numbers of the oldest file and of the one that is written; first > last: none */
    off_t size;              /* of the one that is written */
    uint64_t *last_seq;      /* per file from `first`: its last chunk */
    size_t n_files;
};

static uint8_t *put_le(uint8_t *p, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static void file_name(unsigned number, char out[32])
{
    snprintf(out, 32, SPOOL_NAME, number);
}

static int write_error(struct err *e)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return err_set(e, ERR_UNAVAILABLE, SPOOL_ERROR ": %s", strerror(errno));
    return err_sys(e, SPOOL_ERROR);
}

/* A record that is not whole is cut off: the reader must not see it and the next one has to stand in its place. */
static int write_whole(struct spool_writer *w, const struct iovec *parts, int n, size_t len, struct err *e)
{
    ssize_t got = pwritev(w->fd, parts, n, w->size);
    int error = errno;

    if (got == (ssize_t)len) {
        w->size += (off_t)len;
        return 0;
    }
    if (ftruncate(w->fd, w->size) < 0)
        error = errno;
    errno = got < 0 ? error : ENOSPC;
    return write_error(e);
}

static int head_write(struct spool_writer *w, struct err *e)
{
    uint8_t head[SPOOL_FILE_HEAD] = SPOOL_MAGIC, *p = head + sizeof(SPOOL_MAGIC);

    p = put_le(p, SPOOL_VERSION, 4);
    p = put_le(p, w->attempt, 4);
    memcpy(p, w->task.b, sizeof(w->task.b));
    return write_whole(w, &(struct iovec){ head, sizeof(head) }, 1, sizeof(head), e);
}

static int file_begin(struct spool_writer *w, struct err *e)
{
    char name[32];
    int fd;

    file_name(w->last + 1, name);
    fd = openat(w->dir_fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return write_error(e);
    if (w->fd >= 0)
        close(w->fd);
    w->fd = fd;
    w->size = 0;
    w->last++;
    w->n_files++;
    w->last_seq = mem_resize(w->last_seq, w->n_files, sizeof(*w->last_seq));
    w->last_seq[w->n_files - 1] = 0;
    return head_write(w, e);
}

struct spool_writer *spool_writer_open(const char *dir, const struct uuid *task, uint32_t attempt, struct err *e)
{
    struct spool_writer *w = mem_zalloc(sizeof(*w));

    *w = (struct spool_writer){ .fd = -1, .task = *task, .attempt = attempt, .first = 1 };
    w->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dir_fd < 0)
        err_sys(e, "cannot open the spool %s", dir);
    if (w->dir_fd < 0 || file_begin(w, e))
        spool_writer_close(&w);
    return w;
}

int spool_write(struct spool_writer *w, const struct spool_chunk *c, struct err *e)
{
    const size_t body = SPOOL_CHUNK_HEAD + c->chunk.length;
    uint8_t head[SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD], *p = head + SPOOL_RECORD_HEAD;
    const struct iovec parts[] = { { head, sizeof(head) }, { (void *)(uintptr_t)c->data, c->chunk.length } };
    uint32_t crc;

    if (w->size >= SPOOL_FILE_MAX && file_begin(w, e))
        return -1;
    if (w->size < SPOOL_FILE_HEAD && head_write(w, e)) /* there was no room for it before */
        return -1;
    p = put_le(p, c->chunk.seq, 8);
    p = put_le(p, c->chunk.offset, 8);
    p = put_le(p, c->chunk.length, 4);
    p = put_le(p, c->chunk.stream, 1);
    p = put_le(p, c->chunk.flags, 2);
    p = put_le(p, c->chunk.time_ns, 8);
    p = put_le(p, c->lines, 8);
    memcpy(p, c->before.b, sizeof(c->before.b));
    memcpy(p + sizeof(c->before.b), c->head.b, sizeof(c->head.b));
    crc = hash_crc32c(0, head + SPOOL_RECORD_HEAD, SPOOL_CHUNK_HEAD);
    crc = hash_crc32c(crc, c->data, c->chunk.length);
    put_le(put_le(head, body, 4), crc, 4);
    if (write_whole(w, parts, 2, sizeof(head) + c->chunk.length, e))
        return -1;
    w->last_seq[w->n_files - 1] = c->chunk.seq;
    return 0;
}

void spool_trim(struct spool_writer *w, uint64_t seq)
{
    size_t gone = 0;

    /* the file that is written stays: its name is the reader's place */
    while (gone + 1 < w->n_files && w->last_seq[gone] <= seq) {
        char name[32];

        file_name(w->first + (unsigned)gone, name);
        unlinkat(w->dir_fd, name, 0);
        gone++;
    }
    if (!gone)
        return;
    w->n_files -= gone;
    w->first += (unsigned)gone;
    memmove(w->last_seq, w->last_seq + gone, w->n_files * sizeof(*w->last_seq));
}

void spool_writer_close(struct spool_writer **w)
{
    if (*w) {
        if ((*w)->fd >= 0)
            close((*w)->fd);
        if ((*w)->dir_fd >= 0)
            close((*w)->dir_fd);
        mem_free(&(*w)->last_seq);
    }
    mem_free(w);
}
