/* seek_table.c - zstd's seek table to bytes and back. Pure. Rules: the zstd project's seekable format, version 0.1.0. */
#include "logsink/seek_table.h"

#include "logsink/little.h"

#define SKIPPABLE_MAGIC 0x184D2A5Eu
#define SEEKABLE_MAGIC 0x8F92EAB1u

enum { FLAG_CHECKSUM = 0x80, FLAGS_RESERVED = 0x7c };   /* the two lowest bits mean nothing */

static uint64_t entries_size(const struct seek_footer *f)
{
    return (uint64_t)f->frames * f->entry_size;
}

void seek_header_encode(uint32_t frames, uint8_t out[SEEK_HEADER_SIZE])
{
    little_put32(out, SKIPPABLE_MAGIC);
    little_put32(out + 4, frames * SEEK_ENTRY_SIZE + SEEK_FOOTER_SIZE);
}

void seek_entry_encode(const struct seek_entry *s, uint8_t out[SEEK_ENTRY_SIZE])
{
    little_put32(out, s->packed);
    little_put32(out + 4, s->plain);
    little_put32(out + 8, s->checksum);
}

void seek_footer_encode(uint32_t frames, uint8_t out[SEEK_FOOTER_SIZE])
{
    little_put32(out, frames);
    out[4] = FLAG_CHECKSUM;
    little_put32(out + 5, SEEKABLE_MAGIC);
}

int seek_footer_decode(const uint8_t in[SEEK_FOOTER_SIZE], uint64_t file_size, struct seek_footer *f_r, struct err *e)
{
    struct seek_footer f = { .frames = little_get32(in), .entry_size = in[4] & FLAG_CHECKSUM ? 12 : 8 };
    if (little_get32(in + 5) != SEEKABLE_MAGIC)
        return err_set(e, ERR_INVALID, "no seek table at the end");
    if (in[4] & FLAGS_RESERVED || f.frames > SEEK_FRAMES_MAX)
        return err_set(e, ERR_INVALID, "the seek table is of a kind that this program does not know");
    f.table_size = SEEK_HEADER_SIZE + entries_size(&f) + SEEK_FOOTER_SIZE;
    if (f.table_size > file_size)
        return err_set(e, ERR_INVALID, "the seek table is longer than the file");
    *f_r = f;
    return 0;
}

int seek_header_check(const uint8_t in[SEEK_HEADER_SIZE], const struct seek_footer *f, struct err *e)
{
    if (little_get32(in) != SKIPPABLE_MAGIC || little_get32(in + 4) != entries_size(f) + SEEK_FOOTER_SIZE)
        return err_set(e, ERR_INVALID, "the seek table's beginning does not fit its end");
    return 0;
}

int seek_entry_decode(const uint8_t *in, const struct seek_footer *f, uint32_t plain_max, struct seek_entry *s_r,
                      struct err *e)
{
    *s_r = (struct seek_entry){ .packed = little_get32(in), .plain = little_get32(in + 4),
                                .checksum = f->entry_size == SEEK_ENTRY_SIZE ? little_get32(in + 8) : 0 };
    /* What does not shrink grows by a little at most. */
    if (s_r->plain > plain_max || s_r->packed > s_r->plain + s_r->plain / 128 + 512)
        return err_set(e, ERR_INVALID, "the seek table has a frame that is too long");
    return 0;
}
