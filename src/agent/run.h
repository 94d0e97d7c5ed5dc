/* run.h - the agent's end of one runner: starts or adopts it, hears of its spool and its end, trims and stops it.
 * A runner lives on when its agent does not; nothing here ends one but run_stop. */
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
    const struct msg_runner_job *order;   /* its spool is where the two meet (berth.h) */
};
struct run_hooks {
    void (*on_spooled)(void *arg, uint64_t seq, uint64_t offset);
    /* Nothing of the attempt runs any more. NULL: the runner died without a result, and why. */
    void (*on_ended)(void *arg, const struct msg_runner_ended *ended, const char *why);
};

struct runs *runs_new(struct loop *l);
void runs_free(struct runs **rs);   /* closes every socket; the runners live on */

struct run *run_start(struct runs *rs, const struct run_spec *spec, const struct run_hooks *hooks, void *arg,
                      struct err *e);
/* The runner that a former agent started in `spool`: it lives, or has left its result there, or died without (`why` is
 * then the reason that is told). Every hook comes from the loop. */
struct run *run_adopt(struct runs *rs, const char *spool, const char *why, const struct run_hooks *hooks, void *arg);
void run_trim(struct run *r, uint64_t seq, uint64_t offset);
void run_stop(struct run *r, const char *reason);
void run_free(struct run **r);      /* nobody hears of it any more */

#endif
