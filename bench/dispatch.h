/* dispatch.h - one run of the dispatch bench: submitters and agents on one loop, and what they count together. */
#ifndef ORION_BENCH_DISPATCH_H
#define ORION_BENCH_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/loop.h"

struct settings {
    const char *url;           /* http://127.0.0.1:PORT */
    const char *project, *repo;
    size_t tasks, submitters, agents, slots;
    double rate;               /* submissions a second; 0: as fast as they are answered */
    bool is_stepwise;          /* a result waits until its acceptance is acknowledged */
};

struct submitters;
struct agents;

struct bench {
    const struct settings *settings;
    struct loop *loop;
    struct submitters *submitters;
    struct agents *agents;
    uint64_t begun_ns, kept_ns, ended_ns;  /* first submission; last answer; last result committed */
    size_t posted, kept, started, done;    /* tasks */
    size_t twice, again;                   /* assigned once more; facts that had to be told again */
    uint8_t *starts;                       /* by the task's number */
    uint64_t *waits_ns;                    /* from the stamp in the submission to the assignment */
};

/* Prints the reason and ends the program: a bench that cannot go on has no figures. */
void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void bench_begin(struct bench *b);         /* the agents are there */
void bench_check_end(struct bench *b);     /* after every answer */

/* dispatch_submitters.c: keep-alive connections, one request outstanding on each */
struct submitters *submitters_new(struct bench *b);
void submitters_start(struct submitters *s);
void submitters_free(struct submitters **s);

/* dispatch_agents.c: agents that accept and end whatever they get, at once */
struct agents *agents_new(struct bench *b);    /* calls bench_begin when all are welcomed */
void agents_free(struct agents **a);

/* What a submission says to the agent that gets it: the time it was sent, and its number among this run's. */
#define STAMP_FORMAT "@T%019" PRIu64 "#%08zu"
enum { STAMP_LEN = 2 + 19 + 1 + 8 };

#endif
