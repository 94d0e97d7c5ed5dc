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

/* Heads start in a project's queue: one class is worth core_config.ageing_ms of waiting. */
enum priority { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITY_CRITICAL };

/* How the tasks that one waits for must end; else it is cancelled. */
enum after { AFTER_SUCCEEDED, AFTER_FINISHED, AFTER_ANY };

enum { RETRY_AGENT = 1, RETRY_INFRASTRUCTURE = 2 };   /* causes: bits */

/* How to build it: what few submissions say. */
struct policy {
    const char *group;                                       /* concurrency group; NULL: none */
    const struct uuid *after;                                /* tasks it waits for */
    size_t n_after;
    enum after condition;
    int64_t timeout_ms, silence_timeout_ms, queue_timeout_ms; /* 0: none */
    int64_t tries;                                           /* 0: the farm's */
    unsigned retry_on;                                       /* RETRY_... */
    struct msg_ints retry_exit_codes;
    struct uuid retry_of;                                    /* nil: none */
};

/* What to build, as it was asked for. One block of memory, texts included, when made by spec_pack. */
struct spec {
    const char *project, *repo, *target, *ref, *mr, *driver;
    struct msg_strs args, labels;
    struct msg_pairs env;
    bool separate_streams;
    enum priority priority;
    const struct policy *policy;                             /* NULL: nothing is said */
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
    int64_t not_before_ms;           /* waiting: for its next attempt; 0: not for a time */
};

enum log_state { LOG_OPEN, LOG_COMPLETE, LOG_GAP };

/* lost: gone for longer than the farm waits; what only it had cannot be read until it is back. */
enum sink_state { SINK_UP, SINK_FULL, SINK_DOWN, SINK_LOST, SINK_STATES };

/* From behind that chunk on the attempt's log is on that sink. At the same offset the later one counts. */
struct row_segment {
    struct uuid task_id;
    int64_t attempt;
    int64_t offset, chunk;
    struct hash head;                /* of the chain behind that chunk */
    const char *sink;
    int64_t created_ms;
};

struct row_sink {
    const char *name;
    enum sink_state state;
    int64_t since_ms;
};

/* Why an attempt is stopping. */
enum stop { STOP_NONE, STOP_CANCEL, STOP_SUPERSEDE, STOP_TIME_OUT };

struct row_attempt {
    bool is_new;
    struct uuid task_id;
    int64_t number;
    struct uuid agent_id;
    int64_t session;
    enum attempt_state state;
    int late_state;                  /* -1: none */
    const char *cause, *message, *commit, *driver, *workspace, *sink;
    enum stop stop;
    int64_t exit_code, signal;       /* -1: none */
    enum log_state log_state;
    int64_t log_bytes, log_lines, log_chunks; /* -1: unknown */
    struct hash log_head;
    bool has_head;
    bool is_wanted;                  /* a gap whose sink is asked once more */
    const struct row_segment *segment; /* the newest, when it is loaded; NULL: none. Not written */
    int64_t assigned_ms, started_ms, ended_ms;
};

struct row_agent {
    bool is_new;
    struct uuid id, instance;
    const char *name, *version;
    struct msg_strs labels;
    int64_t slots, session, hello;   /* hello: its counter */
    bool is_up;                      /* else lost */
    bool is_draining;
    int64_t seen_ms;
};

/* What a newer task of the same merge request ends. */
enum supersede { SUPERSEDE_OFF, SUPERSEDE_QUEUED, SUPERSEDE_RUNNING };

struct row_project {
    const char *name;
    int64_t weight;
    bool is_paused;
    enum supersede supersede;
    int64_t log_max, log_keep_ms;    /* 0: all of a log is kept; the sinks decide for how long */
};

struct row_group {
    const char *name;
    int64_t capacity;                /* GROUP_DEFAULT: the row is deleted */
};
enum { GROUP_DEFAULT = -1 };

struct row_queue {
    bool is_paused;
};

struct row_key {
    const char *project, *key;
    struct hash body;
    struct uuid task_id;             /* nil: the call made none */
    int64_t created_ms;
    int end_state;                   /* of its task, when that is no longer known; -1. Not written */
    bool is_joined;                  /* the call made no task, it joined that one */
};

enum { EVENT_DATA_MAX = 6 };
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

/* A moment at which the core wants to be told: the shell counts it from the commit, by its own steady clock. */
enum timer_kind { TIMER_BACKOFF, TIMER_QUEUE, TIMER_WALL, TIMER_STOP };
struct core_timer {
    enum timer_kind kind;
    struct uuid task_id;
    int64_t attempt;                 /* TIMER_BACKOFF: behind which; 0 for TIMER_QUEUE */
    int64_t in_ms;
};

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
    LIST_OF(struct row_project) projects;
    LIST_OF(struct row_group) groups;
    LIST_OF(struct row_queue) queues;      /* the last one counts */
    LIST_OF(struct row_key) keys;          /* insert */
    LIST_OF(struct row_key) old_keys;      /* delete */
    LIST_OF(struct row_sink) sinks;
    LIST_OF(struct row_segment) segments;  /* insert, or in the place of one at that offset */
    LIST_OF(struct row_event) events;
    LIST_OF(struct core_message) messages;
    LIST_OF(struct core_timer) timers;     /* armed when the rows are committed */
};

bool effects_have_rows(const struct effects *fx);
void effects_fini(struct effects *fx);

#endif
