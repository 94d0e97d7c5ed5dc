/* helper.h - programs the agent runs for itself (git, rm): asynchronous, their output captured, with a time limit. */
#ifndef ORION_AGENT_HELPER_H
#define ORION_AGENT_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/loop.h"

struct helpers;   /* all that run */
struct helper;    /* one */

struct helper_spec {
    const char *const *argv;
    const char *const *env;      /* NULL: the agent's */
    int64_t timeout_ms;
};
struct helper_end {
    bool ok;                     /* it was started and left with 0 */
    const char *out;             /* what it wrote to stdout, at most 1 MiB */
    const char *err;             /* to stderr, at most 16 KiB; or why it was not started, or that it took too long */
};
typedef void helper_fn(void *arg, const struct helper_end *end);

/* `mark`: of whom they are. It stands as HELPER_MARK in the environment of every helper and whatever that starts, for
 * stray_kill_helpers. */
#define HELPER_MARK "ORION_AGENT_HELPER"
struct helpers *helpers_new(struct loop *l, const char *mark);
void helpers_free(struct helpers **hs);   /* kills what runs */

/* `fn` is always called, from the loop, and never from here; unless it is cancelled before. */
struct helper *helper_start(struct helpers *hs, const struct helper_spec *spec, helper_fn *fn, void *arg);
void helper_stop(struct helper *h);       /* it is told to end; `fn` comes when it has */
void helper_cancel(struct helper **h);    /* the same, but nobody hears of it */

#endif
