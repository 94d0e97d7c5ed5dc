/* submit.h - the options of a submission, shared by `orion submit` and `orion run`. */
#ifndef ORION_CLI_SUBMIT_H
#define ORION_CLI_SUBMIT_H

#include "cli/api.h"
#include "cli/submit_policy.h"

struct submit_options {
    struct cli_server server;
    struct opt_list args;        /* -a */
    const char *ref, *mr, *project, *driver, *idempotency_key;
    struct opt_list labels, env; /* env: K=V */
    bool separate_streams, force;
    struct opt_int timeout;
    struct submit_policy policy;
};

#define SUBMIT_ROWS                                                                                                   \
    { OPT_LIST, 'a', "arg", offsetof(struct submit_options, args), "ARG", "argument for the build tool", 0, 0 },      \
    { OPT_STR, 0, "ref", offsetof(struct submit_options, ref), "REF", "branch, tag or commit (default: HEAD)", 0, 0 },\
    { OPT_STR, 0, "mr", offsetof(struct submit_options, mr), "N", "merge request", 0, 0 },                            \
    { OPT_STR, 0, "project", offsetof(struct submit_options, project), "NAME", "project (default: default)", 0, 0 },  \
    { OPT_STR, 0, "driver", offsetof(struct submit_options, driver), "NAME", \
      "build tool, if not the first that fits", 0, 0 },                                                               \
    { OPT_LIST, 0, "label", offsetof(struct submit_options, labels), "LABEL", "label the agent must have", 0, 0 },    \
    { OPT_LIST, 0, "env", offsetof(struct submit_options, env), "NAME=VALUE", "variable for the build", 0, 0 },       \
    { OPT_FLAG, 0, "separate-streams", offsetof(struct submit_options, separate_streams), NULL,                       \
      "keep stdout and stderr apart in the log", 0, 0 },                                                              \
    { OPT_FLAG, 0, "force", offsetof(struct submit_options, force), NULL, \
      "a task of its own, even if the same is open", 0, 0 },                                                          \
    { OPT_STR, 0, "idempotency-key", offsetof(struct submit_options, idempotency_key), "KEY",                         \
      "the same key gives the same task (default: a new one)", 0, 0 },                                                \
    SUBMIT_POLICY_ROWS

#define SUBMIT_POLICY_AT(member) offsetof(struct submit_options, policy.member)
#define SUBMIT_POLICY_ROWS                                                                                            \
    { OPT_STR, 0, "priority", SUBMIT_POLICY_AT(priority), "CLASS", "critical, high, normal or low", 0, 0 },           \
    { OPT_STR, 0, "group", SUBMIT_POLICY_AT(group), "NAME", "concurrency group it counts against", 0, 0 },            \
    { OPT_LIST, 0, "after", SUBMIT_POLICY_AT(after), "ID", "not before this task has ended", 0, 0 },                  \
    { OPT_STR, 0, "after-condition", SUBMIT_POLICY_AT(after_condition), "HOW",                                        \
      "how those must end: succeeded (default), finished, any", 0, 0 },                                               \
    { OPT_MS, 0, "build-timeout", SUBMIT_POLICY_AT(build_timeout), "TIME", "longest run of an attempt", 0, 0 },       \
    { OPT_MS, 0, "silence-timeout", SUBMIT_POLICY_AT(silence_timeout), "TIME", "longest time without output", 0, 0 }, \
    { OPT_MS, 0, "queue-timeout", SUBMIT_POLICY_AT(queue_timeout), "TIME", "longest time to the first start", 0, 0 }, \
    { OPT_INT, 0, "tries", SUBMIT_POLICY_AT(tries), "N", "attempts at most (the farm's setting)", 1, 100 },           \
    { OPT_LIST, 0, "retry-on", SUBMIT_POLICY_AT(retry_on), "CAUSE",                                                   \
      "tried again: agent, infrastructure (both are the default); or none", 0, 0 },                                   \
    { OPT_LIST, 0, "retry-exit-code", SUBMIT_POLICY_AT(retry_exit_codes), "CODE", "tried again too", 0, 0 },          \
    { OPT_STR, 0, "supersede", SUBMIT_POLICY_AT(supersede), "WHAT",                                                   \
      "older tasks of the merge request it ends: off, queued, running", 0, 0 }

/* Sends `call` (its operands: repository and targets) with one idempotency key until it is answered, at most
 * patience_ms; the server's document stays with the caller. */
int submit_send(const struct api *api, const struct cli_call *call, int64_t patience_ms,
                struct msg_v1_task *task_r, struct buf *body_r, struct err *e);

#endif
