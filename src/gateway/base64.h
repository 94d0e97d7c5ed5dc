/* base64.h - bytes as base64 text (RFC 4648, section 4, with padding). */
#ifndef ORION_GATEWAY_BASE64_H
#define ORION_GATEWAY_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

void base64_encode(const uint8_t *data, size_t len, struct buf *out);

#endif
