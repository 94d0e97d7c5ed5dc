/* lab_conf.h - what a lab is: the options of `orion lab up` as DIR/lab.conf keeps them, and the agents' table of
 * repositories that follows from them. Pure. */
#ifndef ORION_CLI_LAB_CONF_H
#define ORION_CLI_LAB_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/opts.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { LAB_PORT = 8004, LAB_WORKERS = 2, LAB_AGENTS = 1, LAB_SINKS = 1, LAB_REPOS_MAX = 1024, LAB_SETS_MAX = 64 };

struct lab_repo {
    const char *name, *url;
    const char *driver, *mr_ref;   /* NULL: none */
};

/* A setting of the daemons, given to all parts in their environment. */
struct lab_set {
    const char *name, *value;
};

struct lab_conf {
    int64_t port, workers, agents, sinks;
    int64_t slots;                 /* of each agent; 0: the machine's cores */
    const char *path;              /* first in the builds' PATH; NULL: nothing */
    const char *sockets;           /* the private folder of the sockets; NULL: none yet */
    struct lab_repo *repos;        /* LAB_REPOS_MAX places */
    size_t n_repos;
    struct lab_set *sets;          /* LAB_SETS_MAX places */
    size_t n_sets;
};

void lab_conf_init(struct lab_conf *c, struct arena *a);   /* the defaults */
/* Text of lab.conf; what it holds lives in the arena. The error names the line. */
int lab_conf_parse(struct lab_conf *c, const char *text, struct arena *a, struct err *e);
void lab_conf_print(const struct lab_conf *c, struct buf *out);

/* Checks, then adds or replaces. */
int lab_conf_repo(struct lab_conf *c, const struct lab_repo *r, struct err *e);
int lab_conf_repo_word(struct lab_conf *c, const char *word, struct arena *a, struct err *e); /* NAME=URL */

/* NAME=VALUE: checked, then added or replaced; NAME= takes it away. */
int lab_conf_set_word(struct lab_conf *c, const char *word, struct arena *a, struct err *e);
bool lab_conf_has_set(const struct lab_conf *c, const char *name);

/* agent.yaml: the repositories, and that local paths may be fetched. */
void lab_conf_agent_yaml(const struct lab_conf *c, struct buf *out);

#endif
