/* fanout.h - the agent of the fan-out bench and the door that its output comes in by. */
#ifndef ORION_BENCH_FANOUT_H
#define ORION_BENCH_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/loop.h"

/* Prints the reason and ends the program: a bench that cannot go on has no figures. */
void fanout_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* fanout_door.c: an HTTP server for one load client, which calls back for every POST's body. */
struct door;
struct door_hooks {
    void (*on_body)(void *arg, const char *data, size_t len);
    bool (*may_read)(void *arg);       /* false: the client waits; then door_go_on */
    void (*on_left)(void *arg);        /* the client that posted something is gone */
};
struct door *door_open(struct loop *l, int port, const struct door_hooks *hooks, void *arg);
void door_go_on(struct door *d);
void door_close(struct door **d);

#endif
