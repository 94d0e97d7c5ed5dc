/* agents.h - simulated agents (agents.c) and what runs on them (runs.c). */
#ifndef ORION_TESTS_SIM_AGENTS_H
#define ORION_TESTS_SIM_AGENTS_H

#include "scheduler/core.h"

struct world;

enum { HELD_MAX = 12 };

struct sim_attempt {
    struct uuid task;
    int64_t number;
    bool is_accepted, is_prepared;                      /* acknowledged */
    bool is_finished, is_result_known, is_bad;          /* is_bad: SQL refuses what it says */
    bool is_stubborn;                                   /* cannot be stopped */
    const char *outcome, *cause;
    int64_t exit_code, chunks;
    int sink, next;                                     /* next: it moves there */
    bool is_moving;                                     /* ... and that is not acknowledged */
    bool is_based;                                      /* this sink knows where its part begins */
    int64_t produced, acked, base;                      /* chunks: in the spool, at the sink, before this sink */
};
struct sim_agent {
    struct uuid id, instance;
    const char *labels[4];
    size_t n_labels;
    int64_t slots, count, epoch, session;
    bool is_alive, is_welcome, has_count;
    uint64_t conn;                                      /* 0: not connected */
    int gateway;
    struct sim_attempt held[HELD_MAX];
    int n_held;
    int64_t cut_ms;                                     /* its connection is dead until then */
    int64_t last_in_ms, last_out_ms;                    /* a connection keeps its order */
};
void agents_start(struct world *w);
void agent_receive(struct world *w, int agent, enum msg_type type, const void *message);
void agent_say(struct world *w, int agent, enum msg_type type, const void *message);
void agent_drop(struct world *w, int agent, int64_t back_ms, bool is_told); /* loses its connection */
void agent_die(struct world *w, int agent);
void agents_unheard(struct world *w, int gateway);  /* it sleeps: whoever is connected to it will notice */
void agent_rehello(struct world *w, int gateway);
int agent_by_conn(const struct world *w, uint64_t conn); /* -1: none */

/* What an agent did with an attempt, whatever the scheduler thinks. */
struct sim_run {
    struct uuid task;
    int64_t attempt;
    int agent;
    bool is_begun;           /* else it was declined before it came */
    bool was_lost;           /* its agent died with it, was told to forget it, or gave it back */
    const char *outcome;     /* NULL: never finished */
};
struct sim_run *run_find(const struct world *w, const struct uuid *task, int64_t attempt);
struct sim_attempt *held_find(struct sim_agent *a, const struct uuid *task, int64_t number);
void runs_assigned(struct world *w, int agent, const struct msg_task_assign *m);
void runs_acked(struct world *w, int agent, const struct msg_task_ack *m);
void runs_stopped(struct world *w, int agent, const struct msg_task_stop *m);
void runs_lost(struct world *w, int agent);             /* the process died */
void runs_repeat(struct world *w, int agent);           /* facts that are not acknowledged */

#endif
