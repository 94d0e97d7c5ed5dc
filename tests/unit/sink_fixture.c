/* sink_fixture.c - folders, files and logs for the log sink's unit tests. */
#include "tests/unit/sink_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/base.h"
#include "logsink/segment.h"

static void need(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

void sink_dir_make(struct sink_dir *d)
{
    strcpy(d->path, "/tmp/orion-sink-test-XXXXXX");
    need(mkdtemp(d->path) != NULL, d->path);
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(d->fd >= 0 && mkdirat(d->fd, "journal", 0700) == 0 && mkdirat(d->fd, "log", 0700) == 0, d->path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void sink_dir_remove(struct sink_dir *d)
{
    close(d->fd);
    nftw(d->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char *sink_file(const struct sink_dir *d, const char *path, size_t *len_r)
{
    struct stat st;
    int fd = openat(d->fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    need(fstat(fd, &st) == 0, path);
    char *data = mem_alloc((size_t)st.st_size + 1);
    need(read(fd, data, (size_t)st.st_size) == st.st_size, path);
    close(fd);
    *len_r = (size_t)st.st_size;
    return data;
}

void sink_file_write(const struct sink_dir *d, const char *path, const void *data, size_t len)
{
    int fd = openat(d->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, data, len) == (ssize_t)len, path);
    close(fd);
}

void sink_file_flip(const struct sink_dir *d, const char *path, size_t offset)
{
    size_t len;
    char *data = sink_file(d, path, &len);
    need(data && offset < len, path);
    data[offset] ^= 1;
    sink_file_write(d, path, data, len);
    mem_free(&data);
}

int sink_file_cut(const struct sink_dir *d, const char *path, size_t len)
{
    int fd = openat(d->fd, path, O_WRONLY | O_CLOEXEC);
    need(fd >= 0, path);
    int rc = ftruncate(fd, (off_t)len);
    close(fd);
    return rc;
}

size_t sink_count_segments(const struct sink_dir *d)
{
    uint64_t *numbers;
    size_t n;
    need(segment_list(d->fd, &numbers, &n, NULL) == 0, "journal");
    mem_free(&numbers);
    return n;
}

void sink_log_start(struct sink_log *l, uint8_t seed)
{
    *l = (struct sink_log){ .key = { .attempt = 1 } };
    memset(l->key.task.b, seed, sizeof(l->key.task.b));
    position_start(&l->at, &l->key);
}

struct chunk *sink_log_chunk(struct sink_log *l, size_t len)
{
    uint8_t *data = mem_alloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)((l->at.bytes + i) % 7 == 6 ? '\n' : 'a' + (l->key.task.b[0] + l->at.seq + i) % 26);
    struct journal_record r = {
        .kind = JOURNAL_CHUNK, .key = l->key, .data = data,
        .chunk = { .seq = l->at.seq + 1, .offset = l->at.bytes, .length = (uint32_t)len, .time_ns = l->at.seq * 1000 },
    };
    buf_append(&l->bytes, data, len);
    position_advance(&l->at, &r.chunk, data);
    r.head = l->at.head;
    struct chunk *c = chunk_new(&r);
    c->after = l->at;
    c->round = 1;
    mem_free(&data);
    return c;
}

struct chunk *sink_log_base(struct sink_log *l, uint64_t chunks, uint64_t bytes, const char *reason)
{
    uint8_t data[BASE_DATA_MAX];
    struct base b = { .seq = l->at.seq + chunks, .offset = l->at.bytes + bytes, .newlines = l->at.newlines + chunks };
    snprintf(b.reason, sizeof(b.reason), "%s", reason);
    hash_bytes(&b.head, &b.seq, sizeof(b.seq));
    memset(buf_reserve(&l->bytes, bytes), 0, bytes);
    buf_commit(&l->bytes, bytes);
    base_position(&b, &l->at);
    const struct journal_record r = { .kind = JOURNAL_BASE, .key = l->key, .head = b.head, .data = data,
                                      .chunk = { .seq = b.seq, .offset = b.offset,
                                                 .length = (uint32_t)base_encode(&b, data) } };
    struct chunk *c = chunk_new(&r);
    c->after = l->at;
    c->round = 1;
    return c;
}

void sink_log_fini(struct sink_log *l)
{
    buf_fini(&l->bytes);
}

bool sink_is_same(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && a->bytes == b->bytes && a->newlines == b->newlines &&
           a->is_line_open == b->is_line_open && a->is_broken == b->is_broken &&
           memcmp(&a->head, &b->head, sizeof(a->head)) == 0;
}
