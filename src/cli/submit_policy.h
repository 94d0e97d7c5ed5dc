/* submit_policy.h - the options of a submission that say when and how often it is built: priority, group, what comes
 * before it, limits of time, retries. Pure. */
#ifndef ORION_CLI_SUBMIT_POLICY_H
#define ORION_CLI_SUBMIT_POLICY_H

#include "cli/opts.h"
#include "proto/msg.h"

struct submit_policy {
    const char *priority, *group, *after_condition, *supersede;
    struct opt_list after, retry_on, retry_exit_codes;
    struct opt_int build_timeout, silence_timeout, queue_timeout, tries;
};

/* Fills in what was said. The error names the option. */
int submit_policy_fill(const struct submit_policy *p, struct arena *a, struct msg_v1_submit *m, struct err *e);

#endif
