/* segment.c - DIR/journal/NNNNNNNNNN.j: created, appended to, synced, listed, read, deleted.
 *
 * Given the sink's folder. Changes only the folder `journal` in it. Implements ARCHITECTURE "Log format". */
#include "logsink/segment.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "logsink/disk.h"

#define SEGMENT_NAME_SIZE 40

static void segment_name(uint64_t number, char out[SEGMENT_NAME_SIZE])
{
    snprintf(out, SEGMENT_NAME_SIZE, "journal/%010" PRIu64 ".j", number);
}

int segment_create(struct segment *s, int dir_fd, uint64_t number, struct err *e)
{
    char name[SEGMENT_NAME_SIZE];
    uint8_t header[JOURNAL_HEADER_SIZE];
    segment_name(number, name);
    journal_header_encode(number, header);
    *s = (struct segment){ .fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640),
                           .number = number, .size = sizeof(header) };
    if (s->fd < 0)
        return disk_error(e, "cannot create", name);
    if (disk_write_at(s->fd, header, sizeof(header), 0, name, e) == 0 && segment_sync(s, e) == 0 &&
        disk_sync_dir(dir_fd, "journal", e) == 0)
        return 0;
    segment_close(s);
    return -1;
}

void segment_close(struct segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int segment_append(struct segment *s, struct iovec *iov, int n, size_t len, struct err *e)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(s->number, name);
    if (disk_writev_at(s->fd, iov, n, s->size, name, e))
        return -1;
    s->size += len;
    return 0;
}

int segment_cut(struct segment *s, uint64_t size)
{
    s->size = size;
    return ftruncate(s->fd, (off_t)size);
}

int segment_sync(struct segment *s, struct err *e)
{
    if (fdatasync(s->fd) == 0)
        return 0;
    char name[SEGMENT_NAME_SIZE];
    segment_name(s->number, name);
    /* Whatever the error was: the kernel may have dropped the pages. */
    return err_sys(e, "cannot sync %s", name);
}

static bool parse_name(const char *name, uint64_t *number_r)
{
    char *end;
    if (!isdigit((unsigned char)name[0]))
        return false;
    *number_r = strtoull(name, &end, 10);
    return strcmp(end, ".j") == 0 && *number_r > 0;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int segment_list(int dir_fd, uint64_t **numbers_r, size_t *n_r, struct err *e)
{
    int fd = openat(dir_fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        err_sys(e, "cannot open journal");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    uint64_t *numbers = NULL, number;
    size_t n = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (!parse_name(entry->d_name, &number))
            continue;
        numbers = mem_resize(numbers, n + 1, sizeof(*numbers));
        numbers[n++] = number;
    }
    closedir(dir);
    if (n > 1)
        qsort(numbers, n, sizeof(*numbers), compare_numbers);
    *numbers_r = numbers;
    *n_r = n;
    return 0;
}

int segment_delete(int dir_fd, uint64_t number, struct err *e)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return disk_error(e, "cannot delete", name);
}

/* The whole file; a segment is small enough (64 MiB and one batch). */
static int load_file(int dir_fd, const char *name, uint8_t **data_r, size_t *len_r, struct err *e)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        disk_error(e, "cannot open", name);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    uint8_t *data = mem_alloc((size_t)st.st_size + 1);
    int64_t len = disk_read_at(fd, data, (size_t)st.st_size, 0, name, e);
    close(fd);
    if (len < 0) {
        mem_free(&data);
        return -1;
    }
    *data_r = data;
    *len_r = (size_t)len;
    return 0;
}

static int scan(const uint8_t *data, size_t len, segment_fn *fn, void *arg, uint64_t *good_r, struct err *e)
{
    struct journal_record r;
    size_t at = JOURNAL_HEADER_SIZE;
    for (size_t n; at < len && (n = journal_record_decode(data + at, len - at, &r)) > 0; at += n) {
        if (fn(arg, &r, e))
            return -1;
    }
    *good_r = at;
    return 0;
}

int segment_read(int dir_fd, uint64_t number, segment_fn *fn, void *arg, struct segment_end *end_r, struct err *e)
{
    char name[SEGMENT_NAME_SIZE];
    uint8_t *data;
    size_t len;
    uint64_t said;
    struct err why = { 0 };
    segment_name(number, name);
    if (load_file(dir_fd, name, &data, &len, e))
        return -1;
    *end_r = (struct segment_end){ .good = len < JOURNAL_HEADER_SIZE ? len : JOURNAL_HEADER_SIZE, .size = len };
    end_r->is_header_bad = journal_header_decode(data, len, &said, &why) != 0;
    int rc = 0;
    if (why.kind == ERR_CONFLICT)
        rc = err_set(e, ERR_CONFLICT, "%s: %s", name, why.text);
    else if (len > JOURNAL_HEADER_SIZE)
        rc = scan(data, len, fn, arg, &end_r->good, e);
    mem_free(&data);
    return rc;
}
