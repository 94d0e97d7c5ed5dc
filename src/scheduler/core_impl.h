/* core_impl.h - what the files of the core offer each other. Nobody else includes it. */
#ifndef ORION_SCHEDULER_CORE_IMPL_H
#define ORION_SCHEDULER_CORE_IMPL_H

#include "scheduler/model.h"

/* One input on its way through the core. */
struct step {
    struct core *core;
    struct effects *fx;
    struct route from;
    int64_t at_ms;
};
typedef void step_fn(struct step *s, const void *message);

/* submit.c, agents.c, attempts.c, results.c, logs.c, sinks.c, stops.c, changes.c, why.c, load.c: the handlers of core.c's
 * table */
step_fn step_submit, step_hello, step_gone, step_lease_out, step_accept_out, step_accept, step_decline, step_prepared,
    step_result, step_sealed, step_moved, step_sink, step_give_up, step_timer, step_cancel, step_agent_set,
    step_project_set, step_group_set, step_queue_set, step_why, step_loaded;

/* tasks.c: objects and what hangs on them */
struct task *task_new(struct core *core, const struct uuid *id, const struct spec *spec);
struct attempt *attempt_new(struct core *core, struct task *t, int64_t number, struct agent *a);
void attempt_detach(struct core *core, struct attempt *at); /* it ended: its agent has the slot back */
void task_open(struct core *core, struct task *t);       /* its lane, its twins and kin */
void task_close(struct core *core, struct task *t);      /* it ended: what was asked is only in its row now */
void task_leave_list(struct core *core, struct task *t); /* whichever of `placing`, `settling`, `hanging` it is in */
void task_free(struct core *core, struct task **t);
struct attempt *attempt_find(const struct core *core, const struct uuid *task_id, int64_t number);
void tasks_forget(struct core *core);                    /* those that ended long enough ago */
bool task_is_forgettable(const struct core *core, const struct task *t);
void task_waits_out(struct core *core, struct task *t);  /* it has ended, or the last of its logs: soon forgotten */
void task_mark(struct core *core, struct task *t);
void attempt_mark(struct core *core, struct attempt *at);
void agent_mark(struct core *core, struct agent *a);
void text_set(char **text, const char *value);           /* "" counts as none */
const struct policy *task_policy(const struct task *t);  /* what its spec says, or the defaults */

/* keys.c */
struct idem_key *key_find(const struct core *core, const char *project, const char *key);
struct idem_key *key_add(struct core *core, const struct row_key *row);
bool key_has_body(const struct idem_key *k, struct msg_bytes body);
/* Of a call that made `task_id` (nil: none); nothing without a key. */
struct idem_use {
    const char *project, *key;               /* key NULL or "": none */
    struct msg_bytes body;
    bool is_joined;                          /* it made none, it joined that one */
};
void key_keep(struct step *s, const struct idem_use *use, const struct uuid *task_id);
void key_free(struct core *core, struct idem_key **k);
void keys_expire(struct step *s);
void keys_sort(struct core *core);                       /* by age: they were loaded in another order */

/* shares.c: projects and concurrency groups */
struct project *project_get(struct core *core, const char *name);   /* made when it is new */
void project_mark(struct core *core, struct project *p);
void project_took(struct core *core, struct project *p);            /* a slot was given to it: its pass moves on */
struct group *group_get(struct core *core, const char *name);
void group_mark(struct core *core, struct group *g);
void group_release(struct core *core, struct group *g);             /* one task less; gone when nothing needs it */
bool group_is_full(const struct group *g);                          /* NULL: no */
void shares_fini(struct core *core);

/* kin.c: open tasks that ask for the same (twins), or for the same of one merge request (kin) */
void kin_add(struct core *core, struct task *t);
void kin_remove(struct core *core, struct task *t);
struct task *kin_twin(const struct core *core, const struct spec *spec);   /* the oldest; NULL: none, or not to be joined */
bool kin_is_commit(const char *ref);                    /* a full id: only such submissions have twins */
struct bunch *kin_of(const struct core *core, const struct spec *spec);    /* NULL: none */

/* after.c: tasks that wait for tasks */
bool after_is_met(enum after condition, enum task_state end);
void after_link(struct task *t, struct task *on);
void after_unlink(struct task *t);                       /* it waits for nothing any more */
void after_free(struct task *t);                         /* and nothing waits for it */
void after_settle(struct step *s);                       /* those that waited for what ended in this step */
void after_link_loaded(struct core *core, struct task *t);          /* to whatever of its `after` is open */

/* queue.c: who waits, and for which agents */
void queue_open(struct core *core, struct task *t);       /* finds or makes the task's lane */
void queue_close(struct core *core, struct task *t);
void queue_fini(struct core *core);                       /* no task is left */
void queue_push(struct core *core, struct task *t);
void queue_remove(struct core *core, struct task *t);
void queue_project_moved(struct project *p);              /* its share or its pause is new */
void queue_group_moved(struct core *core, struct group *g);
void queue_resumed(struct core *core);                    /* agents that are free look again */
void queue_agent_offers(struct core *core, struct agent *a);  /* its labels are new */
void queue_agent_moved(struct agent *a);                      /* its load is new */
void queue_agent_freed(struct core *core, struct agent *a);     /* the same, and it may take more */
void queue_agent_connect(struct core *core, struct agent *a, struct route to);  /* a disconnected one */
void queue_agent_disconnect(struct core *core, struct agent *a);
void queue_agent_drain(struct core *core, struct agent *a, bool is_draining);
bool queue_agent_is_usable(const struct agent *a);
bool task_before(const struct task *a, const struct task *b);            /* in one project's queue */
bool lane_before(const struct lane *a, const struct lane *b);            /* of lanes that have a queued task */
enum { QUEUE_LOOK_MAX = 64 };   /* retries looked at for one agent before the fresh tasks: each may avoid it */

/* pick.c */
struct agent *queue_agent_for(const struct core *core, struct task *t);  /* NULL: it waits */
struct task *queue_task_for(const struct core *core, struct agent *a);   /* NULL: nothing to do */

/* attempts.c */
struct attempt *attempt_assign(struct step *s, struct task *t, struct agent *a);
void attempt_send(struct step *s, struct attempt *at);
void attempt_accepted(struct step *s, struct attempt *at);
bool attempt_is_sent_again(const struct attempt *at, int64_t session);   /* NULL: no */
void attempt_ack(struct step *s, const struct uuid *task_id, int64_t number, const char *fact);
void attempt_forget(struct step *s, struct route to, const struct uuid *task_id, int64_t number, const char *reason);
void dispatch(struct step *s);                            /* tasks to agents, after every step */

/* sinks.c: how the log sinks are */
struct sink *sink_get(struct core *core, const char *name);         /* made when it is new */
struct sink *sink_place(const struct core *core, const struct uuid *task_id, int64_t attempt);   /* for a new log */
/* One that is up and not `from`; NULL: there is none. */
struct sink *sink_instead(const struct core *core, const struct uuid *task_id, int64_t attempt, const struct sink *from);
void sinks_init(struct core *core);
void sinks_fini(struct core *core);                      /* no attempt is left */

/* logs.c: where an attempt's log lies, and its end */
struct sink *log_sink(const struct attempt *at);         /* it lies there now */
void log_begin(struct attempt *at, struct sink *sink);
void log_segment_set(struct attempt *at, const struct segment *segment);
void log_close(struct attempt *at);                      /* the attempt is forgotten */
void log_seal(struct step *s, struct attempt *at);       /* the attempt has ended: asks its sink */
void log_reopen(struct step *s, struct attempt *at);     /* more is known, or more will come: asks once more */
void log_listed(struct step *s, struct attempt *at);     /* its agent says hello and still has some of the log */
void log_ask_move(struct step *s, struct attempt *at);   /* if its sink is lost */
void log_leave(struct step *s, struct attempt *at);      /* away from its sink, if there is another one */
void log_lose(struct step *s, struct attempt *at);       /* its sink is lost: an ended attempt waits for it no more */
void log_seal_fill(const struct attempt *at, struct msg_log_seal *m);   /* texts and head are the attempt's own */
bool log_is_due(const struct attempt *at);               /* a seal is asked for */

/* endings.c: how attempts and tasks end */
struct ending {
    enum state_event event;     /* of the attempt */
    const char *cause, *message;
};
/* Ends it without a verdict of the build; the task goes back to the queue or ends. */
void attempt_end(struct step *s, struct attempt *at, const struct ending *end);
/* Ends it, and the task if that is open, with a verdict; tried again if the policy says so. */
void attempt_verdict(struct step *s, struct attempt *at, const struct ending *end);
bool attempt_is_counted(const struct attempt *at);
int64_t retry_delay(const struct core *core, const struct task *t);
struct task_ending {
    enum state_event event;
    const char *cause, *message;
    const struct attempt *by;   /* NULL: none */
};
void task_end(struct step *s, struct task *t, const struct task_ending *end);
void task_ready(struct step *s, struct task *t);          /* waiting -> queued */
void queue_deadline(struct step *s, const struct task *t);   /* arms its queue timeout, if it has one */

/* stops.c: what is told to end before its time */
void attempt_halt(struct step *s, struct attempt *at, enum stop stop, const char *reason);
void attempt_halt_again(struct step *s, struct attempt *at);   /* says it once more */
enum state_event stop_event(enum stop stop);              /* how its task ends */
const char *stop_name(enum stop stop);                    /* NULL: STOP_NONE */
struct attempt *task_open_attempt(const struct task *t);  /* NULL: none */
void task_supersede(struct step *s, struct task *t, const struct uuid *by, bool is_running_too);

/* changes.c: every call that sets something begins and ends so */
struct change {
    const struct uuid *request_id;
    struct idem_use use;
};
bool change_begin(struct step *s, const struct change *c);   /* false: answered, its key was known */
void change_done(struct step *s, const struct change *c, const struct uuid *task_id);   /* NULL: of no task */
void change_refuse(struct step *s, const struct change *c, const char *reason, const char *message);
enum supersede supersede_of(const char *word, enum supersede otherwise);   /* NULL or unknown: otherwise */

/* agents.c */
void agent_labels(struct agent *a, struct msg_strs labels);

/* core.c */
struct row_event *step_event(struct step *s, const char *kind, const struct task *t, const struct attempt *at,
                             const struct agent *a);
void event_data(struct step *s, struct row_event *ev, const char *key, const char *value);
/* A zeroed message in the effects; the caller fills it. */
void *step_message(struct step *s, enum msg_type type, size_t size, struct route to);
char *step_text(struct step *s, const char *text);        /* a copy that lives as long as the effects */
void step_timer_in(struct step *s, enum timer_kind kind, const struct task *t, int64_t attempt, int64_t in_ms);

/* effects.c: one more row of its kind */
struct row_task *effects_task(struct effects *fx);
struct row_attempt *effects_attempt(struct effects *fx);
struct row_agent *effects_agent(struct effects *fx);
struct row_project *effects_project(struct effects *fx);
struct row_group *effects_group(struct effects *fx);
struct row_queue *effects_queue(struct effects *fx);
struct row_key *effects_key(struct effects *fx);
struct row_key *effects_old_key(struct effects *fx);
struct row_sink *effects_sink(struct effects *fx);
struct row_segment *effects_segment(struct effects *fx);
struct row_event *effects_event(struct effects *fx);
struct core_message *effects_message(struct effects *fx);
struct core_timer *effects_timer(struct effects *fx);

#endif
