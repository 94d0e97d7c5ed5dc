/* files.h - the authoritative files of every attempt: DIR/log/XX/TASK/N.log, N.chunks and N.seal.
 *
 * Writes are not synced at once: a file stays dirty, with the journal segment that still holds what it was given
 * first, until files_sync. Descriptors are kept for the attempts used last. One thread at a time. */
#ifndef ORION_LOGSINK_FILES_H
#define ORION_LOGSINK_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "logsink/chunk_record.h"
#include "logsink/journal_record.h"
#include "logsink/seal.h"
#include "logsink/lru.h"

struct files;

struct file {
    struct lru_node node;
    int log_fd, chunks_fd;      /* -1: not open now */
    uint64_t chunks;            /* records in N.chunks */
    uint64_t bytes;             /* where the last of them ends */
    uint64_t dirty_segment;     /* 0: everything is synced */
    struct file *next_dirty;
    bool is_new;                /* made since the last sync: its folders want one too */
    bool is_seal_dirty;
    uint64_t first_seq;         /* recovery: of the first chunk the journal had; 0: none */
    bool is_holed;              /* recovery: the journal goes on behind a hole */
};

struct files *files_new(int dir_fd, unsigned open_max);   /* open_max: attempts, two descriptors each */
void files_free(struct files **fs);

/* The attempt's open file, borrowed until the next call. ERR_NOT_FOUND when there is none and !may_create.
 * A damaged header is logged and written anew (each record carries its own checksum); a newer format is refused. */
struct file *files_get(struct files *fs, const struct log_key *key, bool may_create, struct err *e);

/* The next chunk. One that the file has already cuts what stands from there on: it was found damaged. */
int files_append(struct files *fs, struct file *f, const struct journal_record *r, uint64_t segment, struct err *e);
/* Recovery: the chunk at its place, whatever stands there or behind. */
int files_rewrite(struct files *fs, struct file *f, const struct journal_record *r, uint64_t segment, struct err *e);
/* Recovery: keeps the records from `first_seq` on that are good and follow each other, cuts the rest. */
int files_settle(struct file *f, struct err *e);

/* Record `seq`, and its bytes behind what `data` holds (NULL: not wanted); -1 when either is damaged or missing. */
int files_chunk(const struct file *f, uint64_t seq, struct chunk_record *r_r, struct buf *data, struct err *e);

int files_seal(struct files *fs, const struct log_key *key, const uint8_t bytes[SEAL_SIZE], uint64_t segment,
               struct err *e);
/* 0 and SEAL_OPEN: there is none. */
int files_seal_get(const struct files *fs, const struct log_key *key, struct seal *s_r, struct err *e);

/* Syncs at most `max` of the files that hold something of a segment up to `segment`. 1: more are left, 0: none. */
int files_sync(struct files *fs, uint64_t segment, unsigned max, struct err *e);
/* Dirty files in the order in which they became so, for recovery. */
struct file *files_dirty(const struct files *fs);
int files_reopen(struct files *fs, struct file *f, struct err *e);   /* its descriptors, if they were closed */

#endif
