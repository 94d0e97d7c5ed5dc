/* ingest.h - which chunks of one attempt are taken, and when its log may be sealed. Pure: every input carries its time.
 *
 * `received` runs ahead of `durable` by what is in flight to the journal. A chunk is taken only if it follows
 * `received` exactly and its hash is the chain's next; anything else is answered by where the durable log ends. */
#ifndef ORION_LOGSINK_INGEST_H
#define ORION_LOGSINK_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "logsink/position.h"
#include "logsink/seal.h"

struct ingest {
    struct position durable;
    struct position received;
    struct seal seal;
    uint64_t heard_ms;        /* of the last chunk, or of the start */
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
    INGEST_CLOSED,   /* beyond the end of a sealed log */
};

/* What the scheduler knows of the end. */
struct ingest_end {
    bool is_known;     /* bytes, chunks and head are there: the attempt ended with a result */
    bool is_forced;    /* no more waiting */
    uint64_t bytes;
    uint64_t chunks;
    struct hash head;
};

#define INGEST_REWIND_MS 500   /* at most one request for the same chunk in this time */
#define INGEST_QUIET_MS 2000   /* a lost attempt's log is sealed when nothing came for this long */

/* `durable`: what the disk has; `seal`: its end, when it is sealed already. */
void ingest_start(struct ingest *i, const struct position *durable, const struct seal *seal, uint64_t now_ms);
enum ingest_verdict ingest_offer(struct ingest *i, const struct chain_chunk *c, const struct hash *head,
                                 const void *data, uint64_t now_ms);
void ingest_durable(struct ingest *i, const struct position *p);   /* the disk has everything up to p */
void ingest_drop(struct ingest *i);                                /* what was in flight is gone */
bool ingest_is_flying(const struct ingest *i);
/* May it be sealed now, and as what? SEAL_OPEN: not yet. Fills seal_r otherwise. */
enum seal_state ingest_end(const struct ingest *i, const struct ingest_end *end, uint64_t now_ms, struct seal *seal_r);

#endif
