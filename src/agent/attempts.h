/* attempts.h - every attempt of which this agent holds anything, and the parts that move one along. */
#ifndef ORION_AGENT_ATTEMPTS_H
#define ORION_AGENT_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "agent/record.h"
#include "agent/repos.h"
#include "agent/run.h"
#include "agent/session.h"
#include "agent/spool.h"
#include "agent/workspace.h"

/* How far an attempt is. What the scheduler knows of it is another matter: see `facts`. */
enum hold {
    HOLD_PREPARING,   /* accepted: waits for its turn; workspace, driver */
    HOLD_RUNNING,     /* its runner runs */
    HOLD_FINISHED,    /* nothing of it runs; its result or its log is not acknowledged */
    HOLD_DROPPED,     /* nobody wants it any more; its processes are being ended */
    HOLD_GONE,        /* to be forgotten */
};

enum fact { FACT_ACCEPT, FACT_PREPARED, FACT_RESULT, FACT_MOVED, FACTS };

struct facts {
    bool is_open[FACTS];          /* told, and not acknowledged */
    uint64_t sent_ms[FACTS];
};

/* Has the sink that the log was moved to heard where it begins there? */
enum ship_base { BASE_DUE, BASE_SENT, BASE_TAKEN };

/* The log on its way to its sink. Positions are chunk numbers, with the offset behind the chunk. */
struct ship {
    struct spool_reader *reader;  /* NULL: nothing was written yet */
    uint64_t spooled, spooled_offset;
    uint64_t sent, sent_offset;
    uint64_t acked, acked_offset;
    uint64_t trimmed_offset;      /* the runner knows that it was acknowledged, and may have deleted it */
    enum ship_base base;          /* when it was moved */
    uint64_t seen, lines;         /* the last chunk that was looked at, and the ends of lines up to there */
    bool is_line_open;
    struct hash head;             /* behind chunk `seen` */
    uint64_t progress_ms;         /* when something was last acknowledged, or first sent after a pause */
    uint64_t patience_ms;         /* without progress until it is sent again */
    uint64_t rewound, rewound_ms; /* the last rewind that was asked for */
    uint64_t hole;                /* behind this chunk something is missing; all in front has to be acknowledged first */
    uint64_t searched;            /* up to here the spool was searched for chunks behind a damaged one, and has none */
    bool is_broken;               /* the spool cannot be read: there is nothing more to ship */
};

/* What the result of an attempt will be that is ended before its time. outcome NULL: it is not. */
struct verdict {
    const char *outcome, *cause, *message;
};

struct attempt {
    struct attempts *all;
    struct attempt *next;
    struct arena arena;
    char name[UUID_TEXT_SIZE + 12];   /* TASK.N */
    struct msg_task_assign order;
    enum hold hold;
    const char *workspace, *spool, *tmp;   /* folders */
    enum record_stage stage;      /* as it was saved last */
    const char *boot;             /* of the host, */
    uint64_t began_ms;            /* and the time in it when this was accepted */
    bool is_waiting;              /* its preparation has not begun */
    struct workspace_op *op;
    struct run *run;
    struct timer *limit;          /* of its time, from the acceptance on */
    struct verdict verdict;
    uint64_t dropped_ms;
    const char *ref;              /* what is asked of the repository; NULL: its HEAD */
    const char *row_driver;       /* of the repository's row */
    const char *commit, *driver;  /* NULL until they are known */
    bool is_decided;              /* the result below is, without a build; the runner only writes the log of it */
    struct msg_task_result result;
    const struct msg_log_base *base;   /* where its log goes on, since it was moved; NULL: as ordered, from the start */
    struct facts facts;
    struct ship ship;
};

struct attempts {
    struct agent *agent;          /* borrowed: settings, loop, session and the other parts */
    struct attempt *head;
    struct attempt *turn;         /* whose log goes next; NULL: the head's */
    struct buf frame;             /* of a log, while it is sent */
    struct timer *repeat;         /* looks for facts and logs that nobody acknowledged; off when nothing is held */
    struct hook *hook;            /* begins what was accepted, forgets those that are gone */
    struct declined *declined;
    struct former *former;        /* what nobody could go on with: their numbers are used up */
    bool is_draining;
};

/* --- attempts.c ------------------------------------------------------------------------------------ */

struct attempts *attempts_new(struct agent *agent);
void attempts_free(struct attempts **t);                  /* what they have on the disk is for the next agent */
struct attempt *attempts_find(const struct attempts *t, const struct uuid *task, int64_t number);
struct msg_held_list attempts_inventory(const struct attempts *t, struct arena *a);
bool attempts_is_used(const struct attempts *t, const char *name);  /* its folders are not to be deleted */
void attempts_begun_before(struct attempts *t, const char *name);   /* TASK.N: not to be run again under that number */
void attempts_assign(struct attempts *t, const struct msg_task_assign *m);
unsigned attempts_busy(const struct attempts *t);         /* that something runs of */
bool attempts_are_told(const struct attempts *t);         /* nothing waits for an acknowledgement */

struct attempt *attempt_new(struct attempts *t, const struct msg_task_assign *m);   /* m: copied */
void attempt_hold(struct attempt *a, enum hold hold);     /* the only way to another state */
void attempt_settle(struct attempt *a);                   /* forgets it once everything about it is acknowledged */

/* --- saved.c: what the next agent process has to know ---------------------------------------------- */

/* Writes the attempt's record; with `sync` it survives the host as well. */
int attempt_save(struct attempt *a, bool sync, struct err *e);
void attempt_keep(struct attempt *a, enum record_stage stage, bool sync);   /* the same; a failure is only logged */
/* The record of a folder in DIR/spool. */
int saved_load(const char *spool, struct arena *a, struct record *r_r, struct err *e);

/* --- adopt.c: what a former agent process held ------------------------------------------------------ */

void adopt_all(struct attempts *t);

/* --- stop.c: ended before their time --------------------------------------------------------------- */

int attempts_stop(struct attempts *t, const struct msg_task_stop *m, struct err *e);
void attempts_drain(struct attempts *t);                  /* gives everything back */
void stop_limit(struct attempt *a);                       /* once: its time runs, since began_ms */

/* --- prepare.c: from the assignment to the runner's order ------------------------------------------ */

void prepare_start(struct attempt *a);
void prepare_stop(struct attempt *a);      /* then the verdict is its result, when nothing of the preparation runs */
void prepare_cancel(struct attempt *a);
void prepare_decided(struct attempt *a);   /* the result is; a former agent did not come to writing the log of it */
/* Ends the setup: the result is decided, and `output` (of git; may be NULL) goes to the log. */
void prepare_fail(struct attempt *a, const char *cause, const char *message, const char *output);

/* --- finish.c: from the runner's end to the result ------------------------------------------------- */

extern const struct run_hooks finish_run_hooks;
/* The result of an attempt that never had a runner. */
void finish_without_run(struct attempt *a);
void finish_set(struct attempt *a, const struct verdict *v);   /* the result will say this */

/* --- facts.c: what the scheduler has to know ------------------------------------------------------- */

void facts_tell(struct attempt *a, enum fact fact);
void facts_decline(struct attempts *t, const struct msg_task_assign *m, const char *reason);
void facts_ack(struct attempts *t, const struct msg_task_ack *m);
bool facts_are_open(const struct attempt *a);
void facts_repeat(struct attempts *t, bool all);           /* those that are due; all after a welcome */
void facts_fini(struct attempts *t);

/* --- logship.c: the log to its sink ---------------------------------------------------------------- */

void ship_init(struct attempt *a);
void ship_fini(struct attempt *a);
void ship_spooled(struct attempt *a, uint64_t seq, uint64_t offset);
void ship_ack(struct attempts *t, const struct msg_log_ack *m);
void ship_drop(struct attempt *a);                         /* nobody wants it: the spool is free */
bool ship_is_done(const struct attempt *a);
void ship_pump(struct attempts *t);                        /* as much as the windows allow */
void ship_repeat(struct attempts *t, bool all);            /* what made no progress; all after a welcome */
int ship_scan(struct attempt *a, struct err *e);           /* looks at everything that is in the spool */
const char *ship_sink(const struct attempt *a);            /* where its log goes now */
void ship_seek(struct attempt *a, uint64_t seq, uint64_t offset);   /* sending goes on behind that chunk */
struct msg_log_base ship_base_before(const struct spool_chunk *c);  /* the place in front of it; borrows its hash */

/* --- logmove.c: it goes on elsewhere ---------------------------------------------------------------- */

void ship_move(struct attempts *t, const struct msg_log_move *m);
int ship_resume(struct attempt *a, struct err *e);         /* of a former agent: goes on with what the spool has */

#endif
