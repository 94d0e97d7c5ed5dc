/* plain.h - a stream without what moves a terminal's cursor or changes it: escape sequences and control characters
 * go, lines and tabs stay; a carriage return that is not a line's end becomes one. Pure. */
#ifndef ORION_CLI_PLAIN_H
#define ORION_CLI_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

enum plain_state {
    PLAIN_TEXT,
    PLAIN_ESCAPE,     /* behind ESC */
    PLAIN_SEQUENCE,   /* behind ESC [ : to a final byte */
    PLAIN_STRING,     /* behind ESC ] P X ^ _ : to BEL or ESC \ */
    PLAIN_STRING_END, /* an ESC within */
    PLAIN_SHORT,      /* behind ESC and an intermediate byte: to a final byte */
    PLAIN_C1,         /* behind 0xC2: U+0080 to U+009F are controls too */
};

struct plain {
    enum plain_state state;
    bool is_returned;   /* a CR waits for what follows it */
};

void plain_feed(struct plain *p, const char *data, size_t len, struct buf *out);

#endif
