/* encoded.h - the newest events of a log as text, made once for all its viewers of one kind.
 *
 * Text and the places between events, by the log's offsets: a viewer that stands at such a place takes whole events
 * from there on, byte by byte the same as it would make itself. */
#ifndef ORION_GATEWAY_ENCODED_H
#define ORION_GATEWAY_ENCODED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/ring.h"
#include "gateway/sse.h"
#include "lib/buf.h"

struct encoded_mark {
    uint64_t offset;    /* in the log, behind an event's bytes */
    uint64_t at;        /* in the text, behind the event */
};

struct encoded {
    struct ring text;
    struct encoded_mark *marks;      /* a ring of them; the first is where the text begins */
    size_t cap, first, n;
    uint64_t seen;                   /* what ends here was looked at */
    size_t max;                      /* bytes of text kept */
    size_t misses;                   /* viewers in a row that stood at none of the marks */
    bool was_short;                  /* somebody came for what was dropped already */
};

#define ENCODED_MIN ((size_t)256 * 1024)   /* more than one event can take */

/* Adds the events that lie in `data`, the log's bytes from `offset` on: whole lines and the parts of long ones. When
 * they do not follow on what is there, it begins anew. `scratch` is any buffer. */
void encoded_add(struct encoded *e, const struct sse_form *form, uint64_t offset, const uint8_t *data, size_t len,
                 struct buf *scratch);
/* Would encoded_add with bytes up to `end` be of use to a viewer at `offset`? Not while most find what they need. */
bool encoded_wants(const struct encoded *e, uint64_t offset, uint64_t end, size_t viewers);
/* Whole events from `offset` on, as many as `room` holds: bytes of text, and the offset behind them. 0: none. */
size_t encoded_get(struct encoded *e, uint64_t offset, size_t room, const char **text_r, uint64_t *next_r);
size_t encoded_memory(const struct encoded *e);
void encoded_fini(struct encoded *e);

#endif
