/* expiry.h - which logs go, and when. Pure: every input carries its time.
 *
 *   by age        a sealed log that is older than it is kept (its project's time, else the sink's): removed, in the
 *                 archive too
 *   local copies  of archived logs: dropped when older than they are kept here
 *   by space      while the disk is fuller than the watermark: first local copies of archived logs, then whole logs,
 *                 oldest sealed first; none that was sealed less than an hour ago
 *   abandoned     a log that was never sealed, and nothing was written to for 32 days
 *
 * A log that is not sealed is never removed otherwise. */
#ifndef ORION_LOGSINK_EXPIRY_H
#define ORION_LOGSINK_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "logsink/key.h"
#include "logsink/seal.h"

#define EXPIRY_FRESH_MS 3600000u               /* by space nothing goes that was sealed after that */
#define EXPIRY_ABANDONED_MS (32ull * 86400000)
#define EXPIRY_VICTIMS_MAX 4096                /* remembered of one walk */

struct expiry_policy {
    uint64_t keep_ms;        /* of logs whose project says nothing; 0: for ever */
    uint64_t local_keep_ms;  /* of local copies; 0: as long as the log */
    bool has_archive;
    uint64_t fetch_max;      /* bytes: a longer log could not be fetched back, so its local copy stays */
};

/* What a walk finds of one log. */
struct expiry_log {
    struct log_key key;
    struct seal seal;        /* SEAL_OPEN: not sealed */
    uint64_t sealed_at_ms;   /* wall clock */
    uint64_t touched_ms;     /* wall clock: last write to it */
    uint64_t bytes;          /* that its data takes on this disk */
    bool is_local;           /* its data is here */
};

enum expiry_verdict {
    EXPIRY_KEEP,
    EXPIRY_REMOVE,       /* too old */
    EXPIRY_ABANDON,
    EXPIRY_DROP_LOCAL,   /* the archive has it */
};
enum expiry_verdict expiry_decide(const struct expiry_policy *p, const struct expiry_log *l, uint64_t now_ms);

/* --- by space ------------------------------------------------------------------------------------------- */

/* Bytes that must go so that at most `percent` of the disk are used; 0: none. percent 0: no limit. */
uint64_t expiry_excess(uint64_t used, uint64_t available, unsigned percent);
/* Bytes that may still come. */
uint64_t expiry_room(uint64_t used, uint64_t available, unsigned percent);

struct expiry_victim {
    struct log_key key;
    uint64_t sealed_at_ms;
    bool is_archived;    /* only its local copy goes */
};

/* The EXPIRY_VICTIMS_MAX logs that go first, of any number that are offered. */
struct expiry_victims {
    struct expiry_victim *at;   /* while offered: a heap with the last to go on top; sorted: in order */
    size_t n, next;
};

void expiry_victims_init(struct expiry_victims *v);
void expiry_victims_fini(struct expiry_victims *v);
void expiry_offer(struct expiry_victims *v, const struct expiry_policy *p, const struct expiry_log *l,
                  uint64_t now_ms);
void expiry_sort(struct expiry_victims *v);                             /* the walk is over */
const struct expiry_victim *expiry_next(struct expiry_victims *v);      /* in order; NULL: no more */

#endif
