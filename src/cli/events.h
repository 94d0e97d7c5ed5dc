/* events.h - a stream of server-sent events cut into whole ones, so that it can break anywhere and go on. Pure. */
#ifndef ORION_CLI_EVENTS_H
#define ORION_CLI_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

#define EVENTS_ID_SIZE 64
#define EVENTS_PENDING_MAX (8 << 20)

struct events {
    struct buf pending;             /* the event that is not whole yet */
    char last_id[EVENTS_ID_SIZE];   /* of the last whole event that had one; empty: none */
    bool has_ended;                 /* `event: end` came */
};

/* Appends to `out` the whole events that have data, each with its empty line; comments and retry times are left out.
 * false: an event that does not end. */
bool events_feed(struct events *s, const char *data, size_t len, struct buf *out);
void events_break(struct events *s);   /* the connection is gone: what was not whole comes again */
void events_fini(struct events *s);

#endif
