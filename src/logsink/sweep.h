/* sweep.h - a walk over all logs of a sink, a few folders at a time. Changes nothing.
 *
 * Folders are walked in an order of their own; what comes or goes meanwhile is seen or not. Memory: one task's
 * attempts. */
#ifndef ORION_LOGSINK_SWEEP_H
#define ORION_LOGSINK_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "logsink/key.h"

enum sweep_file {
    SWEEP_LOG = 1,
    SWEEP_PACKED = 2,
    SWEEP_CHUNKS = 4,
    SWEEP_SEAL = 8,
    SWEEP_LEFT = 16,   /* the unfinished file of something that was interrupted, or that goes on now */
};

struct sweep_item {
    struct log_key key;
    unsigned files;        /* SWEEP_... that are there */
    uint64_t bytes;        /* that they take on the disk */
    uint64_t touched_ms;   /* wall clock: last write to log or chunks */
    uint64_t seal_ms;      /* wall clock: last write to the seal */
};
typedef void sweep_fn(void *arg, const struct sweep_item *item);

struct sweep;
struct sweep *sweep_new(int dir_fd);
void sweep_free(struct sweep **s);
/* The next folder's items. false: that was the last one; the next call begins again. */
bool sweep_step(struct sweep *s, sweep_fn *fn, void *arg);

#endif
