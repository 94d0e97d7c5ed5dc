/* rows.h - what the core gives back: rows to store and messages to send; and the rows it is rebuilt from. */
#ifndef ORION_SCHEDULER_ROWS_H
#define ORION_SCHEDULER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/uuid.h"
#include "proto/msg.h"
#include "proto/state.h"

/* The way back to a peer of the bus (the shell's number for it, never 0) and to a connection behind it. */
struct route {
    uint64_t peer;
    uint64_t conn;
};

/* What to build, as it was asked for. One block of memory, texts included, when made by spec_pack. */
struct spec {
    const char *project, *repo, *target, *ref, *mr, *driver;
    struct msg_strs args, labels;
    struct msg_pairs env;
    bool separate_streams;
};

struct row_task {
    bool is_new;                     /* insert; else the fields from `state` on are updated */
    struct uuid id;
    const struct spec *spec;         /* NULL in updates */
    enum task_state state;
    const char *commit, *cause, *message;
    int64_t exit_code;               /* -1: none */
    int64_t attempt;                 /* 0: none yet */
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
};

enum log_state { LOG_OPEN, LOG_COMPLETE, LOG_GAP };

struct row_attempt {
    bool is_new;
    struct uuid task_id;
    int64_t number;
    struct uuid agent_id;
    int64_t session;
    enum attempt_state state;
    int late_state;                  /* -1: none */
    const char *cause, *message, *commit, *driver, *workspace;
    int64_t exit_code, signal;       /* -1: none */
    enum log_state log_state;
    int64_t log_bytes, log_lines, log_chunks; /* -1: unknown */
    struct hash log_head;
    bool has_head;
    int64_t assigned_ms, started_ms, ended_ms;
};

struct row_agent {
    bool is_new;
    struct uuid id, instance;
    const char *name, *version;
    struct msg_strs labels;
    int64_t slots, session;
    bool is_up;                      /* else lost */
    int64_t seen_ms;
};

struct row_segment {
    struct uuid task_id;
    int64_t attempt;
    const char *sink;
};

struct row_key {
    const char *project, *key;
    struct hash body;
    struct uuid task_id;
    int64_t created_ms;
    int end_state;                   /* of its task, when that is no longer known; -1. Not written */
};

/* A result for an attempt that had ended without one. */
struct row_late {
    struct uuid task_id;
    int64_t attempt;
    enum attempt_state state;
};

enum { EVENT_DATA_MAX = 4 };
struct row_event {
    int64_t seq, at_ms, epoch;
    const char *kind;
    const char *project;
    struct uuid task_id, agent_id;   /* nil: none */
    int64_t attempt;                 /* 0: none */
    struct msg_pair data[EVENT_DATA_MAX];
    size_t n_data;
};

/* --- effects ---------------------------------------------------------------------------------------------------- */

struct core_message {
    enum msg_type type;
    struct route to;        /* peer 0: to the sink */
    const char *sink;
    const void *message;
};

#define LIST_OF(type)                                                                                                  \
    struct {                                                                                                           \
        type *v;                                                                                                       \
        size_t n, cap;                                                                                                 \
    }

/* Rows and messages of one batch; everything they point to is in the arena. A zeroed struct is empty. */
struct effects {
    struct arena arena;
    LIST_OF(struct row_task) tasks;
    LIST_OF(struct row_attempt) attempts;
    LIST_OF(struct row_agent) agents;
    LIST_OF(struct row_segment) segments;
    LIST_OF(struct row_key) keys;          /* insert */
    LIST_OF(struct row_key) old_keys;      /* delete */
    LIST_OF(struct row_late) lates;
    LIST_OF(struct row_event) events;
    LIST_OF(struct core_message) messages;
};

bool effects_have_rows(const struct effects *fx);
void effects_fini(struct effects *fx);

#endif
