/* position.h - how far a log goes: chunks, bytes, lines and the head of its hash chain. */
#ifndef ORION_LOGSINK_POSITION_H
#define ORION_LOGSINK_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/hash.h"
#include "logsink/key.h"
#include "proto/chain.h"

struct position {
    uint64_t seq;        /* last chunk; 0: none */
    uint64_t bytes;      /* offset behind its last byte */
    uint64_t newlines;
    bool is_line_open;   /* the last byte is not a newline */
    struct hash head;    /* H(seq) */
    bool is_broken;      /* chunks in front of it are missing or damaged */
};

void position_start(struct position *p, const struct log_key *key);
/* Past one more chunk, whose seq and offset fit. */
void position_advance(struct position *p, const struct chain_chunk *c, const void *data);
/* Newlines, plus one for a last line without. */
uint64_t position_lines(const struct position *p);

#endif
