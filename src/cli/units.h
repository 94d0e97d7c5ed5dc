/* units.h - amounts as people write them: 100M, 30d. Pure. */
#ifndef ORION_CLI_UNITS_H
#define ORION_CLI_UNITS_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/mem.h"

/* A number, alone or with k, M, G, T (powers of 1024). `name` is the option's, for the error. */
int units_bytes(const char *name, const char *text, int64_t *bytes_r, struct err *e);
/* A number of seconds, or with s, m, h, d, w. */
int units_seconds(const char *name, const char *text, int64_t seconds_max, int64_t *seconds_r, struct err *e);
/* The shortest exact way to say it. */
const char *units_bytes_text(struct arena *a, int64_t bytes);
const char *units_seconds_text(struct arena *a, int64_t seconds);

#endif
