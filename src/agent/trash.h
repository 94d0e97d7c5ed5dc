/* trash.h - deleting folders without waiting: they are moved away at once and removed in the background. */
#ifndef ORION_AGENT_TRASH_H
#define ORION_AGENT_TRASH_H

#include "agent/helper.h"

struct trash;

/* `dir` is made if need be; what a former process left in it is removed too. */
struct trash *trash_new(struct helpers *hs, const char *dir);
void trash_free(struct trash **t);
void trash_put(struct trash *t, const char *path);   /* a path that is not there is no matter */

#endif
