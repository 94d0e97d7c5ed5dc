/* repos.h - the agent's table of repositories: what a task may name, and where it is fetched from. */
#ifndef ORION_AGENT_REPOS_H
#define ORION_AGENT_REPOS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

struct repos;

struct repos_row {
    const char *name;    /* as the task says it */
    const char *url;
    const char *driver;  /* NULL: whatever fits */
    const char *mr_ref;  /* NULL: mr is only a label */
};

/* The table of one text; `file` is named in errors: "FILE:LINE:COLUMN: ...". */
struct repos *repos_parse(const char *file, const char *text, size_t len, struct err *e);
/* The table of a file that is looked at again by repos_refresh. A file that is not there allows nothing. */
struct repos *repos_open(const char *file, struct err *e);
void repos_free(struct repos **r);

/* Reads the file again if it is another one than last time. A file with errors changes nothing: -1, once. */
int repos_refresh(struct repos *r, struct err *e);
/* By name, else as an address that an allowed pattern matches. ERR_DENIED otherwise. The row is borrowed until
 * the next refresh; name and url may be `repo` itself. */
int repos_find(const struct repos *r, const char *repo, struct repos_row *row_r, struct err *e);

#endif
