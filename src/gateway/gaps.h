/* gaps.h - what is known to be missing of a log: ranges of its bytes, each with its reason. */
#ifndef ORION_GATEWAY_GAPS_H
#define ORION_GATEWAY_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GAP_REASON_SIZE 257

struct follow_gap {
    uint64_t from, to;               /* [from, to) */
    char reason[GAP_REASON_SIZE];
};

struct gaps {
    struct follow_gap *v;            /* in order, without overlap */
    size_t n;
};

/* A range that touches one with the same reason becomes one with it; of what overlaps otherwise, the newer word counts.
 * At most GAPS_MAX are kept: who needs a forgotten one learns of it again. */
#define GAPS_MAX 64
void gaps_add(struct gaps *g, uint64_t from, uint64_t to, const char *reason);
const struct follow_gap *gaps_at(const struct gaps *g, uint64_t offset);   /* that holds this byte; NULL: none */
void gaps_fini(struct gaps *g);

#endif
