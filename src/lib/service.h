/* service.h - one main for all daemons: options, configuration, logging, signals, readiness, drain, exit codes.
 *
 *   start -> run -> drain (SIGTERM, SIGINT; at most drain_ms) -> stop
 *
 * A service with `slots` is a prefork master: it calls `open` once, then keeps one worker process per slot
 * alive, each of which runs `start` in its own process. The master runs no library that does not survive fork.
 * A worker that stops answering its heartbeat is killed and replaced; one that dies is replaced with back-off.
 * SIGHUP: the settings are read again and a new generation of workers is started, then the old one is drained;
 * what `open` made and the number of slots stay. A worker whose master dies is killed by the kernel.
 *
 * Exit codes: 0 asked to stop; 1 failed (one line on stderr says why); 2 wrong usage. */
#ifndef ORION_LIB_SERVICE_H
#define ORION_LIB_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/loop.h"

struct service;   /* a running one */

struct service_spec {
    const char *name;                 /* "scheduler"; the program is orion-NAME */
    const char *summary;              /* one line for --help */
    const struct conf_row *rows;      /* settings; the common ones (--config, --log, --log-format) come by themselves */
    size_t settings_size;
    int (*check)(void *settings, struct err *e);                       /* what the rows cannot say; may be NULL */

    /* prefork only (`slots` not NULL) */
    unsigned (*slots)(const void *settings);                           /* how many workers */
    int (*open)(void *settings, void **shared_r, struct err *e);       /* master: listening sockets */

    /* every process that serves; *state_r is the service's own. `slot` is 0 without prefork. A start that fails
     * has released what it made: stop is not called then. */
    int (*start)(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r, struct err *e);
    void (*drain)(void *state);       /* stop taking work; call service_drained when nothing is left; NULL: at once */
    void (*stop)(void **state);       /* release everything; *state is set to NULL */
    int64_t drain_ms;
};

int service_main(const struct service_spec *spec, int argc, char **argv);

struct loop *service_loop(struct service *s);
const char *service_version(void);            /* PACKAGE_VERSION */
/* The service is up: sd_notify READY=1, and `ready NAME` is written to the descriptor named by
 * ORION_READY_FD (the lab's way to wait), which is then closed. A prefork master does so when every slot has. */
void service_ready(struct service *s);
void service_drained(struct service *s);
/* Give up: logs the reason and ends the process with code 1. */
_Noreturn void service_fail(struct service *s, const struct err *e);

#endif
