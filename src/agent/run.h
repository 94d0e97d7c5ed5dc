/* run.h - the agent's end of one runner: starts it, hears of its spool and its end, trims and stops it. */
#ifndef ORION_AGENT_RUN_H
#define ORION_AGENT_RUN_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "proto/msg.h"

struct runs;   /* all of them */
struct run;    /* one */

struct run_spec {
    const char *program;
    int keep_fd;                          /* held open by the runner until it is gone */
    const struct msg_runner_job *order;
};
struct run_hooks {
    void (*on_spooled)(void *arg, uint64_t seq, uint64_t offset);
    /* Nothing of the attempt runs any more. NULL: the runner died without a result, and why. */
    void (*on_ended)(void *arg, const struct msg_runner_ended *ended, const char *why);
};

struct runs *runs_new(struct loop *l);
void runs_free(struct runs **rs);   /* closes every socket; nobody waits for the processes any more */

struct run *run_start(struct runs *rs, const struct run_spec *spec, const struct run_hooks *hooks, void *arg,
                      struct err *e);
void run_trim(struct run *r, uint64_t seq, uint64_t offset);
void run_stop(struct run *r, const char *reason);
/* Closes the socket: a runner that is done leaves, another one kills what it has. Nobody hears of it any more. */
void run_free(struct run **r);

#endif
