/* model.h - the core's memory: tasks, attempts, agents, shares, the queue. Only files of the core see it.
 *
 * Who owns what: the core's tables own tasks, agents, keys, projects, groups, sinks, lanes, demands and bunches; a task
 * owns its attempts; the lists of agents and sinks borrow them. Every object carries its own dirty mark; core_collect
 * turns the marked ones into rows. */
#ifndef ORION_SCHEDULER_MODEL_H
#define ORION_SCHEDULER_MODEL_H

#include <sys/queue.h>

#include "lib/heap.h"
#include "lib/table.h"
#include "scheduler/core.h"

struct task;
struct agent;
struct attempt;

struct sink {
    struct uuid place;
    char *name;
    enum sink_state state;
    int64_t since_ms;                         /* 0: it has no row */
    LIST_HEAD(, attempt) logs;                /* that lie there now and are not complete */
    bool is_dirty;
    TAILQ_ENTRY(sink) dirty;
};

/* Where an attempt's log went on. */
struct segment {
    struct sink *sink;
    int64_t offset, chunk;
    struct hash head;
    bool is_new;                              /* its row is still to be written */
};

struct attempt {
    struct task *task;
    struct agent *agent;
    int64_t number, session;
    enum attempt_state state;
    int late_state;
    const char *cause;                        /* static text */
    enum stop stop;                           /* told to end: why; the reason is the message */
    char *message, *commit, *driver, *workspace;
    struct sink *sink;                        /* of its log's beginning */
    struct segment *segment;                  /* the newest; NULL: the log never moved */
    int64_t exit_code, signal;
    enum log_state log_state;
    int64_t log_bytes, log_lines, log_chunks;
    struct hash log_head;
    bool has_head, is_wanted, is_new, is_dirty; /* is_wanted: a gap whose sink is asked once more */
    bool is_listed;                           /* in the inventory that is being read */
    int64_t assigned_ms, started_ms, ended_ms;
    LIST_ENTRY(attempt) of_task, of_agent;    /* of_agent: while open */
    LIST_ENTRY(attempt) of_sink;              /* while its log is not complete */
    TAILQ_ENTRY(attempt) dirty;
};

/* An Idempotency-Key in its 24 hours. */
struct idem_key {
    struct uuid place;                        /* in the table: hash of project and key */
    char *project, *key;
    struct hash body;
    struct uuid task_id;                      /* nil: of a call that made no task */
    int64_t created_ms;
    int end_state;                            /* of the task, once that is forgotten; -1 */
    bool is_joined;                           /* the call made no task, it joined that one */
    struct task *task;                        /* NULL: it made none, or that is forgotten */
    LIST_ENTRY(idem_key) of_task;
    TAILQ_ENTRY(idem_key) by_age;
};

/* Its row is written when the first task names it. */
struct project {
    struct uuid place;
    char *name;
    int64_t weight;
    bool is_paused;
    enum supersede supersede;
    int64_t log_max, log_keep_ms;             /* 0: none */
    int64_t held;                             /* open attempts */
    size_t queued;
    uint64_t pass;                            /* what it was given, by weight: who has the least is next among equals */
    LIST_HEAD(, lane) lanes;
    bool is_dirty;
    TAILQ_ENTRY(project) dirty;
};

struct group {
    struct uuid place;
    char *name;
    int64_t capacity;                         /* GROUP_DEFAULT: there is no row */
    int64_t held;                             /* open attempts */
    size_t tasks;                             /* that point here */
    LIST_HEAD(, lane) lanes;
    bool is_dirty;
    TAILQ_ENTRY(group) dirty;
};

/* Open tasks that have something in common (kin.c). */
struct bunch {
    struct uuid key;
    LIST_HEAD(, task) tasks;
};

/* `task` waits for `on`. */
struct edge {
    struct task *task, *on;
    LIST_ENTRY(edge) of_task, of_on;
};

/* What a queue of a million compares stands in the first 64 bytes: one cache line for every look. */
struct task {
    struct uuid id;
    int64_t rank_ms;                          /* its place in the project's queue: created, minus its class's head start */
    int64_t number;                           /* of its latest attempt; 0: none yet */
    struct heap_node place;                   /* in its lane, while queued */
    struct lane *lane;                        /* while open */
    struct spec *spec;                        /* NULL: the task has ended */
    enum task_state state;
    bool is_new, is_dirty, is_waiting_out;    /* is_waiting_out: in core->ended */
    bool is_placing, is_settling, is_hanging;
    struct project *project;
    struct group *group;                      /* NULL: none */
    char *commit, *message;
    const char *cause;                        /* static text */
    int64_t exit_code, created_ms, started_ms, ended_ms, not_before_ms;
    LIST_HEAD(, attempt) attempts;            /* newest first */
    LIST_HEAD(, edge) after, dependents;
    struct bunch *twins, *kin;                /* while open; NULL: none */
    LIST_ENTRY(task) twin, relative;
    LIST_HEAD(, idem_key) keys;               /* of the calls that made it, joined it, cancelled it */
    TAILQ_ENTRY(task) dirty, ended, placing;  /* placing: queued in this step; or settling; or hanging */
};
TAILQ_HEAD(task_list, task);

/* Tasks of one project and concurrency group that ask for the same labels. */
struct lane {
    struct uuid place;
    struct demand *demand;
    struct project *project;
    struct group *group;                      /* NULL: none */
    size_t open_tasks;
    struct heap retries, fresh;               /* queued tasks; retries go first */
    struct heap_node node;                    /* in demand->ready: something is queued, and neither project nor group hold it */
    LIST_ENTRY(lane) of_demand, of_project, of_group;
};

/* Tasks that ask for the same labels, and the agents that have them (queue.c). */
struct demand {
    struct uuid key;
    struct msg_strs labels;                   /* sorted */
    struct spec *texts;                       /* owns the labels */
    size_t n_lanes;
    LIST_HEAD(, lane) lanes;
    struct heap ready;                        /* lanes */
    struct heap idle;                         /* offers of connected agents with a free slot */
    size_t usable;                            /* agents in `offers` that are connected, have slots and do not drain */
    LIST_HEAD(, offer) offers;
    LIST_ENTRY(demand) all;
    TAILQ_ENTRY(demand) resting;              /* while it has no lanes */
};

/* This agent has what that demand asks for. */
struct offer {
    struct agent *agent;
    struct demand *demand;
    struct heap_node node;                    /* in demand->idle */
    LIST_ENTRY(offer) of_agent, of_demand;
};

struct agent {
    struct uuid id, instance;
    char *name, *version;
    struct spec *texts;                       /* owns the labels, as told */
    struct spec *sorted;                      /* and sorted, each once */
    int64_t slots, session, hello, seen_ms;
    bool is_up;                               /* its lease has not run out */
    bool is_draining;
    struct route route;                       /* peer 0: not connected */
    int64_t busy;                             /* open attempts */
    LIST_HEAD(, attempt) open;
    LIST_HEAD(, offer) offers;
    bool is_new, is_dirty, is_filling;
    TAILQ_ENTRY(agent) dirty, filling;
};

struct core {
    const struct core_config *config;
    int64_t epoch, seq, now_ms, session;
    bool is_paused, is_queue_dirty;
    bool is_partial;                          /* core_load_more is to come */
    int64_t partial_ms;                       /* its time when it was loaded so */
    uint64_t pass;                            /* of the project that was served last */
    struct table tasks, agents, keys, demands, lanes, projects, groups, twins, kin, sinks;
    struct sink **placeable;                  /* those of the configuration, in its order */
    LIST_HEAD(, demand) all_demands;
    TAILQ_HEAD(, demand) resting;             /* the longest first */
    size_t n_resting;
    size_t queued, agents_up, agents_connected;
    struct task_list dirty_tasks;
    struct task_list ended;                   /* oldest end first */
    struct task_list placing;                 /* queued in this step */
    struct task_list settling;                /* ended in this step, and others wait for them */
    struct task_list hanging;                 /* loaded while partial, their `after` not yet linked */
    TAILQ_HEAD(, attempt) dirty_attempts;
    TAILQ_HEAD(, agent) dirty_agents;
    TAILQ_HEAD(, project) dirty_projects;
    TAILQ_HEAD(, group) dirty_groups;
    TAILQ_HEAD(, sink) dirty_sinks;
    TAILQ_HEAD(, agent) filling;              /* got a free slot in this step */
    TAILQ_HEAD(, idem_key) keys_by_age;
};

#endif
