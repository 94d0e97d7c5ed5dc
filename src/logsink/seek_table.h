/* seek_table.h - the seek table at the end of N.zst: zstd's seekable format 0.1.0, little-endian.
 *
 *   N.zst:   frames, one behind the other, then a skippable frame:
 *   header:  0x184D2A5E u32, bytes behind these eight u32
 *   entry:   packed bytes u32, plain bytes u32, low half of the plain bytes' XXH64 u32 (absent without the flag)
 *   footer:  number of entries u32, flags u8 (0x80: entries have checksums), 0x8F92EAB1 u32 */
#ifndef ORION_LOGSINK_SEEK_TABLE_H
#define ORION_LOGSINK_SEEK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define SEEK_HEADER_SIZE 8
#define SEEK_ENTRY_SIZE 12
#define SEEK_FOOTER_SIZE 9
#define SEEK_FRAMES_MAX 0x8000000u   /* as the format's own library */

struct seek_entry {
    uint32_t packed, plain, checksum;
};

/* What the footer says, and what follows from it. */
struct seek_footer {
    uint32_t frames;
    unsigned entry_size;    /* 8 or 12 */
    uint64_t table_size;    /* header, entries and footer */
};

void seek_header_encode(uint32_t frames, uint8_t out[SEEK_HEADER_SIZE]);
void seek_entry_encode(const struct seek_entry *s, uint8_t out[SEEK_ENTRY_SIZE]);
void seek_footer_encode(uint32_t frames, uint8_t out[SEEK_FOOTER_SIZE]);

/* The last bytes of a file of `file_size` bytes; -1: not the end of a seekable file. */
int seek_footer_decode(const uint8_t in[SEEK_FOOTER_SIZE], uint64_t file_size, struct seek_footer *f_r, struct err *e);
/* Does the header fit the footer? */
int seek_header_check(const uint8_t in[SEEK_HEADER_SIZE], const struct seek_footer *f, struct err *e);
/* entry_size bytes; -1: longer than `plain_max`, or longer packed than any frame can be. */
int seek_entry_decode(const uint8_t *in, const struct seek_footer *f, uint32_t plain_max, struct seek_entry *s_r,
                      struct err *e);

#endif
