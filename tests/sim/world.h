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
#include "tests/sim/shell.h"

enum {
    AGENTS_MAX = 4,
    CLIENTS_MAX = 22,
    CHANGES_MAX = 48,
    GATEWAYS = 2,
    SHELLS = 2,
    HELD_MAX = 12,
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
    FAULTS
};

struct world;

/* One happening's facts; few matter to each. */
struct packet {
    int agent, gateway, shell, client;
    int life;                /* of the shell, or of the gateway */
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
    struct table tasks, attempts, agents, projects, groups, keys; /* struct row_... in w->arena, never changed there */
    bool is_paused;
    int64_t epoch, batch, seq, now_ms;
};
/* Applies the batch in flight of that shell, or nothing. */
enum db_answer db_commit(struct world *w, struct sim_shell *sh);
bool db_is_loaded(const struct world *w, const struct row_task *t); /* a new core would have it */
const struct row_task *db_task(const struct world *w, const struct uuid *id);
const struct row_attempt *db_attempt(const struct world *w, const struct uuid *task, int64_t number);
void db_fini(struct sim_db *db);
/* PAGE_FIRST: what runs and what just ended. PAGE_MORE: open tasks behind *from in the order of their ids, then all keys,
 * then NULL. *from moves on. */
enum page { PAGE_ALL, PAGE_FIRST, PAGE_MORE };
const struct core_rows *db_rows(struct world *w, struct arena *arena, enum page page, struct uuid *from);

/* --- net.c: gateways, and the ways between everybody */
struct sim_gateway {
    int life;                       /* of the process */
    int64_t epoch;                  /* the highest it has heard of */
    int leader;                     /* the shell it sends to; -1: none */
    int64_t cut_ms[SHELLS];         /* nothing passes until then */
    int64_t wakes_ms;               /* asleep until then */
};
void net_start(struct world *w);
/* From an agent's connection (conn) or a client (0) to the leader that this gateway knows. */
void net_up(struct world *w, struct packet way, enum msg_type type, const void *message);
void net_down(struct world *w, struct sim_shell *sh, const struct core_message *m);
void net_agent_gone(struct world *w, int agent);       /* the gateway saw the socket close */

/* --- agents.c: connections and sessions; runs.c: attempts on agents */
struct sim_attempt {
    struct uuid task;
    int64_t number;
    bool is_accepted, is_prepared;                      /* acknowledged */
    bool is_finished, is_result_known, is_bad;          /* is_bad: SQL refuses what it says */
    bool is_stubborn;                                   /* cannot be stopped */
    const char *outcome, *cause;
    int64_t exit_code, chunks;
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

/* --- clients.c: submissions; changes.c: everything else that people ask for */
struct sim_client {
    struct msg_task_submit plan;
    uint8_t body;
    int gateway;
    bool is_bad;             /* SQL refuses it */
    bool is_answered, is_kept, is_joined, is_abandoned;
    bool names_unknown;      /* waits for a task that nobody knows */
    const char *refusal;
    struct uuid answer;      /* the task it was told */
};
struct sim_change {
    enum msg_type type;
    union {
        struct msg_task_cancel cancel;
        struct msg_agent_set agent;
        struct msg_project_set project;
        struct msg_group_set group;
        struct msg_queue_set queue;
        struct msg_task_why why;
    } plan;
    struct uuid id;          /* request_id */
    const char *key;
    uint8_t body;
    int gateway;
    bool is_bad, is_unknown; /* is_unknown: names what does not exist */
    bool was_known;          /* a cancel: its task was committed before it was asked */
    bool is_answered, is_done, is_replayed;
    const char *refusal;
};
void clients_start(struct world *w);
struct sim_client *client_by_task(struct world *w, const struct uuid *task); /* whose id that is; NULL: nobody's */
void client_gateway_died(struct world *w, int gateway);
void client_submitted(struct world *w, const struct msg_task_submitted *m);
void client_refused(struct world *w, const struct msg_task_refused *m);
void changes_start(struct world *w);
void change_answered(struct world *w, const struct msg_change_done *m);
void change_denied(struct world *w, const struct msg_change_refused *m);

/* --- notes.c: the journal as told by the events; check_commit.c: after every commit; check_life.c: at the end */
struct sim_note {            /* what the checks remember of a task; sequence numbers of events, 0: not yet */
    struct uuid task;
    enum task_state state;   /* as the events say */
    int64_t submit_seq, stop_seq, superseded_seq, end_seq, attempts;
    int64_t superseded_attempts;                 /* attempts it had when a newer task should have ended it */
    int64_t kept_ms, cancel_ms, accepted_ms; /* steady clock, when it was committed */
    int n_ends;
};
struct sim_note *note_of(struct world *w, const struct uuid *task);
const char *event_says(const struct row_event *ev, const char *key); /* "": nothing */
void notes_read(struct world *w, const struct sim_shell *sh);  /* the events of its batch */
void check_assigned(struct world *w, const struct row_event *ev);  /* in the order of the events */
void check_submitted(struct world *w, const struct row_event *ev);
void check_ended(struct world *w, const struct sim_note *note);
void check_commit(struct world *w, const struct sim_shell *sh);
void check_reasons(struct world *w, const struct sim_shell *sh);   /* answers to task.why, before they leave */
bool is_same_build(const struct spec *a, const struct spec *b);
bool check_is_over(const struct world *w);
void check_life(struct world *w);

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
        int64_t commits, crashes, takeovers, fenced, refused, resumed, inputs, replays;
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
