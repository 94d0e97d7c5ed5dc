/* world.h - a farm in one process and in simulated time: the real core between a simulated shell, database, network,
 * agents, clients and sink. One seed is one life; everything that happens follows from it. */
#ifndef ORION_TESTS_SIM_WORLD_H
#define ORION_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/heap.h"
#include "lib/table.h"
#include "scheduler/core.h"

enum {
    AGENTS_MAX = 4,
    TASKS_MAX = 16,
    HELD_MAX = 16,
    LEASE_MS = 10000,
    ACCEPT_MS = 4000,
    REPEAT_MS = 2000,        /* facts, hellos, submits, seals */
    FAULTS_UNTIL_MS = 60000, /* then the world is kind, and everything must come to its end */
    END_MS = 900000,
};

/* Mistakes that somebody could make in the shell or the agent: the simulator must notice each (--bug NAME). */
enum bug { BUG_NONE, BUG_EARLY_MESSAGES, BUG_BLIND_RESEND, BUG_FORGETFUL_INVENTORY, BUG_LOST_ROWS, BUGS };

struct world;

/* What travels: flat, so that copies are cheap. */
struct sim_held {
    struct uuid task;
    int64_t attempt;
    const char *state;
};
struct packet {
    enum msg_type type;
    int agent;               /* or client */
    uint64_t conn;
    struct uuid task, other;
    int64_t attempt, session, number;
    const char *text, *cause;
    struct sim_held held[HELD_MAX];
    int n_held;
};
typedef void happen_fn(struct world *w, const struct packet *p);

/* --- db.c: the rows, as committed */
struct sim_db {
    struct table tasks, attempts, agents, segments, keys; /* struct row_... in the arena */
    struct arena arena;
    int64_t epoch, batch, seq, now_ms;
};
/* Applies a batch if epoch and batch are the row's; 0, or -1: fenced off. */
int db_commit(struct world *w, int64_t epoch, int64_t batch, const struct effects *fx);
struct core *db_load(struct world *w);      /* a core from the rows */
bool db_is_old(struct world *w, const struct uuid *task); /* there, but no new core would load it */
void db_fini(struct sim_db *db);

/* --- shell.c: one batch in flight, one filling; leases; the leader's life */
struct sim_batch {
    struct effects fx;
    struct buf dump;         /* of the core when the batch was closed */
    int64_t number;
    bool is_in_flight;
};
struct sim_shell {
    struct core *core;       /* NULL: nobody leads */
    struct core_config config;
    int64_t epoch, next_batch;
    struct sim_batch flight;
    struct effects filling;
    int life;                /* timers of an earlier leader's life are void */
    int64_t heard_ms[AGENTS_MAX], session[AGENTS_MAX]; /* leases: session 0: none */
    struct table seals;      /* attempts whose seal is repeated */
};
void shell_start(struct world *w);
void shell_input(struct world *w, const struct input *in);
void shell_heard(struct world *w, const struct packet *p);
void shell_fini(struct world *w);

/* --- agents.c */
struct sim_attempt {
    struct uuid task;
    int64_t number;
    bool is_finished, is_accept_acked;
    const char *outcome, *cause;
};
struct sim_agent {
    struct uuid id, instance;
    const char *labels[2];
    size_t n_labels;
    int64_t slots;
    bool is_alive, is_welcome;
    uint64_t conn;           /* 0: not connected */
    int64_t session;
    struct sim_attempt held[HELD_MAX];
    int n_held;
    int64_t last_in_ms, last_out_ms; /* a connection keeps its order */
};
void agents_start(struct world *w);
void agent_receive(struct world *w, const struct packet *p);
void agents_rehello(struct world *w);

/* --- clients.c: gateways with a submission each, and the sink */
struct sim_client {
    struct uuid task;
    const char *key;         /* Idempotency-Key; NULL: none */
    uint8_t body;
    bool needs_agent, has_label;
    bool is_sent, is_answered, is_kept;
    struct uuid answer;      /* the task it was told */
};
void clients_start(struct world *w);
void client_receive(struct world *w, const struct packet *p);
void sink_receive(struct world *w, const struct packet *p);

/* --- world.c: time, chance, the network */
struct world {
    uint64_t seed, chance;
    int64_t now_ms;
    int64_t skew_ms;         /* of the leader's wall clock: leaders differ, and some jump far ahead */
    uint64_t order;
    struct heap happenings;
    enum bug bug;
    bool is_traced;
    char failure[512];       /* the first broken promise; "": none */
    struct sim_db db;
    struct sim_shell shell;
    struct sim_agent agents[AGENTS_MAX];
    int n_agents;
    struct sim_client clients[TASKS_MAX];
    int n_clients;
    struct table runs;       /* attempts that were started: struct sim_run, by task and number */
    uint64_t last_conn;
    int commits, crashes;
};
struct sim_run {
    int agent;
    bool was_lost;           /* its agent died with it, or was told to stop, or gave it back */
};

uint64_t world_random(struct world *w, uint64_t below);
bool world_chance(struct world *w, unsigned percent);   /* never once the faults are over */
void world_in(struct world *w, int64_t ms, happen_fn *fn, const struct packet *p);
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool world_is_kind(const struct world *w);
/* Runs one life; 0, or -1 with w->failure. */
int world_run(struct world *w, uint64_t seed);
const char *id_short(const struct uuid *id, char out[16]);
struct uuid attempt_key(const struct uuid *task, int64_t attempt);

/* --- check.c: the promises, when everything has come to its end */
bool check_is_over(const struct world *w);
void check_end(struct world *w);

#endif
