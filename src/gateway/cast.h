/* cast.h - the bytes of a log as events of an asciicast, version 2: what a terminal would have been sent, and when. */
#ifndef ORION_GATEWAY_CAST_H
#define ORION_GATEWAY_CAST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum { CAST_STREAMS = 3 };

struct cast {
    struct cast_held {
        uint8_t data[4];     /* the beginning of a character whose rest is still to come */
        size_t len;
    } held[CAST_STREAMS];
    uint64_t last_ns;
    struct buf text;
};

/* An event as one line. A newline becomes CR LF, as a terminal's line discipline would make it: players show bytes as
 * they are. What is not UTF-8 becomes U+FFFD. Times never go back. */
void cast_put(struct cast *c, unsigned stream, uint64_t time_ns, const uint8_t *data, size_t len, struct buf *out);
void cast_end(struct cast *c, struct buf *out);   /* what was held back */
void cast_fini(struct cast *c);

#endif
