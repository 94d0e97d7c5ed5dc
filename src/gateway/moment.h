/* moment.h - a point in time in a URL: RFC 3339, or how long ago. */
#ifndef ORION_GATEWAY_MOMENT_H
#define ORION_GATEWAY_MOMENT_H

#include <stdint.h>

/* "2026-11-21T14:30:00Z", or "90s", "5min", "2h", "1d", "90" (seconds) before now_ms. 0 or -1. */
int moment_parse(const char *text, int64_t now_ms, int64_t *wall_ms_r);

#endif
