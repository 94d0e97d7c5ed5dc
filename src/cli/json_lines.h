/* json_lines.h - a log as JSON lines (PROTOCOL "log.line"), cut into whole ones and resumed after a break. Pure. */
#ifndef ORION_CLI_JSON_LINES_H
#define ORION_CLI_JSON_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

enum { JSON_LINES_STREAMS = 3, JSON_LINES_LINE_MAX = 1 << 20 };

/* Of one attempt. */
struct json_lines {
    struct buf pending;                   /* the line that is not whole yet */
    int64_t next;                         /* the offset to ask for after a break */
    int64_t shown[JSON_LINES_STREAMS];    /* of each stream: 1 + the offset of its last line; 0: none yet */
    bool has_gaps;
};

/* Appends to `out` the whole lines that were not there before. -1: what came are not such lines. */
int json_lines_feed(struct json_lines *l, const char *data, size_t len, struct buf *out, struct err *e);
void json_lines_break(struct json_lines *l);   /* what was not whole comes again */
void json_lines_fini(struct json_lines *l);    /* and empty, for another attempt */

#endif
