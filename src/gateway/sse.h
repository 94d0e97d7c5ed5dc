/* sse.h - log bytes as server-sent events: where an event ends, and how its text is written.
 *
 * An event is a line (`log`) or a piece of one that is not finished yet (`part`). Its `id:` is
 * `<attempt>.<offset>`, the offset behind its bytes, so a reader can go on from any event. */
#ifndef ORION_GATEWAY_SSE_H
#define ORION_GATEWAY_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define SSE_LINE_MAX 16384   /* a longer line is shown in parts */

enum sse_rest {
    SSE_WAIT,    /* an unfinished line may still grow: show only whole ones */
    SSE_QUIET,   /* nothing came for a while: show the unfinished line too */
    SSE_LAST,    /* nothing will come any more */
};

struct sse_event {
    size_t shown;   /* bytes of text */
    size_t taken;   /* bytes of the log, the line's end included */
    bool is_part;
};

/* The next event in the log's bytes; false: none yet. Looks at no more than SSE_LINE_MAX + 1 bytes. */
bool sse_next(const uint8_t *data, size_t len, enum sse_rest rest, struct sse_event *event_r);

/* Writes text of an event behind `data: ` as far as it fits; returns the bytes of `data` that are done. A CR begins
 * a new `data: ` line (a terminal's "over again" becomes "and then"), NUL and what is not UTF-8 become U+FFFD. */
size_t sse_text(const uint8_t *data, size_t len, char *out, size_t room, size_t *written_r);
/* Bytes at the end that begin a character and do not end it. */
size_t sse_cut_character(const uint8_t *data, size_t len);
#define SSE_STEP_MAX 8   /* most room that one character needs */

/* The two dialects of a log's events. */
struct sse_form {
    bool is_named;      /* with `event: log` or `event: part` */
    int64_t attempt;    /* in front of the offset, in `id:` */
};
#define SSE_HEAD_MAX 72
#define SSE_TAIL "\n\n"
/* What stands in front of an event's text, up to `data: `; `next` is the offset behind the event. Its length. */
size_t sse_head(const struct sse_form *form, bool is_part, uint64_t next, char out[SSE_HEAD_MAX]);
/* Appends the whole event, whose bytes are at `data` and lie at `offset` of the log. */
void sse_put(const struct sse_form *form, const struct sse_event *event, const uint8_t *data, uint64_t offset,
             struct buf *out);

#endif
