/* frames.h - N.zst, the packed form of a log: zstd frames of 64 KiB of input and the seek table (seek_table.h).
 *
 * `zstd -dc N.zst` is the log. Each frame is packed by itself and has zstd's own checksum. What no chunk wrote (a log
 * that began elsewhere, a hole) is zeros, as in the sparse N.log: frames of 1 MiB each, of a few bytes. One thread at a
 * time. */
#ifndef ORION_LOGSINK_FRAMES_H
#define ORION_LOGSINK_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define FRAME_SIZE (64 * 1024)
#define FRAME_HOLE (1024 * 1024)

/* --- writing -------------------------------------------------------------------------------------------- */

struct packer;

/* Writes to fd (consumed) from its beginning. level: 1..19. */
struct packer *packer_new(int fd, int level);
int packer_put(struct packer *p, const void *data, size_t len, struct err *e);   /* one frame, at most FRAME_SIZE */
int packer_put_hole(struct packer *p, struct err *e);                            /* FRAME_HOLE zeros */
int packer_finish(struct packer *p, struct err *e);                              /* the seek table; synced */
void packer_free(struct packer **p);

/* --- reading -------------------------------------------------------------------------------------------- */

/* The decoder and the frames decoded last; shared by all files that one thread reads. */
struct unpacker;
struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker **u);

struct frames;

/* Checks the seek table. Takes fd over only when it succeeds. NULL: not a packed log, or damaged. */
struct frames *frames_open(struct unpacker *u, int fd, struct err *e);
void frames_close(struct frames **f);
uint64_t frames_bytes(const struct frames *f);   /* of the log that it holds */
/* [offset, offset + len) must be below frames_bytes. -1: damaged, or the disk said no. */
int frames_read(struct frames *f, void *at, size_t len, uint64_t offset, struct err *e);

/* Where the frame that holds `offset` ends. */
int frames_end(struct frames *f, uint64_t offset, uint64_t *end_r, struct err *e);
/* Does a frame of zeros, exactly as packer_put_hole writes it, begin at `offset`? -1: cannot be read. */
int frames_is_hole(struct frames *f, uint64_t offset, struct err *e);

#endif
