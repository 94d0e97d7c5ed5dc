/* ingest.h - which chunks of one attempt are taken, and when its log may be sealed. Pure: every input carries its time.
 *
 * `received` runs ahead of `durable` by what is in flight to the journal. A chunk is taken only if it follows
 * `received` exactly and its hash is the chain's next; anything else is answered by where the durable log ends. */
#ifndef ORION_LOGSINK_INGEST_H
#define ORION_LOGSINK_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "logsink/base.h"
#include "logsink/position.h"
#include "logsink/seal.h"

struct ingest {
    struct position durable;
    struct position received;
    struct seal seal;
    bool is_old;              /* its file is of version 1: it takes no base */
    uint64_t rewound_ms;      /* a rewind was asked then, with `rewound_seq` received; 0: not since */
    uint64_t rewound_seq;
};

enum ingest_verdict {
    INGEST_TAKE,     /* received has moved: write it */
    INGEST_HAVE,     /* durable already: say so again */
    INGEST_FLYING,   /* on its way to the disk: the acknowledgement will come */
    INGEST_REWIND,   /* something before it is missing: ask for it */
    INGEST_WAIT,     /* the same, but it was asked for a moment ago */
    INGEST_WRONG,    /* it contradicts the chain: log it, ask again */
    INGEST_CLOSED,   /* beyond the end of a log that takes nothing more */
};

/* What the scheduler knows of the end. */
struct ingest_end {
    bool is_known;     /* bytes, chunks and head are there: the attempt ended with a result */
    bool is_forced;    /* no more waiting */
    uint64_t bytes;
    uint64_t chunks;
    struct hash head;
    uint64_t keep_ms;  /* how long the log is kept then; 0: not said */
};

#define INGEST_REWIND_MS 500   /* at most one request for the same chunk in this time */

/* `durable`: what the disk has; `seal`: its end, when it is sealed already. A log sealed as gap goes on. */
void ingest_start(struct ingest *i, const struct position *durable, const struct seal *seal);
enum ingest_verdict ingest_offer(struct ingest *i, const struct chain_chunk *c, const struct hash *head,
                                 const void *data, uint64_t now_ms);
/* The log goes on behind b, whatever of it was in front of it. */
enum ingest_verdict ingest_base(struct ingest *i, const struct base *b, uint64_t now_ms);
void ingest_durable(struct ingest *i, const struct position *p);   /* the disk has everything up to p */
void ingest_drop(struct ingest *i);                                /* what was in flight is gone */
bool ingest_is_flying(const struct ingest *i);
/* May it be sealed now, and as what? SEAL_OPEN: not yet. Fills seal_r otherwise. A log with holes is never complete. */
enum seal_state ingest_end(const struct ingest *i, const struct ingest_end *end, struct seal *seal_r);
/* Does `s` say more than the seal that the log has? */
bool ingest_is_news(const struct ingest *i, const struct seal *s);

#endif
