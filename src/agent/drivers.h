/* drivers.h - which build tool fits a workspace, and the command lines it gets. Pure. */
#ifndef ORION_AGENT_DRIVERS_H
#define ORION_AGENT_DRIVERS_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "proto/msg.h"

struct drivers_order {
    const char *driver;      /* named by the task or the repository's row; NULL: the first that fits */
    const char *target;      /* as submitted: none, one, or several separated by blanks; may be NULL */
    struct msg_strs args;    /* as submitted; empty ones are dropped */
    unsigned jobs;           /* N of -jN */
};

struct drivers_tool {
    const char *program;
    const char *hint;        /* how to get it */
};
#define DRIVERS_TOOLS_MAX 2

struct drivers_plan {
    const char *driver;
    const struct drivers_tool *tools;    /* what has to be on the PATH, up to the first without a program */
    struct msg_command_list commands;    /* in the arena */
};

/* Is there such a file in the root of the workspace (one that may be executed)? */
typedef bool drivers_probe_fn(void *arg, const char *name, bool is_executable);

/* ERR_NOT_FOUND: no such driver, or none fits; the sentence is meant for the task. */
int drivers_plan(const struct drivers_order *order, drivers_probe_fn *probe, void *arg, struct arena *a,
                 struct drivers_plan *plan_r, struct err *e);
bool drivers_is_known(const char *name);
const char *drivers_names(struct arena *a);  /* "buck2, bazel, ..." */

#endif
