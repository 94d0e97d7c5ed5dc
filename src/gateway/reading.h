/* reading.h - what all readers of a log decide alike: why one is sent away, and when an attempt has said everything. */
#ifndef ORION_GATEWAY_READING_H
#define ORION_GATEWAY_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/follow.h"
#include "gateway/log_state.h"

struct request;

enum reading_refusal {
    READING_NO_TASK,
    READING_NO_ATTEMPT,    /* not this number */
    READING_NO_LOG,        /* none at all */
    READING_NO_DATABASE,   /* these may be answered otherwise a moment later */
    READING_NO_SINK,
    READING_TOO_MANY,
    READING_STOPPING,
};
void reading_refuse(struct request *r, enum reading_refusal why);

enum {
    READING_OPENING_MS = 5000,          /* for SQL and the sink to say what there is */
    READING_GRACE_MS = 10000,           /* an ended attempt's log may still grow, for so long after its last byte */
    READING_GRACE_SINKLESS_MS = 60000,
};

/* No more bytes than the sink has now will come. `over_since_ms`: since when the attempt is over and nothing is left to
 * show; 0: not so. */
bool reading_is_final(const struct log_state *s, int64_t attempt, const struct follow_member *m,
                      uint64_t over_since_ms);
/* Why the bytes at a place will not come though they should be there; NULL: they may. */
const char *reading_failure(const struct log_state *s, int64_t attempt, const struct follow_member *m);

#endif
