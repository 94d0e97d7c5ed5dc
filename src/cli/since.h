/* since.h - points in time as people say them: "10m" ago, "14:30", "2026-11-21 14:30", RFC 3339. Pure. */
#ifndef ORION_CLI_SINCE_H
#define ORION_CLI_SINCE_H

#include <stdint.h>

#include "lib/err.h"

/* What has no zone is local time; a time of day that is still to come today means yesterday's. 0 or -1. */
int since_parse(const char *text, int64_t now_ms, int64_t *wall_ms_r, struct err *e);

#endif
