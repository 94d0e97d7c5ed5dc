/* follow.h - the log of a task as raw bytes, through breaks of the connection and from one attempt to the next. */
#ifndef ORION_CLI_FOLLOW_H
#define ORION_CLI_FOLLOW_H

#include "cli/api.h"
#include "cli/json_lines.h"

struct follow {
    const struct api *api;
    struct arena *scratch; /* emptied at every look; holds the task at the end */
    const char *id;
    int64_t attempt;       /* only this one; 0: the latest, and those that follow it */
    const char *place;     /* where to begin: more of the first request, "&tail=10"; NULL: at the first byte */
    int64_t until_ms;      /* CLOCK_BOOTTIME; 0: for ever */
    bool (*write)(void *arg, const char *data, size_t len); /* false: nobody reads any more */
    void *arg;
    struct json_lines *lines; /* NULL: bytes */
    bool has_holes;        /* out: bytes are missing; each hole was named on standard error */
};

enum follow_end {
    FOLLOW_ENDED,     /* the task is at its end and its log was written whole (or its holes were named) */
    FOLLOW_TOO_LONG,
    FOLLOW_STOPPED,   /* `write` said so */
    FOLLOW_FAILED,
};
/* Fills task_r (in f->scratch) and body_r with the task's last state when it says FOLLOW_ENDED. */
enum follow_end follow_task(struct follow *f, struct msg_v1_task *task_r, struct buf *body_r, struct err *e);

void follow_note_gap(int64_t from, int64_t to, const char *reason);   /* in words, on standard error */
const struct msg_v1_attempt *follow_attempt(const struct msg_v1_task *t, int64_t number);

#endif
