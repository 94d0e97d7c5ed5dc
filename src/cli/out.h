/* out.h - what people read: aligned tables, times, a little colour on a terminal; and small JSON documents of our own
 * (what the server says is printed as it came). */
#ifndef ORION_CLI_OUT_H
#define ORION_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/mem.h"

/* Rows of the same number of texts; the first is the heading. Columns align. */
struct out_table {
    struct arena *arena;
    size_t columns;
    const char **cells;
    size_t n;          /* cells */
};
void out_row(struct out_table *t, const char *const *cells);  /* copies; NULL is shown as "-" */
void out_table_print(const struct out_table *t);

bool out_has_colour(void);                          /* a terminal, and no NO_COLOR */
const char *out_time(struct arena *a, bool has, int64_t wall_ms);   /* local time, or NULL */
const char *out_span(struct arena *a, int64_t ms);  /* "1m 12s" */
void out_state(const char *state);                  /* coloured by what it means */
const char *out_short(struct arena *a, const char *text, size_t max); /* cut with "..." */

/* The server's document and a newline, if it has none. */
void out_document(const struct buf *body);

/* JSON text of our own. */
void out_json_text(struct buf *to, const char *text);   /* quoted and escaped; NULL: null */
/* Bytes of a log inside a JSON text: escaped, invalid UTF-8 becomes U+FFFD. Keeps a sequence that a chunk cuts. */
struct out_utf8 {
    unsigned char held[4];
    size_t n;
};
void out_json_bytes(struct out_utf8 *u, struct buf *to, const char *data, size_t len);
void out_json_bytes_end(struct out_utf8 *u, struct buf *to);

#endif
