/* seal.h - the end of a log: DIR/log/XX/TASK/N.seal, 128 bytes, little-endian. A log with a seal takes no more bytes.
 *
 *   "ORIONSEA", version u32, state u32 (1 complete, 2 gap), task 16, attempt u32, 0 u32, chunks u64, bytes u64,
 *   lines u64, head 32, 0..., crc32c u32 of the 124 before */
#ifndef ORION_LOGSINK_SEAL_H
#define ORION_LOGSINK_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "logsink/key.h"

#define SEAL_VERSION 1
#define SEAL_SIZE 128

enum seal_state { SEAL_OPEN = 0, SEAL_COMPLETE = 1, SEAL_GAP = 2 };

struct seal {
    enum seal_state state;   /* SEAL_OPEN: not sealed, the rest says nothing */
    uint64_t chunks;
    uint64_t bytes;
    uint64_t lines;
    struct hash head;        /* H(chunks) */
};

const char *seal_state_name(enum seal_state s);   /* open, complete, gap */
void seal_encode(const struct seal *s, const struct log_key *key, uint8_t out[SEAL_SIZE]);
/* -1: not this attempt's seal, damaged, or of a newer version (the reason says which). */
int seal_decode(const uint8_t *in, size_t len, const struct log_key *key, struct seal *s_r, struct err *e);

#endif
