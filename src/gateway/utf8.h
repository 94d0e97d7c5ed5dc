/* utf8.h - the one question the gateway asks about text: what stands here? */
#ifndef ORION_GATEWAY_UTF8_H
#define ORION_GATEWAY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the valid character at data (1..4); 0: not valid here; -1: valid so far, but cut off by the end. */
int utf8_step(const uint8_t *data, size_t len);
bool utf8_is_text(const uint8_t *data, size_t len);   /* valid UTF-8 without NUL */

#endif
