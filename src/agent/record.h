/* record.h - what an agent must know of an attempt to go on with it after a death of its own: a text in the attempt's
 * folder, replaced whole at every step. The environment of the task is in it: nobody else may read it. Pure. */
#ifndef ORION_AGENT_RECORD_H
#define ORION_AGENT_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "proto/msg.h"

enum record_stage {
    RECORD_ACCEPTED,   /* no runner was started */
    RECORD_STARTED,    /* one may have been */
    RECORD_FINISHED,   /* `result` is whole */
    RECORD_DROPPED,    /* nobody wants it any more */
};

struct record {
    enum record_stage stage;
    struct msg_task_assign order;
    const char *boot;                      /* the host's, in which `began_ms` counts */
    uint64_t began_ms;                     /* CLOCK_BOOTTIME at its acceptance */
    const char *commit, *driver;           /* NULL: not known yet */
    const struct msg_task_result *verdict; /* it is to be ended, and what it will be then; NULL: it is not */
    const struct msg_task_result *result;  /* decided before its end; NULL: it is not */
    const struct msg_log_base *base;       /* where its log goes on, since it was moved; NULL: all as ordered */
};

#define RECORD_MAX (4 * MSG_JSON_MAX)

void record_encode(const struct record *r, struct buf *out);
/* The record and what it points to are the arena's. Strict: what this version did not write is refused. */
int record_decode(const char *text, size_t len, struct arena *a, struct record *r_r, struct err *e);

/* --- what becomes of an attempt that a former agent held -------------------------------------------------- */

enum resume {
    RESUME_PREPARE,    /* nothing of it ever ran: from the beginning, under the same number */
    RESUME_RUNNER,     /* its runner lives, or did and left something: result, log, or neither */
    RESUME_TELL,       /* its result is told, its log shipped, until both are acknowledged */
    RESUME_END,        /* what runs of it is ended, and then it is forgotten */
};
/* `has_runner`: one lives, or did. */
enum resume resume_decide(enum record_stage stage, bool has_runner);

#endif
