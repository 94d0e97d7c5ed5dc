/* tail.h - where the last lines of a log begin, found by going backwards through it block by block. */
#ifndef ORION_GATEWAY_TAIL_H
#define ORION_GATEWAY_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAIL_BLOCK ((uint64_t)256 * 1024)
#define TAIL_REACH ((uint64_t)256 * 1024 * 1024)   /* further back it does not look */

struct tail {
    uint64_t low;        /* nothing before it counts */
    uint64_t end;
    uint64_t at;         /* everything from here to the end was looked at */
    uint64_t wanted;     /* lines */
    uint64_t start;      /* when done: where the last lines begin */
    bool is_done;
};

/* The last `lines` lines of [low, end): what stands behind the last newline is one, too. */
void tail_begin(struct tail *t, uint64_t low, uint64_t end, uint64_t lines);
uint64_t tail_block(const struct tail *t);   /* where the next block begins; it ends at t->at */
void tail_look(struct tail *t, const uint8_t *block);

#endif
