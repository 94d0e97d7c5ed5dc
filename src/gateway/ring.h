/* ring.h - the newest bytes of a log that grows, under their absolute offsets. */
#ifndef ORION_GATEWAY_RING_H
#define ORION_GATEWAY_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *data;
    size_t cap;
    size_t start;      /* index of the first byte kept */
    size_t len;
    uint64_t offset;   /* of the first byte kept */
};

/* Adds what lies behind the end; what is known already is skipped, and a hole before `offset` drops the old
 * bytes. At most `max` bytes are kept (memory: twice that). */
void ring_put(struct ring *r, uint64_t offset, const uint8_t *data, size_t len, size_t max);
uint64_t ring_end(const struct ring *r);
/* The bytes from `offset` to the end, in one piece; 0: not kept here. Valid until the next ring_put. */
size_t ring_peek(const struct ring *r, uint64_t offset, const uint8_t **data_r);
void ring_fini(struct ring *r);

#endif
