/* follow.h - the log of a task as raw bytes, through breaks of the connection and from one attempt to the next. */
#ifndef ORION_CLI_FOLLOW_H
#define ORION_CLI_FOLLOW_H

#include "cli/api.h"

struct follow {
    const struct api *api;
    struct arena *scratch; /* emptied at every look; holds the task at the end */
    const char *id;
    int64_t attempt;       /* only this one; 0: the latest, and those that follow it */
    int64_t until_ms;      /* CLOCK_BOOTTIME; 0: for ever */
    bool (*write)(void *arg, const char *data, size_t len); /* false: nobody reads any more */
    void *arg;
};

enum follow_end {
    FOLLOW_ENDED,     /* the task is at its end and its log was written whole (or its holes were named) */
    FOLLOW_TOO_LONG,
    FOLLOW_STOPPED,   /* `write` said so */
    FOLLOW_FAILED,
};
/* Fills task_r (in f->scratch) and body_r with the task's last state when it says FOLLOW_ENDED. */
enum follow_end follow_task(const struct follow *f, struct msg_v1_task *task_r, struct buf *body_r, struct err *e);

/* The bytes of one attempt that are there now, from offset; adds to *offset what was written.
 * 0, -1, or 1 when `write` wanted no more. */
int follow_once(const struct follow *f, int64_t attempt, bool wait, int64_t *offset, struct err *e);

bool follow_to_fd(void *arg, const char *data, size_t len); /* write to the descriptor *(int *)arg */
const struct msg_v1_attempt *follow_attempt(const struct msg_v1_task *t, int64_t number);

#endif
