/* job.h - what the log sink's three threads hand each other. Each object has one owner at a time:
 *
 *   chunk:   loop -> journal -> loop -> store -> loop   (in a batch from the journal on)
 *   load:    loop -> store -> loop
 *   read:    loop -> store -> loop
 *   archive: store -> archive -> store                  (archive.h)
 *   fault:   journal or store -> loop                   (the process ends)
 */
#ifndef ORION_LOGSINK_JOB_H
#define ORION_LOGSINK_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/bus.h"
#include "lib/err.h"
#include "logsink/journal_record.h"
#include "logsink/position.h"
#include "logsink/mailbox.h"
#include "logsink/seal.h"

struct attempt;

/* A journal record on its way: a chunk, or a seal. */
struct chunk {
    struct mail item;
    struct chunk *next;           /* in its batch, or among its attempt's waiting ones */
    struct attempt *owner;        /* the loop's: opaque to the other threads */
    struct journal_record record; /* data points into `bytes` */
    struct position after;        /* the log's end with this chunk */
    uint32_t round;               /* see journal.h */
    uint64_t segment;             /* the journal's file it is in */
    uint8_t bytes[];              /* the record as the journal writes it: header, data */
};

struct chunk *chunk_new(const struct journal_record *r);   /* copies the data */
void chunk_free(struct chunk **c);
size_t chunk_size(const struct chunk *c);                  /* on disk, and near enough in memory */

enum job_kind { JOB_BATCH, JOB_LOAD, JOB_READ, JOB_ARCHIVE, JOB_FAULT };
struct job {
    struct mail item;
    enum job_kind kind;
};

enum batch_state {
    BATCH_DURABLE,   /* journal: on the disk */
    BATCH_REFUSED,   /* journal: the disk is full, `why` says so; nothing of it was kept */
    BATCH_STORED,    /* store: in the attempts' files too */
};
struct batch {
    struct job job;
    enum batch_state state;
    struct chunk *first, **end;
    struct chunk *next;           /* store: the first that is not in its file yet */
    uint32_t round;               /* refused: all chunks up to this round are */
    struct err why;
};
struct batch *batch_new(enum batch_state state);
void batch_free(struct batch **b);                         /* with its chunks */

/* Where does this attempt's log end on the disk? */
struct load {
    struct job job;
    struct log_key key;
    struct attempt *owner;
    struct position at;           /* of a complete log only seq, bytes and head */
    struct seal seal;
    uint64_t next_index;          /* how far the walk is; 0: not begun */
    bool is_old;                  /* a file of version 1: no base can be written to it */
    struct err why;               /* set: not readable at all, or (is_damaged) what was found first */
    bool is_damaged;              /* `at` is right all the same: where it goes on */
};

enum read_what {
    READ_BYTES,
    READ_END,      /* where it ends, for the live socket */
    READ_CHUNKS,   /* what is known of the chunks (log.list) */
};
enum read_from { READ_FROM_SEQ, READ_FROM_OFFSET, READ_FROM_TIME };

/* What somebody wants to know of a log. */
struct read {
    struct job job;
    struct read *next;            /* among its peer's waiting ones (questions.h) */
    struct log_key key;
    enum read_what what;
    uint64_t offset, limit;       /* of chunks: `offset` is in the order that `from` says */
    enum read_from from;
    struct bus_peer peer;
    uint64_t conn;
    int64_t token;
    bool is_absent;
    bool was_fetched;             /* from the archive: not asked for twice */
    enum seal_state state;
    uint64_t durable;             /* where its bytes end; of chunks: the last one's number */
    struct buf data;              /* the bytes; of chunks: struct chunk_record, one after the other */
    uint64_t gap_to;              /* more than offset: [offset, gap_to) is not there, `why` says why */
    bool is_damaged;              /* that is the disk's doing */
    struct err why;               /* set: the bytes cannot be read */
};
void read_free(struct read **r);

struct fault {
    struct job job;
    struct err why;
};
struct fault *fault_new(const struct err *why);

void job_free(struct job **j);   /* whatever it is */

#endif
