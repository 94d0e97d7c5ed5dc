/* state.h - task and attempt states from state.def; task_next and attempt_next are the only way to a new state. */
#ifndef ORION_PROTO_STATE_H
#define ORION_PROTO_STATE_H

#include <stdbool.h>

enum task_state {
#define TASK_STATE(e, name, terminal, seed) TASK_##e,
#include "proto/state.def"
    TASK_STATES
};

enum attempt_state {
#define ATTEMPT_STATE(e, name, terminal) ATTEMPT_##e,
#include "proto/state.def"
    ATTEMPT_STATES
};

enum state_event {
#define STATE_EVENT(e, name) STATE_##e,
#include "proto/state.def"
    STATE_EVENTS
};

/* -1: there is no such edge. */
int task_next(enum task_state from, enum state_event event);
int attempt_next(enum attempt_state from, enum state_event event);

const char *task_state_name(enum task_state s);
const char *task_state_seed_word(enum task_state s);   /* Pending, Building, Completed, Failed, Interrupted */
int task_state_by_name(const char *name);              /* -1: unknown */
bool task_is_terminal(enum task_state s);
const char *attempt_state_name(enum attempt_state s);
int attempt_state_by_name(const char *name);
bool attempt_is_terminal(enum attempt_state s);
const char *state_event_name(enum state_event e);      /* "submit" */

#endif
