/* attempt.h - the loop's memory of one log, and the table of those it remembers. */
#ifndef ORION_LOGSINK_ATTEMPT_H
#define ORION_LOGSINK_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bus.h"
#include "logsink/ingest.h"
#include "logsink/job.h"
#include "logsink/lru.h"

enum attempt_phase {
    ATTEMPT_LOADING,   /* the store looks up where it ends; chunks wait */
    ATTEMPT_OPEN,      /* `in` is right (and says whether it is sealed) */
    ATTEMPT_SEALING,   /* its seal is on the way to the journal: nothing is taken */
};

struct attempt {
    struct lru_node node;
    enum attempt_phase phase;
    struct ingest in;
    unsigned flying;              /* chunks and loads of it somewhere in the process */
    struct chunk *waiting, **waiting_end;
    struct bus_peer peer;         /* who gets the acknowledgements: the last that sent a chunk */
    uint64_t conn;
    struct ingest_end end;        /* what the scheduler said of the end */
    bool has_end;
    int asker;                    /* which scheduler wants to hear of the seal, if it */
    bool is_asked;
    bool is_due;                  /* an acknowledgement is owed at the end of this batch */
    struct attempt *next_due;
};

struct attempts {
    struct lru table;
    size_t max;
};

void attempts_init(struct attempts *t, size_t max);
void attempts_fini(struct attempts *t);
struct attempt *attempts_get(struct attempts *t, const struct log_key *key);   /* NULL: not remembered */
/* A new one, LOADING; forgets the idle one used longest ago when there are too many. NULL: none is idle. */
struct attempt *attempts_add(struct attempts *t, const struct log_key *key);
void attempts_remove(struct attempts *t, struct attempt **a);

void attempt_wait(struct attempt *a, struct chunk *c);          /* consumes c */
struct chunk *attempt_waiting(struct attempt *a);               /* the first of them, taken out; NULL: none */

#endif
