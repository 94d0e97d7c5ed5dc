/* line_filter.h - the lines of a stream that hold a text, each with its number in front, as `grep -n` does. Pure. */
#ifndef ORION_CLI_LINE_FILTER_H
#define ORION_CLI_LINE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define LINE_FILTER_MAX 65536   /* a longer line is looked at in pieces of this size */

struct line_filter {
    const char *text;
    bool ignore_case;      /* of ASCII letters */
    uint64_t lines;        /* that were passed */
    struct buf line;       /* so far, not shown */
    bool is_shown;         /* the line at hand is: its text was found in it */
};

/* Appends to `out` what is to be seen: whole lines, and the rest of those whose text was found. */
void line_filter_feed(struct line_filter *f, const char *data, size_t len, struct buf *out);
void line_filter_end(struct line_filter *f, struct buf *out);   /* nothing follows: the unfinished line counts */
void line_filter_fini(struct line_filter *f);

#endif
