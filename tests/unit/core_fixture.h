/* core_fixture.h - a core and short words to drive it: one input, its effects, what they say. */
#ifndef ORION_TESTS_UNIT_CORE_FIXTURE_H
#define ORION_TESTS_UNIT_CORE_FIXTURE_H

#include "scheduler/core.h"

struct rig {
    struct core *core;
    struct core_config config;
    struct effects fx;       /* of the last input */
    int64_t sessions[1024];  /* by task: of its latest assignment */
    int64_t session;         /* the latest of any agent */
    int64_t now_ms;
};

void rig_open(struct rig *r);                         /* with one sink, sink-1 */
void rig_open_sinks(struct rig *r, size_t n);         /* sink-1 to sink-n, at most 3 */
void rig_close(struct rig *r);
struct uuid rig_id(unsigned n);                       /* task n, agent n */

/* Each clears the effects, steps and collects. */
void rig_submit(struct rig *r, unsigned task, const char *label);   /* label NULL: none */
void rig_submit_message(struct rig *r, struct msg_task_submit *m);
void rig_hello(struct rig *r, unsigned agent, int64_t slots, const char *label); /* route: peer = agent, conn 1 */
void rig_hello_holding(struct rig *r, unsigned agent, uint64_t conn, unsigned task, int64_t attempt); /* task 0: nothing */
void rig_accept(struct rig *r, unsigned task, int64_t attempt);
void rig_decline(struct rig *r, unsigned task, int64_t attempt, int64_t session);
void rig_prepared(struct rig *r, unsigned task, int64_t attempt, const char *commit);
void rig_result(struct rig *r, unsigned task, int64_t attempt, const char *outcome, const char *cause);
void rig_sealed(struct rig *r, unsigned task, int64_t attempt);        /* complete, by sink-1 */
void rig_sealed_by(struct rig *r, unsigned task, const struct input_sealed *m);   /* its first attempt */
void rig_sink(struct rig *r, const char *name, enum sink_state state, bool is_leaving);
/* By the latest session of agent 1. */
void rig_moved(struct rig *r, unsigned task, const char *sink, int64_t chunk, int64_t offset);
void rig_step(struct rig *r, enum input_kind kind, const void *message);   /* from a gateway */
void rig_timer(struct rig *r, enum timer_kind kind, unsigned task, int64_t attempt);
void rig_cancel(struct rig *r, unsigned task);
void rig_pause(struct rig *r, const char *project, bool is_paused);        /* NULL: the queue */
const char *rig_why(struct rig *r, unsigned task);                         /* "": no reason; valid until the next input */
void rig_clock(struct rig *r, enum input_kind kind, unsigned id, int64_t attempt, int64_t session);

/* The n-th (from 0) message of that type in the effects; NULL: none. */
const void *rig_message(const struct rig *r, enum msg_type type, size_t n);
size_t rig_count(const struct rig *r, enum msg_type type);
const struct row_task *rig_task(const struct rig *r, unsigned task);   /* its row in the effects; NULL: none */
const struct row_attempt *rig_attempt(const struct rig *r, unsigned task, int64_t number);
const struct core_timer *rig_armed(const struct rig *r, enum timer_kind kind);   /* NULL: not in the last effects */
bool rig_event(const struct rig *r, const char *kind);
/* The agent that got the task in the last effects; 0: none. */
unsigned rig_assigned(const struct rig *r, unsigned task);

#endif
