/* query.h - what stands in a URL: percent-decoding, the query's pairs, and which of them a route knows. */
#ifndef ORION_GATEWAY_QUERY_H
#define ORION_GATEWAY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/mem.h"

struct query_pair {
    const char *name;
    const char *value;   /* "" without an equals sign */
};
struct query {
    const struct query_pair *v;
    size_t n;
};
#define QUERY_PAIRS_MAX 32

/* Percent-decodes; `plus` also turns + into a blank. Bad escapes, NUL and invalid UTF-8 are ERR_INVALID. */
int query_decode(const char *text, size_t len, bool plus, struct arena *a, const char **out_r, struct err *e);
/* The pairs of what stands behind the question mark; a name may come once. */
int query_parse(const char *text, struct arena *a, struct query *q_r, struct err *e);
const char *query_get(const struct query *q, const char *name);   /* NULL: not there */
/* Every name must be one of `names` (NULL-terminated); the error names the nearest. */
int query_check(const struct query *q, const char *const *names, struct err *e);
/* A decimal number within 0..max; `fallback` when absent. */
int query_number(const struct query *q, const char *name, int64_t max, int64_t fallback, int64_t *n_r, struct err *e);
/* "7.1234": the position of a log event, `<attempt>.<offset>`. 0 or -1. */
int query_position(const char *text, int64_t *attempt_r, int64_t *offset_r);

#endif
