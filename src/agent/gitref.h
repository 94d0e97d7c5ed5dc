/* gitref.h - what a task may name as `ref`, and how a remote's answer resolves it. Pure. */
#ifndef ORION_AGENT_GITREF_H
#define ORION_AGENT_GITREF_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "proto/msg.h"

/* A name that git accepts as a ref or commit id and that can be no option. */
int gitref_check(const char *ref, struct err *e);
bool gitref_is_id(const char *ref);       /* a whole commit id */
bool gitref_is_short_id(const char *ref); /* could be the beginning of one */

/* The full names that `ref` may mean, best first: branch, tag (the commit it stands for first), ref. */
struct msg_strs gitref_candidates(const char *ref, struct arena *a);
/* The object of the best candidate in the output of `git ls-remote`; NULL: none is there. */
const char *gitref_pick(const char *listing, struct msg_strs candidates, struct arena *a);

/* A repository row's mr_ref with the task's mr in the place of {mr}. */
const char *gitref_of_mr(const char *mr_ref, const char *mr, struct arena *a, struct err *e);

/* The folder of a repository's mirror: readable, and different for different addresses. */
const char *gitref_mirror_name(const char *name, const char *url, struct arena *a);

#endif
