/* verify.h - walks along a log: what is known of its chunks on one side, its bytes and holes on the other; recomputes the
 * hash chain and holds it against every head that is known. Pure.
 *
 * Pages of chunks are given in order; behind each, its bytes and holes, as they lie in the log, until the page is done. */
#ifndef ORION_CLI_VERIFY_H
#define ORION_CLI_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/chain.h"
#include "proto/msg.h"

enum { VERIFY_PAGE = 1024, VERIFY_REASON_SIZE = 257, VERIFY_SENTENCE_SIZE = 320 };

struct verify_gap {
    uint64_t from, to;
    char reason[VERIFY_REASON_SIZE];
};

/* The first thing that is wrong, at chunk `seq`. */
struct verify_break {
    bool is_there;
    uint64_t seq, offset;
    char what[VERIFY_SENTENCE_SIZE];
};

struct verify {
    struct hash head;             /* H(seq), when is_chained */
    bool is_chained;
    uint64_t seq;                 /* the last chunk that was passed */
    uint64_t at;                  /* offset of the next byte */
    uint64_t bytes, newlines;     /* that were there */
    bool is_line_open;
    uint64_t gaps, missing;       /* told so far: their number, their bytes */
    uint64_t unproven;            /* bytes that were there, but in chunks that were not whole or behind no known head */
    struct verify_break broken;
    void (*on_gap)(void *arg, const struct verify_gap *gap);
    void *arg;

    struct verify_gap gap;        /* not told yet: it may go on */
    struct msg_log_item page[VERIFY_PAGE];
    struct hash given[VERIFY_PAGE];      /* what the items' heads point to */
    size_t n, next;               /* of the page: the one at hand or to come */
    bool is_spoilt;               /* bytes of the chunk at hand are missing */
    size_t have;                  /* of the chunk at hand: bytes that were there */
    uint8_t data[CHAIN_DATA_MAX]; /* of the chunk at hand */
};

void verify_init(struct verify *v, const struct uuid *task, uint32_t attempt);
/* Copies the items. What the list says is checked here: a number or an offset that does not follow is a break. */
void verify_page(struct verify *v, const struct msg_log_item *items, size_t n);
uint64_t verify_page_end(const struct verify *v);      /* the offset where the page's chunks end */
void verify_bytes(struct verify *v, const void *data, size_t len);
void verify_missing(struct verify *v, uint64_t to, const char *reason);   /* [at, to) is not there */

/* What the result said of the log, as it was committed. */
struct verify_facts {
    bool has_bytes, has_lines, has_head;
    uint64_t bytes, lines;
    struct hash head;
    const char *log_state;
};
enum verify_verdict {
    VERIFY_COMPLETE,
    VERIFY_GAPS,        /* what is missing is explained; the rest is right */
    VERIFY_OPEN,        /* nothing is wrong; but nobody has said where it ends, or the end is still to come */
    VERIFY_BROKEN,
};
enum verify_verdict verify_end(struct verify *v, const struct verify_facts *facts);
uint64_t verify_lines(const struct verify *v);

#endif
