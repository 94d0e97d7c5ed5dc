/* lines.h - the bytes of a log as lines, each stream's put together apart, in bounded memory. */
#ifndef ORION_GATEWAY_LINES_H
#define ORION_GATEWAY_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define LINE_PIECE_MAX 16384   /* a longer line comes in pieces */

/* Where bytes come from: a stream (proto/chain.h) or the runner's own notes, which are whole lines. */
enum { LINE_NOTES = 3, LINE_SOURCES = 4 };

struct line_origin {
    unsigned source;
    unsigned stream;
    uint64_t offset;     /* of the first byte, in the log */
    uint64_t time_ns;
};

struct line {
    unsigned source, stream;
    uint64_t offset;     /* of its first byte */
    uint64_t time_ns;    /* when that byte came */
    const uint8_t *data; /* without the newline */
    size_t len;
    bool is_first;       /* a line begins here: it is not the rest of one */
    bool is_ended;       /* a newline followed */
};

struct lines {
    struct lines_source {
        struct buf text;         /* of the line that is not over yet */
        size_t shown;            /* bytes of it that the last line returned holds */
        uint64_t offset, time_ns;
        unsigned stream;
        uint64_t behind;         /* offset of what is left behind them */
        bool is_inside;          /* the line's beginning was returned already */
    } of[LINE_SOURCES];
};

/* Takes bytes up to the next line or piece of one: returns how many. line_r->data is NULL when they hold none, else
 * valid until the next call. The rest is handed in again, its origin moved on. */
size_t lines_take(struct lines *l, const struct line_origin *from, const uint8_t *data, size_t len,
                  struct line *line_r);
/* What is left without its newline, the oldest first; false: nothing. */
bool lines_rest(struct lines *l, struct line *line_r);
/* Offset of the oldest byte that was taken and not returned; UINT64_MAX: there is none. */
uint64_t lines_pending(const struct lines *l);
void lines_fini(struct lines *l);

#endif
