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
struct frames;

struct file {
    struct lru_node node;
    int log_fd, chunks_fd;      /* -1: not open now; log_fd: or N.log is not there */
    struct frames *packed;      /* NULL: not open now, or N.zst is not there */
    unsigned version;           /* of N.chunks */
    uint64_t records;           /* in N.chunks, behind its header */
    uint64_t last_seq;          /* of the last of them */
    uint64_t bytes;             /* where the last of them ends */
    uint64_t dirty_segment;     /* 0: everything is synced */
    struct file *next_dirty;
    bool is_new;                /* made since the last sync: its folders want one too */
    bool is_seal_dirty;
    uint64_t first_index;       /* recovery: of the first record that the journal had; 0: none */
    uint64_t replayed_index, replayed_seq;   /* recovery: of the last one */
};

struct files *files_new(int dir_fd, unsigned open_max);   /* open_max: attempts, two descriptors each */
void files_free(struct files **fs);

/* The attempt's open file, borrowed until the next call. ERR_NOT_FOUND: there is none (no N.chunks) and !may_create. A damaged header is logged and written anew (each record carries its own checksum); a newer format is refused. */
struct file *files_get(struct files *fs, const struct log_key *key, bool may_create, struct err *e);
bool files_have(const struct files *fs, const struct log_key *key, const char *suffix);   /* is N.suffix there? */

/* A durable record to its place: the next chunk, a base, the seal. A chunk whose place is taken cuts what stands from
 * there on: it was found damaged. */
int files_store(struct files *fs, const struct journal_record *r, uint64_t segment, struct err *e);
/* Recovery: a record to its place, whatever stands there or behind. 1: something in front of it is missing. */
int files_replay(struct files *fs, const struct journal_record *r, uint64_t segment, struct err *e);
/* Recovery: what stands behind the last good chunk was written, but not whole, when the process died: it is cut. */
int files_settle(struct file *f, struct err *e);

/* The bytes of a chunk to `at`, checked against its checksum. ERR_INVALID: they are damaged or not there, for good. */
int files_bytes(const struct file *f, const struct chunk_record *r, void *at, struct err *e);
/* At most len bytes from there on as they stand in N.log, unchecked, when that is quick; how many. */
size_t files_peek(const struct file *f, uint64_t offset, void *at, size_t len);
uint64_t files_log_size(const struct files *fs, const struct log_key *key);   /* of N.log; 0: none */

/* 0 and SEAL_OPEN: there is none. ERR_INVALID: it is damaged. */
int files_seal_get(const struct files *fs, const struct log_key *key, struct seal *s_r, struct err *e);

/* Syncs at most `max` of the files that hold something of a segment up to `segment`. 1: more are left, 0: none. */
int files_sync(struct files *fs, uint64_t segment, unsigned max, struct err *e);
/* Dirty files in the order in which they became so, for recovery. */
struct file *files_dirty(const struct files *fs);
/* Its descriptors, if they were closed. */
int files_reopen(struct files *fs, struct file *f, bool may_create, struct err *e);

#endif
