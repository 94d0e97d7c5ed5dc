/* file_index.c - bisecting and walking N.chunks (file_index.h). Reads only. */
#include "logsink/file_index.h"

#include <string.h>

#include "logsink/disk.h"
#include "logsink/file_path.h"

void file_cursor_start(struct file_cursor *c, const struct file *f, uint64_t index)
{
    c->f = f;
    c->next = index;
    c->until = f->records + 1;
    c->index = 0;
    c->is_skipped = false;
    c->first = 0;
    c->n = 0;
}

/* The page with that record. What cannot be read is damaged like what was written wrong: a zeroed record is no good. */
static const uint8_t *record_at(struct file_cursor *c, uint64_t index)
{
    if (c->n == 0 || index < c->first || index >= c->first + c->n) {
        c->first = index - index % CURSOR_RECORDS;
        c->n = CURSOR_RECORDS;
        int64_t len = disk_read_at(c->f->chunks_fd, c->raw, sizeof(c->raw), c->first * CHUNK_RECORD_SIZE, "", NULL);
        size_t have = len > 0 ? (size_t)len : 0;
        memset(c->raw + have, 0, sizeof(c->raw) - have);
    }
    return c->raw + (index - c->first) * CHUNK_RECORD_SIZE;
}

bool file_cursor_next(struct file_cursor *c, struct chunk_record *r_r)
{
    c->is_skipped = false;
    while (c->next < c->until) {
        c->index = c->next++;
        if (chunk_record_decode(record_at(c, c->index), CHUNK_RECORD_SIZE, c->f->version, r_r) == 0)
            return true;
        c->is_skipped = true;
    }
    return false;
}

/* Does r say anything in this order? A base has no time. */
static bool is_ordered(enum file_by by, const struct chunk_record *r)
{
    return by != FILE_BY_TIME || !chunk_record_is_base(r);
}

static bool is_reached(enum file_by by, const struct chunk_record *r, uint64_t value)
{
    if (by == FILE_BY_SEQ)
        return r->chunk.seq >= value;
    return by == FILE_BY_OFFSET ? chunk_record_end(r) > value : r->chunk.time_ns >= value;
}

uint64_t file_find(const struct file *f, enum file_by by, uint64_t value)
{
    struct file_cursor c;
    struct chunk_record r;
    uint64_t low = 1, high = f->records + 1, found = high;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        file_cursor_start(&c, f, middle);
        c.until = high;
        bool has = file_cursor_next(&c, &r);
        while (has && !is_ordered(by, &r))
            has = file_cursor_next(&c, &r);
        if (has && !is_reached(by, &r, value)) {
            low = c.index + 1;
            continue;
        }
        if (has)
            found = c.index;
        high = middle;
    }
    return found;
}

uint64_t file_before(const struct file *f, uint64_t index, struct chunk_record *r_r)
{
    struct file_cursor c;
    file_cursor_start(&c, f, 0);
    while (--index > 0) {
        if (chunk_record_decode(record_at(&c, index), CHUNK_RECORD_SIZE, f->version, r_r) == 0)
            return index;
    }
    return 0;
}

static bool record_get(const struct file *f, uint64_t index, struct chunk_record *r_r)
{
    struct file_cursor c;
    file_cursor_start(&c, f, index);
    c.until = index <= f->records ? index + 1 : index;
    return file_cursor_next(&c, r_r);
}

uint64_t file_place(const struct file *f, uint64_t seq)
{
    struct chunk_record r;
    uint64_t found = file_find(f, FILE_BY_SEQ, seq);
    if (record_get(f, found, &r) && r.chunk.seq == seq && !chunk_record_is_base(&r))
        return found;
    uint64_t before = file_before(f, found, &r);
    uint64_t place = before + seq - (before > 0 ? r.chunk.seq : 0);
    if (place >= found && found <= f->records)
        return 0;
    return place <= f->records + 1 ? place : f->records + 1;
}

uint64_t file_place_base(const struct file *f, uint64_t seq, bool *is_there_r)
{
    struct chunk_record r;
    uint64_t at = file_find(f, FILE_BY_SEQ, seq);
    bool has = record_get(f, at, &r);
    bool is_behind = has && r.chunk.seq == seq && !chunk_record_is_base(&r);   /* its chunk is here all the same */
    if (is_behind)
        has = record_get(f, ++at, &r);
    *is_there_r = has && r.chunk.seq == seq;
    if (*is_there_r)
        return at - base_part(&r);
    return is_behind ? at : file_before(f, at, &r) + 1;
}

int file_base(struct file_cursor *c, const struct chunk_record *first, struct base *b_r)
{
    struct chunk_record records[BASE_RECORDS_MAX] = { *first };
    size_t n = 1;
    struct file_cursor ahead = *c;
    while (n < BASE_RECORDS_MAX && file_cursor_next(&ahead, &records[n]) && chunk_record_is_base(&records[n]) &&
           base_part(&records[n]) > 0) {
        n++;
        c->next = ahead.next;
    }
    return base_from_records(records, n, b_r);
}
