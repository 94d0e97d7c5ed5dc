/* job.h - what the log sink's three threads hand each other. Each object has one owner at a time:
 *
 *   chunk:   loop -> journal -> loop -> store -> loop   (in a batch from the journal on)
 *   load:    loop -> store -> loop
 *   read:    loop -> store -> loop
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

enum job_kind { JOB_BATCH, JOB_LOAD, JOB_READ, JOB_FAULT };
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
    struct position at;           /* of a sealed log only seq, bytes and head */
    struct seal seal;
    bool is_started;
    struct err why;               /* set: not readable at all, or (is_damaged) good up to `at` only */
    bool is_damaged;
};

/* Bytes of a log for a viewer. */
struct read {
    struct job job;
    struct log_key key;
    uint64_t offset, limit;
    bool is_live;                 /* only the end is wanted, for the live socket */
    struct bus_peer peer;
    uint64_t conn;
    int64_t token;
    bool is_absent;
    enum seal_state state;
    uint64_t durable;
    struct buf data;
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
