/* seal.h - the end of a log: DIR/log/XX/TASK/N.seal, 128 bytes, little-endian. A complete log takes no more bytes; one
 * sealed as gap takes what continues its chain and may be sealed again.
 *
 *   "ORIONSEA", version u32, state u32 (1 complete, 2 gap), task 16, attempt u32, 0 u32, chunks u64, bytes u64,
 *   lines u64, head 32, sealed_at_ms u64, keep_ms u64, removed_at_ms u64, removed u8, flags u8, 0 u16,
 *   crc32c u32 of the 124 before
 *
 * Version 1 ends with the head; zeros follow it. */
#ifndef ORION_LOGSINK_SEAL_H
#define ORION_LOGSINK_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "logsink/key.h"

#define SEAL_VERSION 2
#define SEAL_SIZE 128

enum seal_state { SEAL_OPEN = 0, SEAL_COMPLETE = 1, SEAL_GAP = 2 };
enum seal_removed {
    SEAL_KEPT = 0,       /* the bytes are there */
    SEAL_EXPIRED = 1,    /* older than it is kept */
    SEAL_SPACE = 2,      /* the disk was filling up */
    SEAL_ABANDONED = 3,  /* never sealed, and nothing came for too long */
};
enum seal_flag { SEAL_ARCHIVED = 1 };   /* the archive has it */

struct seal {
    enum seal_state state;   /* SEAL_OPEN: not sealed, the rest says nothing */
    uint64_t chunks;
    uint64_t bytes;
    uint64_t lines;
    struct hash head;        /* H(chunks) */
    uint64_t sealed_at_ms;   /* wall clock; 0: not known (version 1) */
    uint64_t keep_ms;        /* from then on; 0: the sink's setting decides */
    uint64_t removed_at_ms;  /* wall clock; 0: not removed */
    enum seal_removed removed;
    uint8_t flags;           /* SEAL_... */
};

const char *seal_state_name(enum seal_state s);       /* open, complete, gap */
const char *seal_removed_reason(enum seal_removed r); /* "removed: ...", for viewers; NULL: it is there */
void seal_encode(const struct seal *s, const struct log_key *key, uint8_t out[SEAL_SIZE]);
/* -1: not this attempt's seal, damaged, or of a newer version (the reason says which). */
int seal_decode(const uint8_t *in, size_t len, const struct log_key *key, struct seal *s_r, struct err *e);

#endif
