/* model.h - the core's memory: tasks, attempts, agents, the queue. Only files of the core include it.
 *
 * Who owns what: the core's tables own tasks, agents and keys; a task owns its attempts; an agent's list borrows
 * those that are open. Every object carries its own dirty mark; core_collect turns the marked ones into rows. */
#ifndef ORION_SCHEDULER_MODEL_H
#define ORION_SCHEDULER_MODEL_H

#include <sys/queue.h>

#include "lib/heap.h"
#include "lib/table.h"
#include "scheduler/core.h"

struct task;
struct agent;

struct attempt {
    struct task *task;
    struct agent *agent;
    int64_t number, session;
    enum attempt_state state;
    int late_state;
    const char *cause;                        /* static text */
    char *message, *commit, *driver, *workspace, *sink;
    int64_t exit_code, signal;
    enum log_state log_state;
    int64_t log_bytes, log_lines, log_chunks;
    struct hash log_head;
    bool has_head, is_new, is_dirty;
    bool is_listed;                           /* in the inventory that is being read */
    int64_t assigned_ms, started_ms, ended_ms;
    LIST_ENTRY(attempt) of_task, of_agent;    /* of_agent: while open */
    TAILQ_ENTRY(attempt) dirty;
};

/* An Idempotency-Key in its 24 hours. */
struct idem_key {
    struct uuid place;                        /* in the table: hash of project and key */
    char *project, *key;
    struct hash body;
    struct uuid task_id;
    int64_t created_ms;
    int end_state;                            /* of the task, once that is forgotten; -1 */
    TAILQ_ENTRY(idem_key) by_age;
};

struct task {
    struct uuid id;
    struct spec *spec;                        /* NULL: the task has ended */
    char *project;
    char *commit, *message;
    const char *cause;                        /* static text */
    enum task_state state;
    int64_t exit_code, number, created_ms, started_ms, ended_ms;
    LIST_HEAD(, attempt) attempts;            /* newest first */
    struct demand *demand;                    /* while open */
    struct heap_node place;                   /* in its demand's queue, while queued */
    struct idem_key *key;
    bool is_new, is_dirty, is_waiting_out;    /* is_waiting_out: in core->ended */
    bool is_placing;
    TAILQ_ENTRY(task) dirty, ended, placing;
};

/* Tasks that ask for the same labels, and the agents that have them (queue.c). */
struct demand {
    struct uuid key;
    struct msg_strs labels;                   /* sorted */
    struct spec *texts;                       /* owns the labels */
    size_t open_tasks;
    struct heap retries, fresh;               /* queued tasks; retries go first */
    struct heap idle;                         /* offers of connected agents with a free slot */
    size_t usable;                            /* agents in `offers` that are connected and have slots */
    LIST_HEAD(, offer) offers;
    LIST_ENTRY(demand) all;
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
    int64_t slots, session, seen_ms;
    bool is_up;                               /* its lease has not run out */
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
    struct table tasks, agents, keys, demands;
    LIST_HEAD(, demand) all_demands;
    size_t queued, agents_up, agents_connected;
    TAILQ_HEAD(, task) dirty_tasks;
    TAILQ_HEAD(, task) ended;                 /* oldest end first */
    TAILQ_HEAD(, task) placing;               /* queued in this step */
    TAILQ_HEAD(, attempt) dirty_attempts;
    TAILQ_HEAD(, agent) dirty_agents;
    TAILQ_HEAD(, agent) filling;              /* got a free slot in this step */
    TAILQ_HEAD(, idem_key) keys_by_age;
};

/* One input on its way through the core. */
struct step {
    struct core *core;
    struct effects *fx;
    struct route from;
    int64_t at_ms;
};
typedef void step_fn(struct step *s, const void *message);

/* submit.c, agents.c, attempts.c, results.c: the handlers of core.c's table */
step_fn step_submit, step_hello, step_gone, step_lease_out, step_accept_out, step_accept, step_decline, step_prepared,
    step_result, step_sealed, step_give_up;

/* tasks.c: objects and what hangs on them */
struct task *task_new(struct core *core, const struct uuid *id);
struct attempt *attempt_new(struct task *t, int64_t number, struct agent *a);
void attempt_detach(struct core *core, struct attempt *at); /* it ended: its agent has the slot back */
void task_drop_spec(struct core *core, struct task *t);  /* it ended: what was asked is only in its row now */
void task_free(struct core *core, struct task **t);
struct attempt *attempt_find(const struct core *core, const struct uuid *task_id, int64_t number);
void tasks_forget(struct core *core);                    /* those that ended long enough ago */
bool task_is_forgettable(const struct core *core, const struct task *t);
void task_mark(struct core *core, struct task *t);
void attempt_mark(struct core *core, struct attempt *at);
void agent_mark(struct core *core, struct agent *a);
void text_set(char **text, const char *value);           /* "" counts as none */

/* keys.c */
struct idem_key *key_find(const struct core *core, const char *project, const char *key);
struct idem_key *key_add(struct core *core, const struct row_key *row);
void key_free(struct core *core, struct idem_key **k);
void keys_expire(struct step *s);

/* queue.c: who waits, and for which agents */
void queue_open(struct core *core, struct task *t);       /* finds or makes the task's demand */
void queue_close(struct core *core, struct task *t);
void queue_push(struct core *core, struct task *t);
void queue_remove(struct core *core, struct task *t);
void queue_agent_offers(struct core *core, struct agent *a);  /* its labels are new */
void queue_agent_moved(struct agent *a);                      /* its load is new */
void queue_agent_freed(struct core *core, struct agent *a);     /* the same, and it may take more */
void queue_agent_connect(struct core *core, struct agent *a, struct route to);  /* a disconnected one */
void queue_agent_disconnect(struct core *core, struct agent *a);
struct agent *queue_agent_for(struct task *t);            /* NULL: it waits */
struct task *queue_task_for(struct agent *a);             /* NULL: nothing to do */

/* attempts.c */
struct attempt *attempt_assign(struct step *s, struct task *t, struct agent *a);
void attempt_send(struct step *s, struct attempt *at);
void attempt_accepted(struct step *s, struct attempt *at);
void attempt_ack(struct step *s, const struct uuid *task_id, int64_t number, const char *fact);
void attempt_stop(struct step *s, struct route to, const struct uuid *task_id, int64_t number, const char *reason);
/* Ends it without a verdict of the build; the task goes back to the queue or ends. */
struct ending {
    enum state_event event;     /* of the attempt */
    const char *cause, *message;
};
void attempt_end(struct step *s, struct attempt *at, const struct ending *end);
void attempt_seal(struct step *s, struct attempt *at);
bool attempt_is_counted(const struct attempt *at);
void task_end(struct step *s, struct task *t, enum state_event event, const struct attempt *by);
void dispatch(struct step *s);                            /* tasks to agents, after every step */

/* agents.c */
void agent_labels(struct agent *a, struct msg_strs labels);

/* core.c */
struct row_event *step_event(struct step *s, const char *kind, const struct task *t, const struct attempt *at,
                             const struct agent *a);
void event_data(struct step *s, struct row_event *ev, const char *key, const char *value);
/* A zeroed message in the effects; the caller fills it. */
void *step_message(struct step *s, enum msg_type type, size_t size, struct route to);
char *step_text(struct step *s, const char *text);        /* a copy that lives as long as the effects */

/* effects.c: one more row of its kind */
struct row_task *effects_task(struct effects *fx);
struct row_attempt *effects_attempt(struct effects *fx);
struct row_agent *effects_agent(struct effects *fx);
struct row_segment *effects_segment(struct effects *fx);
struct row_key *effects_key(struct effects *fx);
struct row_key *effects_old_key(struct effects *fx);
struct row_late *effects_late(struct effects *fx);
struct row_event *effects_event(struct effects *fx);
struct core_message *effects_message(struct effects *fx);

#endif
