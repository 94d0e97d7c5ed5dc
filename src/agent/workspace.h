/* workspace.h - the tree an attempt builds: a checkout of one commit, fed from a bare mirror per repository. */
#ifndef ORION_AGENT_WORKSPACE_H
#define ORION_AGENT_WORKSPACE_H

#include "agent/helper.h"
#include "agent/trash.h"

struct workspaces;
struct workspace_op;   /* one being prepared */

struct workspace_order {
    const char *repo;        /* for messages, and part of the mirror's name */
    const char *url;
    const char *ref;         /* NULL: the remote's HEAD */
    const char *commit;      /* pinned: wins over ref; NULL: not yet */
    const char *path;        /* the folder to make */
};
struct workspace_end {
    const char *commit;      /* NULL: it failed, and why: */
    const char *cause;       /* setup, infrastructure */
    const char *message;
    const char *output;      /* what git said */
};
typedef void workspace_fn(void *arg, const struct workspace_end *end);

/* `dir`: the agent's folder; mirrors live in DIR/mirror. */
struct workspaces *workspaces_new(struct helpers *hs, struct trash *trash, const char *dir);
void workspaces_free(struct workspaces **w);

/* Copies the order. `fn` comes once, from the loop, unless the op is cancelled before. */
struct workspace_op *workspace_prepare(struct workspaces *w, const struct workspace_order *order, workspace_fn *fn,
                                       void *arg);
/* Ends the op. True: nothing of it ran, and it is gone; false: `fn` comes when what runs has ended. NULL: true. */
bool workspace_stop(struct workspace_op **op);
void workspace_cancel(struct workspace_op **op);   /* `fn` never comes; what runs is told to end */

#endif
