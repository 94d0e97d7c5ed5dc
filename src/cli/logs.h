/* logs.h - what the parts of `orion logs` share: the options, the task, and where the bytes go. */
#ifndef ORION_CLI_LOGS_H
#define ORION_CLI_LOGS_H

#include "cli/outlet.h"
#include "cli/source.h"

struct logs_options {
    struct cli_server server;
    bool follow, ignore_case, plain, verify, replay;
    struct opt_int attempt, tail, max_pause;
    const char *since, *grep, *format, *output, *speed;
};

struct logs {
    const struct cli_call *call;
    const struct logs_options *o;
    struct api api;
    const char *id;
    const char *place;        /* of --tail and --since, as a query ("&tail=10"); NULL: the whole log */
    struct outlet out;
    struct json_lines lines;  /* of --format jsonl */
    struct msg_v1_task task;  /* as it was at the beginning; its texts live in api.arena */
    const struct msg_v1_attempt *attempt;  /* the one that was asked for; NULL: there is none yet */
    bool has_holes;
};

/* The source of the attempt's bytes: they go to l->out, its holes to standard error. */
struct source logs_source(struct logs *l);
int logs_read_task(struct logs *l, struct err *e);
int logs_events(struct logs *l);     /* --format sse */
int logs_form(struct logs *l, const char *query); /* what cannot be resumed by offset, "format=cast" */
int logs_verify(struct logs *l);
int logs_replay(struct logs *l);

#endif
