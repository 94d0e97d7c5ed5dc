/* ask.h - one request of a verb from its options to what it prints: the document (--json) or words for people. */
#ifndef ORION_CLI_ASK_H
#define ORION_CLI_ASK_H

#include "cli/api.h"

/* Options of the verbs that ask for one thing, or change one. */
struct ask_options {
    struct cli_server server;
    struct opt_int timeout;
};
#define ASK_CHANGE_ROWS                                                                                               \
    { OPT_MS, 0, "timeout", offsetof(struct ask_options, timeout), "TIME",                                            \
      "how long to try while the server is away (30s)", 0, 0 },                                                       \
    CLI_SERVER_ROWS

enum { ASK_PATIENCE_MS = 30000 };
int64_t ask_patience(const struct opt_int *timeout);   /* the option, or 30 s */

/* What is expected, and how people read it. */
struct ask_answer {
    enum msg_type type;
    void *message;         /* zeroed; filled when there is a body */
    void (*print)(struct arena *a, const void *message);
};

/* Both return an exit code. A 2xx without a body prints nothing. */
int ask_get(const struct cli_call *call, const char *path, const struct ask_answer *answer);
/* Sent until it is answered, with the patience of the options. */
int ask_change(const struct cli_call *call, const struct api_change *change, const struct ask_answer *answer);

#endif
