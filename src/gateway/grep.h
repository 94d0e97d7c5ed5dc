/* grep.h - does a line hold a text? */
#ifndef ORION_GATEWAY_GREP_H
#define ORION_GATEWAY_GREP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

struct grep {
    struct buf wanted;     /* as it is looked for */
    struct buf folded;     /* the line, when case does not matter */
    bool ignores_case;     /* of the letters A to Z */
};

void grep_init(struct grep *g, const char *text, bool ignores_case);
bool grep_matches(struct grep *g, const uint8_t *data, size_t len);
void grep_fini(struct grep *g);

#endif
