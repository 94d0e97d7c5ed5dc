/* core.h - the pure core's interface: inputs in, rows and messages out (ARCHITECTURE "Processes", "The life of a task").
 *
 * The core knows no clock, no chance and no I/O: every input carries its time, and the same inputs give the same
 * effects. What changes its state is an input that writes an event row; the state is always what core_load makes of
 * the rows. Messages may leave the process only after the rows that were collected with them are committed. */
#ifndef ORION_SCHEDULER_CORE_H
#define ORION_SCHEDULER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/uuid.h"
#include "proto/msg.h"
#include "proto/state.h"

struct core;

enum {
    CORE_TRIES_MAX = 100,
    CORE_RECENT_MS = 2 * 60 * 1000,          /* an ended task stays known that long: its submit may be sent again */
    CORE_KEY_MS = 24 * 60 * 60 * 1000,       /* an Idempotency-Key is kept that long, in memory and in its row */
    CORE_CLOSE_REPLACED = 4008,              /* WebSocket close codes for the gateway */
    CORE_CLOSE_LEASE = 1012,
};

struct core_config {
    int64_t tries;                  /* attempts that may be lost, declined or spoilt by the farm */
    int64_t lease_ms, heartbeat_ms; /* told to the agents */
    const char *const *sinks;       /* names; logs are placed on them by hash */
    size_t n_sinks;
};

/* --- inputs ------------------------------------------------------------------------------------------------- */

/* The way back to a peer of the bus (the shell's number for it, never 0) and to a connection behind it. */
struct route {
    uint64_t peer;
    uint64_t conn;
};

enum input_kind {
    INPUT_LEAD,        /* a leadership begins: must be the first of an epoch */
    INPUT_SUBMIT,
    INPUT_HELLO,
    INPUT_GONE,        /* the socket of a session closed; its lease runs on */
    INPUT_LEASE_OUT,
    INPUT_ACCEPT_OUT,  /* not accepted within the deadline */
    INPUT_ACCEPT,
    INPUT_DECLINE,
    INPUT_PREPARED,
    INPUT_RESULT,
    INPUT_SEALED,
    INPUT_GIVE_UP,     /* a fact about the attempt could not be stored: end it without one */
    INPUT_KINDS
};

struct input_lead {
    int64_t epoch;
    const char *name;
    const char *version;
};
/* What the shell's clocks say; also INPUT_GONE and INPUT_GIVE_UP. A session that is not the latest is ignored. */
struct input_clock {
    struct uuid id;    /* agent (GONE, LEASE_OUT) or task */
    int64_t attempt;
    int64_t session;
};

struct input {
    enum input_kind kind;
    int64_t at_ms;         /* wall clock; the core's time never goes back */
    struct route from;
    const void *message;   /* msg_task_submit, msg_agent_hello, ... msg_log_sealed, input_lead or input_clock */
};

/* --- rows: what is stored, and what the core is rebuilt from ------------------------------------------------- */

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

/* All that a core is rebuilt from: open tasks, those that ended less than CORE_RECENT_MS before now_ms or whose logs
 * are open, all attempts of these with their segments, all agents, all keys. */
struct core_rows {
    int64_t epoch, seq, now_ms;            /* now_ms: time of event seq */
    const struct row_task *tasks;
    const struct row_attempt *attempts;
    const struct row_agent *agents;
    const struct row_segment *segments;
    const struct row_key *keys;
    size_t n_tasks, n_attempts, n_agents, n_segments, n_keys;
};

/* --- the core ----------------------------------------------------------------------------------------------------- */

struct core *core_new(const struct core_config *config);   /* the configuration must outlive the core */
void core_free(struct core **core);
int core_load(struct core *core, const struct core_rows *rows, struct err *e); /* into a new core */
void core_step(struct core *core, const struct input *in, struct effects *fx);
/* Closes a batch: the final rows of every task, attempt and agent that the steps since the last call changed. */
void core_collect(struct core *core, struct effects *fx);
/* Canonical text of everything that the rows determine. */
void core_dump(struct core *core, struct buf *out);

/* What a shell must know of a core: leases of agents that are up, assignments not accepted, ended logs not sealed,
 * connections (of a core that is replaced). Functions may be NULL. */
struct core_watch {
    void (*agent)(void *arg, const struct uuid *agent_id, int64_t session);
    void (*assignment)(void *arg, const struct uuid *task_id, int64_t attempt, int64_t session);
    void (*unsealed)(void *arg, const char *sink, const struct msg_log_seal *seal);
    void (*connection)(void *arg, const struct uuid *agent_id, int64_t session, struct route to);
};
void core_each(struct core *core, const struct core_watch *watch, void *arg);
/* An agent is still connected, as the core knew that this one replaces; ignored if the session is another. */
void core_attach(struct core *core, const struct uuid *agent_id, int64_t session, struct route to);

struct core_counts {
    size_t tasks, queued, agents_up, agents_connected;
    int64_t seq;
};
struct core_counts core_count(const struct core *core);

/* One block, allocated by itself (arena NULL: mem_free) or in an arena. */
struct spec *spec_pack(const struct spec *from, struct arena *arena);

#endif
