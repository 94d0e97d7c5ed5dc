/* cli.h - `orion`: what a verb is, its exit codes, and what every verb is given. */
#ifndef ORION_CLI_CLI_H
#define ORION_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/opts.h"
#include "lib/err.h"
#include "lib/mem.h"

/* docs/ARCHITECTURE.md "Names that users meet"; man/orion.1 EXIT STATUS */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,        /* the build failed; or what was asked for did */
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_DENIED = 4,
    CLI_UNREACHABLE = 5,
    CLI_CANCELLED = 6,     /* or superseded */
    CLI_INFRASTRUCTURE = 7,
    CLI_TOO_LONG = 124,
    CLI_INTERRUPTED = 130,
};

/* Options that every verb has: the first member of its options' struct. */
struct cli_common {
    bool json;
    bool help;
};
/* And those of verbs that ask a server. */
struct cli_server {
    struct cli_common common;
    const char *url;
    const char *ca_file;
};
#define CLI_COMMON_ROWS                                                                                     \
    { OPT_FLAG, 0, "json", offsetof(struct cli_common, json), NULL, "print one JSON document", 0, 0 },     \
    { OPT_FLAG, 'h', "help", offsetof(struct cli_common, help), NULL, "show this text", 0, 0 },            \
    { OPT_END, 0, NULL, 0, NULL, NULL, 0, 0 }
#define CLI_SERVER_ROWS                                                                                     \
    { OPT_STR, 0, "url", offsetof(struct cli_server, url), "URL", "server (ORION_URL)", 0, 0 },             \
    { OPT_STR, 0, "ca-file", offsetof(struct cli_server, ca_file), "FILE",                                  \
      "certificates to trust (ORION_CA_FILE)", 0, 0 },                                                      \
    CLI_COMMON_ROWS

struct cli_call {
    const struct verb *verb;
    struct arena *arena;        /* everything a verb keeps until it returns */
    const void *options;        /* the verb's struct */
    struct opts_args args;
    int argc;                   /* the words behind the verb as they came */
    char **argv;
};

struct verb {
    const char *name;
    const char *synopsis;               /* behind the name in the usage line */
    const char *summary;                /* NULL: not listed */
    const char *details;                /* more for --help; may be NULL */
    const struct opt *rows;             /* NULL: no parsing, the verb reads argc and argv itself */
    size_t options_size;
    int (*run)(const struct cli_call *call);  /* returns an enum cli_exit or a build's exit code; NULL: only subs */
    const struct verb *const *subs;     /* NULL-terminated: verbs of their own behind this one */
};

extern const struct verb submit_verb, run_verb, status_verb, list_verb, logs_verb, cancel_verb, retry_verb, queue_verb,
    project_verb, group_verb, agent_verb, agents_verb, db_verb, lab_verb;

/* Prints "orion: reason" to stderr; returns the exit code that fits the reason. */
int cli_fail(const struct err *e);
int cli_usage(const struct cli_call *call, const char *what);   /* wrong usage: says what and where to look */
int cli_exit_code(enum err_kind kind);

/* From now on Ctrl-C ends the program at once with 130 after printing `text` to stderr. NULL: the default again. */
void cli_on_interrupt(const char *text);

/* The one operand of `call`, or NULL after saying what is wrong. */
const char *cli_operand(const struct cli_call *call, const char *what);

#endif
