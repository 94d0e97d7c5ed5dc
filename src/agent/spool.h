/* spool.h - the chunks of one attempt on the agent's disk: written by its runner, read by the agent that ships
 * them, deleted when the log sink has them. It is the retransmit buffer of ARCHITECTURE "The life of a task" 4.
 *
 * A folder of files 000001.spool, 000002.spool... Numbers little-endian, nothing is aligned:
 *   file header   8 bytes "orspool" NUL, u32 format version, u32 attempt, 16 bytes task id
 *   record        u32 length of what follows the checksum, u32 CRC-32C of it, then
 *                 seq u64, offset u64, length u32, stream u8, flags u16, time_ns u64, lines u64 (their ends up to this
 *                 chunk's last byte), before 32 bytes (the chain in front of it), head 32 bytes (behind it), the bytes
 * The last file ends where a record is not whole. Any record says all that is needed to go on with it, so a damaged
 * one costs only itself. */
#ifndef ORION_AGENT_SPOOL_H
#define ORION_AGENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "lib/uuid.h"
#include "proto/chain.h"

#define SPOOL_MAGIC "orspool"
#define SPOOL_NAME "%06u.spool"
enum {
    SPOOL_VERSION = 2,
    SPOOL_FILE_MAX = 8 * 1024 * 1024,
    SPOOL_FILE_HEAD = 32,
    SPOOL_RECORD_HEAD = 8,
    SPOOL_CHUNK_HEAD = 103,
    SPOOL_RECORD_MAX = SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD + CHAIN_DATA_MAX,
};

/* How every sentence about a spool that cannot be written begins: a full disk is nobody's build failing. */
#define SPOOL_ERROR "cannot write the spool"

struct spool_chunk {
    struct chain_chunk chunk;
    uint64_t lines;             /* ends of lines in the log up to and with this chunk */
    struct hash before, head;   /* of the chain: in front of this chunk, behind it */
    const uint8_t *data;
};

/* --- writing (runner/spool_write.c) ---------------------------------------------------------------- */

struct spool_writer;

/* `dir` exists and holds no spool. */
struct spool_writer *spool_writer_open(const char *dir, const struct uuid *task, uint32_t attempt, struct err *e);
/* One whole record or none: a full disk leaves the spool as it was, and is ERR_UNAVAILABLE: it may work later. */
int spool_write(struct spool_writer *w, const struct spool_chunk *c, struct err *e);
void spool_trim(struct spool_writer *w, uint64_t seq);   /* deletes the files whose chunks are all up to seq */
void spool_writer_close(struct spool_writer **w);

/* --- reading (spool_read.c) ------------------------------------------------------------------------ */

struct spool_reader;

struct spool_reader *spool_reader_open(const char *dir);
void spool_reader_close(struct spool_reader **r);
/* The next read gives the first chunk behind `seq` that the spool still has. */
void spool_rewind(struct spool_reader *r, uint64_t seq);
/* 1: a chunk, valid until the next call: the next one that can be read, over damaged records and missing files;
 * 0: none is there (yet); -1: the spool cannot be read. */
int spool_read(struct spool_reader *r, struct spool_chunk *c_r, struct err *e);
/* As spool_read, when it gave 0 and more is known to have been written: looks behind a damaged record of the file that
 * is written, too. */
int spool_read_on(struct spool_reader *r, struct spool_chunk *c_r, struct err *e);
void spool_rest(struct spool_reader *r);   /* it will not be read for a while: gives memory back */

#endif
