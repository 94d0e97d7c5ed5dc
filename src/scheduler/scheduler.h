/* scheduler.h - the shell around the core: who keeps which clock, who talks to whom.
 *
 *   core.h      the pure core (core, submit, agents, attempts, results, logs, sinks, queue, match, tasks, keys, load, dump)
 *   shell.c     inputs into the core, batches into the database, messages out after the commit; recall.c: those that
 *               speak of forgotten tasks
 *   lead.c      leadership: the lock, the leader row, taking over, resuming after a lost connection
 *   pulse.c     whether another leader lives; loading.c: the rest of a long queue, behind a leader that serves
 *   db.c        all SQL; db_write.c, db_columns.c: rows to parameters; db_month.c: the partition of now; db_load.c,
 *               db_rows.c: rows to a core
 *   peers.c     processes on the bus; inbox.c: their messages become inputs
 *   clocks.c    leases, acceptance deadlines, the core's timers (alarms.c); seals.c: log.seal until it is answered;
 *               sinkwatch.c: which log sinks are there (presence.c) */
#ifndef ORION_SCHEDULER_SCHEDULER_H
#define ORION_SCHEDULER_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/msg.h"
#include "scheduler/core.h"

struct service;
struct loop;
struct bus_frame;
struct msg_handler;
struct pg;
struct db_month;
struct clocks;
struct lead;
struct loading;
struct peers;
struct seals;
struct shell;
struct sinkwatch;

struct scheduler_settings {
    char *database, *name, *listen, *sinks;
    int64_t lease_ms, accept_ms, tries, log_grace_ms, sink_lost_ms;
    int64_t ageing_ms, retry_ms, retry_max_ms, stop_ms, killed_agents;
};

struct scheduler {
    struct service *service;
    struct loop *loop;
    const struct scheduler_settings *settings;
    struct arena arena;             /* names of sinks */
    struct core_config config;
    struct pg *pg;
    struct db_month *month;
    struct peers *peers;
    struct clocks *clocks;
    struct seals *seals;
    struct sinkwatch *sinkwatch;
    struct shell *shell;
    struct lead *lead;
};

/* --- shell.c */
struct shell *shell_open(struct scheduler *s);
void shell_close(struct shell **sh);
/* A message of the bus, decoded, and as it came: kept until its batch is committed. */
struct shell_frame {
    const void *data;
    size_t len;
};
void shell_message(struct shell *sh, enum input_kind kind, struct route from, const void *message, struct shell_frame frame);
void shell_clock(struct shell *sh, enum input_kind kind, const struct input_clock *clock);
void shell_timer(struct shell *sh, const struct core_timer *timer);
void shell_own(struct shell *sh, enum input_kind kind, const void *data, size_t len);   /* one of the shell's own inputs */
bool shell_is_full(const struct shell *sh);   /* timers should come later: inputs wait for a commit */
/* Leadership begins with a core made from the rows; or, after SQL refused a batch, the core of the same epoch. Takes it. */
void shell_begin(struct shell *sh, int64_t epoch, struct core *core);
/* The core given to shell_begin was partial: more rows for it, and that was all of them. -1: it cannot take these rows,
 * or there is no core any more that could. The rows are needed for the call only. */
int shell_load_more(struct shell *sh, const struct core_rows *rows, struct err *e);
void shell_loaded(struct shell *sh);
void shell_resume(struct shell *sh, bool is_committed);   /* the connection is back, and so is the lock */
void shell_pause(struct shell *sh);                       /* the connection is lost */
void shell_end(struct shell *sh);                         /* somebody else leads: forget everything */
bool shell_has_core(const struct shell *sh);
bool shell_is_in_flight(const struct shell *sh);          /* a batch is out: the leader row may be one further */
int64_t shell_epoch(const struct shell *sh);              /* 0: not leading */
int64_t shell_batch(const struct shell *sh);              /* what the leader row says if nothing of ours is in doubt */

/* --- lead.c */
struct lead *lead_open(struct scheduler *s);
void lead_close(struct lead **l);
void lead_up(struct lead *l);        /* the connection is there */
void lead_down(struct lead *l);
void lead_lost(struct lead *l);      /* the fence held: somebody else leads */
void lead_rebuild(struct lead *l);   /* SQL refused a batch: a core from the rows, then shell_begin */
void lead_failed(struct lead *l, const struct err *why);   /* the rows cannot be loaded: lead no more, try again later */

/* --- loading.c */
struct loading *loading_open(struct scheduler *s);
void loading_close(struct loading **l);
void loading_begin(struct loading *l);   /* the shell has a new, partial core: from the first task on */
void loading_go(struct loading *l);      /* the connection is back: from where it was */
void loading_stop(struct loading *l);    /* that core is no more */

/* --- peers.c */
struct peers *peers_open(struct scheduler *s, const struct msg_handler *table, size_t n, struct err *e);
void peers_close(struct peers **p);
void peers_send(struct peers *p, struct route to, enum msg_type type, const void *message);
void peers_send_sink(struct peers *p, const char *sink, enum msg_type type, const void *message);
/* When a sink of that name was last heard, by clock_boot_ms; 0: it is not there. */
uint64_t peers_sink_heard(const struct peers *p, const char *sink);
const char *peers_name(const struct peers *p, uint64_t number);   /* NULL: unknown */
void peers_announce(struct peers *p);   /* welcome everybody again: who leads has changed */
/* What a handler gets as msg_from.peer. */
struct arrival {
    uint64_t peer;              /* 0: said no hello yet */
    const struct bus_frame *frame;
};
void peers_hello(struct peers *p, const struct arrival *a, const struct msg_bus_hello *m);
void peers_pong(struct peers *p, uint64_t peer, int64_t token);

/* --- clocks.c */
struct clocks *clocks_open(struct scheduler *s);
void clocks_close(struct clocks **c);
void clocks_lease(struct clocks *c, const struct uuid *agent_id, int64_t session, struct route to);
void clocks_heard(struct clocks *c, int64_t session, uint64_t peer);  /* ... from that peer */
void clocks_gone(struct clocks *c, int64_t session);    /* the socket closed: tells the core */
void clocks_peer_gone(struct clocks *c, uint64_t peer); /* all sessions behind it */
void clocks_deadline(struct clocks *c, const struct uuid *task_id, int64_t attempt, int64_t session);
void clocks_timer(struct clocks *c, const struct core_timer *timer);  /* counted from now */
void clocks_task_ended(struct clocks *c, const struct uuid *task_id); /* none of its timers matters any more */
void clocks_no_timers(struct clocks *c);                /* the core will name them all again */
void clocks_hold(struct clocks *c);                     /* nothing runs out */
void clocks_go(struct clocks *c);                       /* every lease and deadline gets a full period */
void clocks_clear(struct clocks *c);

/* --- seals.c */
struct seals *seals_open(struct scheduler *s);
void seals_close(struct seals **ss);
void seals_add(struct seals *ss, const char *sink, const struct msg_log_seal *seal);
void seals_done(struct seals *ss, const struct uuid *task_id, int64_t attempt);
void seals_again(struct seals *ss, const char *sink);   /* that sink said hello: the grace begins anew */
bool seals_is_forced(const struct seals *ss, const char *sink, const struct uuid *task_id, int64_t attempt);
void seals_clear(struct seals *ss);

/* --- sinkwatch.c */
struct sinkwatch *sinkwatch_open(struct scheduler *s);
void sinkwatch_close(struct sinkwatch **sw);
void sinkwatch_known(struct sinkwatch *sw, const char *name, enum sink_state state, bool has_row);   /* a new core knows */
void sinkwatch_told(struct sinkwatch *sw, const char *name, bool is_full);                         /* by the sink */

#endif
