/* peers.h - the lists of other processes in the settings, and the programs' shared names.
 *
 *   ORION_SCHEDULERS=ipc:///run/orion/scheduler.sock [ipc://... ...]
 *   ORION_SINKS=sink-1=ipc:///run/orion/sink-1.sock+ipc:///run/orion/sink-1.live [...]
 * Separated by blanks or commas. */
#ifndef ORION_PROTO_PEERS_H
#define ORION_PROTO_PEERS_H

#include <stddef.h>

#include "lib/err.h"
#include "lib/mem.h"

struct peers_sink {
    const char *name;
    const char *control;   /* ROUTER: chunks, reads */
    const char *live;      /* XPUB */
};

/* Results live in the arena; 0 or -1 with `field` = the variable. */
int peers_schedulers(const char *text, struct arena *a, const char *const **endpoints_r, size_t *n_r, struct err *e);
int peers_sinks(const char *text, struct arena *a, const struct peers_sink **sinks_r, size_t *n_r, struct err *e);

#endif
