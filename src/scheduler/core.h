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
#include "scheduler/rows.h"

struct core;

enum {
    CORE_TRIES_MAX = 100,
    CORE_RECENT_MS = 2 * 60 * 1000,          /* an ended task stays known that long: its submit may be sent again */
    CORE_RESENT_MS = 30 * 1000,              /* a submission that was not answered is sent again for less than that */
    CORE_KEY_MS = 24 * 60 * 60 * 1000,       /* an Idempotency-Key is kept that long, in memory and in its row */
    CORE_CLOSE_REPLACED = 4008,              /* WebSocket close codes for the gateway */
    CORE_CLOSE_LEASE = 1012,
};

struct core_config {
    int64_t tries;                  /* attempts that may be lost, declined or spoilt by the farm */
    int64_t killed_agents;          /* agents that a task may take with it before it is quarantined */
    int64_t lease_ms, heartbeat_ms; /* told to the agents */
    int64_t ageing_ms;              /* waiting that outweighs one class of priority */
    int64_t retry_ms;               /* before the second attempt; doubled for every further one, to retry_max_ms */
    int64_t retry_max_ms;
    int64_t stop_ms;                /* an attempt that was told to end: its task ends without it then */
    const char *const *sinks;       /* names; logs are placed by hash on those that are up */
    size_t n_sinks;
};

/* --- inputs ------------------------------------------------------------------------------------------------- */

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
    INPUT_MOVED,       /* a log goes on at another sink */
    INPUT_SINK,        /* how a sink is; again while logs should leave it */
    INPUT_GIVE_UP,     /* a fact about the attempt could not be stored: end it without one */
    INPUT_TIMER,       /* a core_timer is due */
    INPUT_CANCEL,
    INPUT_AGENT_SET,
    INPUT_PROJECT_SET,
    INPUT_GROUP_SET,
    INPUT_QUEUE_SET,
    INPUT_WHY,         /* changes nothing; answered by task.reason */
    INPUT_LOADED,      /* rows were added by core_load_more: what is queued now may be assigned */
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

enum { SINK_NAME_SIZE = 65 };
struct input_sink {
    char name[SINK_NAME_SIZE];
    enum sink_state state;
    bool is_leaving;   /* lost, or full for so long that its open logs should go elsewhere */
};
/* What a sink says of an attempt's log. */
struct input_sealed {
    char sink[SINK_NAME_SIZE];
    struct uuid task_id;
    int64_t attempt;
    enum log_state state;   /* complete, gap */
    bool is_forced;         /* it was told to seal whatever it has */
    int64_t bytes, lines;
};

struct input {
    enum input_kind kind;
    int64_t at_ms;         /* wall clock; the core's time never goes back */
    struct route from;
    const void *message;   /* msg_task_submit, msg_agent_hello, ... or an input_... or core_timer */
};
struct input_loaded {
    bool is_all;           /* nothing more will be added */
};

/* All that a core is rebuilt from: open tasks, those that ended less than CORE_RECENT_MS before now_ms or whose logs
 * are open or wanted, all attempts of these with the newest segments of their logs, all sinks, agents, projects, groups
 * and keys. Partial: without the keys, and of the open tasks at least those with an open attempt or log, or whose id was
 * made less than CORE_RESENT_MS before now_ms. */
struct core_rows {
    int64_t epoch, seq, now_ms;            /* now_ms: time of event seq */
    bool is_paused;                        /* the queue */
    bool is_partial;                       /* more tasks come by core_load_more */
    const struct row_task *tasks;
    const struct row_attempt *attempts;
    const struct row_agent *agents;
    const struct row_project *projects;
    const struct row_group *groups;
    const struct row_key *keys;
    const struct row_sink *sinks;
    size_t n_tasks, n_attempts, n_agents, n_projects, n_groups, n_keys, n_sinks;
};

/* --- the core ----------------------------------------------------------------------------------------------------- */

struct core *core_new(const struct core_config *config);   /* the configuration must outlive the core */
void core_free(struct core **core);
int core_load(struct core *core, const struct core_rows *rows, struct err *e); /* into a new core */
/* With a core that was loaded partially: tasks with their attempts that it does not know yet, and the ended tasks that
 * the waiting ones of this page name in `after`; keys too. A task that it knows is skipped (it was loaded, or kept, before). Then INPUT_LOADED, at the end with is_all. Until then tasks that
 * are not loaded are unknown to it: the caller holds back whatever speaks of them (core_needs_all). */
int core_load_more(struct core *core, const struct core_rows *rows, struct err *e);
/* While the core is partial: may this input be decided on what it knows? */
bool core_needs_all(const struct core *core, const struct input *in);
/* Tasks that an input speaks of and the core has forgotten, or never knew: their rows go in by core_load_more first, if
 * there are any. At most `max` of them; how many. */
size_t core_unknown(const struct core *core, const struct input *in, struct uuid *ids, size_t max);
void core_step(struct core *core, const struct input *in, struct effects *fx);
/* Closes a batch: the final rows of every task, attempt and agent that the steps since the last call changed. */
void core_collect(struct core *core, struct effects *fx);
/* Canonical text of everything that the rows determine. */
void core_dump(struct core *core, struct buf *out);

/* What a shell must know of a core: leases of agents that are up, assignments not accepted, seals that are asked for,
 * how the sinks are, connections (of a core that is replaced). Functions may be NULL. */
struct core_watch {
    void (*agent)(void *arg, const struct uuid *agent_id, int64_t session);
    void (*assignment)(void *arg, const struct uuid *task_id, int64_t attempt, int64_t session);
    void (*timer)(void *arg, const struct core_timer *timer);
    void (*unsealed)(void *arg, const char *sink, const struct msg_log_seal *seal);
    void (*sink)(void *arg, const char *name, enum sink_state state, bool has_row);
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

const char *sink_state_name(enum sink_state state);   /* "up" */

/* One block, allocated by itself (arena NULL: mem_free) or in an arena. */
struct spec *spec_pack(const struct spec *from, struct arena *arena);

#endif
