/* berth.h - where a runner is met: in the attempt's folder, a socket that it listens on and a file that it keeps locked.
 *
 *   socket   the agent makes it and hands it over, so nobody has to wait until the runner listens
 *   lock     flock(2), taken by the agent and handed over with the open file: held until the runner is gone, however it
 *            ends, and by nobody else. It alone says whether a runner lives
 *   result   what the runner left at its end (PROTOCOL "runner.ended") */
#ifndef ORION_AGENT_BERTH_H
#define ORION_AGENT_BERTH_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "proto/msg.h"

struct berth {
    int listener, lock;
};

int berth_open(struct berth *b, const char *dir, struct err *e);   /* ERR_CONFLICT: a runner lives here */
void berth_close(struct berth *b);

int berth_connect(const char *dir);                /* a descriptor that does not block, or -1 */
bool berth_is_taken(const char *dir);              /* a runner lives */
bool berth_was_used(const char *dir);              /* a runner lives, or did: it wrote something */
/* 0: its result; -1: there is none that can be read. */
int berth_result(const char *dir, struct arena *a, struct msg_runner_ended *ended_r);

#endif
