/* world.h - a farm in one process and in simulated time: the real core between simulated shells, database, gateways,
 * agents, clients and sinks. One seed is one life; everything that happens follows from it.
 *
 * Everything that travels is a binary frame of the real codec. w->now_ms is the steady clock; wall clocks belong to the
 * shells and jump. What is made during a life lives in w->arena until its end. */
#ifndef ORION_TESTS_SIM_WORLD_H
#define ORION_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/heap.h"
#include "lib/table.h"
#include "tests/sim/agents.h"
#include "tests/sim/check.h"
#include "tests/sim/logs.h"
#include "tests/sim/people.h"
#include "tests/sim/shell.h"

enum {
    AGENTS_MAX = 4,
    CLIENTS_MAX = 22,
    CHANGES_MAX = 48,
    GATEWAYS = 2,
    SHELLS = 2,
    REPEAT_MS = 2000,        /* facts, hellos, requests, seals */
    FAULTS_UNTIL_MS = 60000, /* then the world is kind, and everything must come to its end */
    END_MS = 900000,
};
#define START_MS 1700000000000 /* the wall clock when a life begins */

/* Mistakes that somebody could make around the core: the simulator must notice each (--bug NAME). */
enum bug {
#define BUG(e, name) BUG_##e,
#include "tests/sim/bugs.def"
    BUGS
};

/* A life has some of these; each is off in a quarter of all lives. */
enum fault {
    FAULT_LOSS, FAULT_DELAY, FAULT_REORDER, FAULT_DUPLICATE,
    FAULT_LINK,      /* agents lose their connection, or it is cut for a while */
    FAULT_AGENT,     /* agent processes die, decline, say nothing, do not stop when told */
    FAULT_GATEWAY,   /* gateways die, sleep, or are cut off from one scheduler */
    FAULT_CRASH,     /* the leader dies, between any two steps */
    FAULT_PAUSE,     /* the leader sleeps (SIGSTOP), and another one takes over or does not */
    FAULT_DATABASE,  /* the connection is lost in the middle of a commit */
    FAULT_REFUSAL,   /* inputs that SQL refuses */
    FAULT_CLOCK,     /* wall clocks jump by hours, both ways */
    FAULT_SINK,      /* log sinks are away, or full */
    FAULTS
};

struct world;

/* One happening's facts; few matter to each. */
struct packet {
    int agent, gateway, shell, client;
    int life;                /* of the shell's core, or of the gateway */
    int process;             /* of the shell */
    enum db_answer answer;
    uint64_t conn;
    int64_t epoch, attempt, session, number;
    struct uuid task;
    const uint8_t *frame;
    size_t len;
};
typedef void happen_fn(struct world *w, const struct packet *p);

/* --- db.c: the rows, as committed; db_load.c: cores from them */
struct sim_db {
    struct table tasks, attempts, agents, projects, groups, keys, sinks; /* struct row_... in w->arena, never changed there */
    struct table segments;           /* struct sim_segments, by attempt_key */
    bool is_paused;
    int64_t epoch, batch, seq, now_ms;
};
/* Applies the batch in flight of that shell, or nothing. */
enum db_answer db_commit(struct world *w, struct sim_shell *sh);
/* A core whose time is now_ms would have it. */
bool db_is_loaded(const struct world *w, const struct row_task *t, int64_t now_ms);
const struct row_task *db_task(const struct world *w, const struct uuid *id);
const struct row_attempt *db_attempt(const struct world *w, const struct uuid *task, int64_t number);
void db_fini(struct sim_db *db);
/* PAGE_FIRST: what runs, what just ended and what was just submitted. PAGE_MORE: open tasks behind *from in the order
 * of their ids, then what they wait for and all keys, then NULL. *from moves on. */
enum page { PAGE_ALL, PAGE_FIRST, PAGE_MORE };
const struct core_rows *db_rows(struct world *w, struct arena *arena, enum page page, struct uuid *from);
const struct core_rows *db_rows_of(struct world *w, struct arena *arena, const struct uuid *ids, size_t n);

/* --- net.c: gateways, and the ways between everybody */
struct sim_gateway {
    int life;                       /* of the process */
    int64_t epoch;                  /* the highest it has heard of */
    int leader;                     /* the shell it sends to; -1: none */
    int64_t cut_ms[SHELLS];         /* nothing passes until then */
    int64_t heard_ms;               /* when the leader last answered */
    int64_t wakes_ms;               /* asleep until then */
};
void net_start(struct world *w);
/* From an agent's connection (conn) or a client (0) to the leader that this gateway knows. */
void net_up(struct world *w, struct packet way, enum msg_type type, const void *message);
void net_down(struct world *w, struct sim_shell *sh, const struct core_message *m);
void net_agent_gone(struct world *w, int agent);       /* the gateway saw the socket close */

/* --- world.c: time, chance */
struct world {
    uint64_t seed, chance;
    bool faults[FAULTS];
    int64_t now_ms;
    uint64_t order;
    struct heap happenings;
    enum bug bug;
    bool is_traced;
    char failure[512];       /* the first broken promise; "": none */
    struct arena arena;
    struct core_config config;
    int64_t lease_ms, accept_ms;
    struct sim_db db;
    struct sim_shell shells[SHELLS];
    struct sim_gateway gateways[GATEWAYS];
    struct sim_sink sinks[SINKS_MAX];
    struct sim_agent agents[AGENTS_MAX];
    int n_agents;
    struct sim_client clients[CLIENTS_MAX];
    int n_clients;
    struct sim_change changes[CHANGES_MAX];
    int n_changes;
    struct table runs;       /* struct sim_run, by attempt_key */
    struct table notes;      /* struct sim_note, by task */
    struct table owners;     /* struct sim_client, by every task id it ever sent */
    struct table drained, projects_said; /* agents that drain; struct row_project by name: as the events say */
    bool is_paused;          /* the same for the queue */
    struct table agents_before, groups_before; /* rows as they were before the last commit */
    uint64_t last_conn;
    int64_t last_id;
    int64_t trouble_ms;      /* when the farm last had no leader that could act */
    int64_t jump_ms;         /* when a wall clock jumped; -1: never */
    struct {
        int64_t commits, crashes, takeovers, fenced, refused, resumed, inputs, replays, moves, recalls, lates;
    } counts;
};

uint64_t world_random(struct world *w, uint64_t below);
int64_t world_ms(struct world *w, int64_t from, int64_t to); /* from <= result < to */
bool world_chance(struct world *w, enum fault fault, unsigned percent); /* never once the faults are over */
void world_in(struct world *w, int64_t ms, happen_fn *fn, const struct packet *p);
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_trace_frame(struct world *w, const char *what, const struct packet *p);
bool world_is_kind(const struct world *w);
void world_trouble(struct world *w, int64_t until_ms); /* the farm has no leader that can act */
struct uuid world_id(struct world *w, uint8_t kind);
/* Runs one life; 0, or -1 with w->failure. */
int world_run(struct world *w, uint64_t seed);
const char *id_short(const struct uuid *id, char out[16]);
struct uuid attempt_key(const struct uuid *task, int64_t attempt);

#endif
