/* shell.h - the simulated shell around the core: batches, leadership, clocks, refusals, and the journal that is run
 * again. In the image of src/scheduler/shell.c, lead.c, clocks.c and refusal.c. */
#ifndef ORION_TESTS_SIM_SHELL_H
#define ORION_TESTS_SIM_SHELL_H

#include "lib/table.h"
#include "scheduler/core.h"
#include "scheduler/presence.h"
#include "tests/sim/logs.h"

struct world;

/* Of the database, to a batch. */
enum db_answer { DB_DONE, DB_FENCED, DB_REFUSED, DB_EXISTS };

/* An input as it came: a frame of the bus, or a struct of core.h. In the world's arena. */
struct kept {
    enum input_kind kind;
    struct route from;
    int64_t at_ms;
    bool is_alone;                   /* SQL refused a batch it was in: it gets one of its own */
    bool is_recalled;                /* the rows of tasks that it speaks of were fetched */
    size_t len;
    _Alignas(16) uint8_t data[];
};
struct kept_list {
    struct kept **v;
    size_t n, cap;
};
void kept_add(struct kept_list *list, struct kept *k);
void kept_move(struct kept_list *to, struct kept_list *from);  /* to its end; `from` is empty then */
void kept_fini(struct kept_list *list);

/* journal.c: what a core was made from and told, to be run again through another one. */
struct attachment {
    struct uuid agent;
    int64_t session;
    struct route to;
};
struct journal_entry {               /* one of these, or none: the batch was closed */
    const struct core_rows *rows;    /* loaded (the first), or loaded behind it */
    const struct kept *input;
    const struct attachment *attached;
    uint64_t digest;                 /* of the batch */
};
struct journal {
    struct journal_entry *v;
    size_t n, cap;
};
void journal_add(struct journal *j, struct journal_entry entry);
uint64_t effects_digest(const struct effects *fx);
/* Its message, in the arena. */
struct input input_of(const struct kept *k, struct arena *arena);
void input_run(struct core *core, const struct kept *k, struct effects *fx);

enum shell_state {
    SHELL_DOWN,      /* the process is not there */
    SHELL_STANDBY,
    SHELL_LOADING,   /* leads, and has no core yet (or no core again) */
    SHELL_LEADING,
};

struct sim_lease {
    int64_t session;                 /* 0: none */
    int64_t heard_ms;
    struct route to;                 /* peer 0: from the rows, no hello yet */
    bool is_out, is_gone;
};

struct sim_shell {
    int index;
    enum shell_state state;
    int process;                     /* it was started so often */
    int life;                        /* of the core: clocks of an earlier one are void */
    int clocks;                      /* the same for its timers */
    int64_t epoch, next_batch, skew_ms;
    struct core *core, *replaced;    /* replaced: its connections go to the next one */
    bool is_whole;                   /* the core has all rows */
    struct uuid page;                /* rows up to here were loaded */
    int64_t slept_ms, wakes_ms;      /* asleep until then */
    int64_t agents_first_ms;         /* until then a running attempt's time limits wait for what its agent says */
    bool is_cut;                     /* from the database; clocks stand still */
    struct effects flight, filling;
    struct kept_list flight_inputs, filling_inputs, waiting, held; /* held: until the core is whole */
    struct kept_list recalling;      /* until the tasks they speak of are fetched */
    bool is_in_flight, is_applied;   /* is_applied: the database has the batch, whatever the shell knows */
    bool is_selected;                /* of the batch: the leader row was read before */
    bool fills_whole;                /* of the batch that fills: its first input met a core that was whole */
    bool began_whole, was_whole;     /* of the batch in flight: the same; it was closed by a core that was whole */
    int64_t sent_ms;
    struct buf dump;                 /* of the core when the batch was closed */
    struct journal journal;
    struct sim_lease leases[4];      /* by agent */
    int64_t heard_ms[2];             /* by gateway */
    struct table seals;              /* struct sim_seal, by attempt_key */
    struct presence sinks[SINKS_MAX];
};

void shells_start(struct world *w);
void shell_fini(struct sim_shell *sh);
bool shell_is_asleep(const struct world *w, const struct sim_shell *sh);
bool shell_leads(const struct world *w, const struct sim_shell *sh); /* is awake and believes it */
/* shell.c */
struct kept *shell_keep(struct world *w, enum input_kind kind, struct route from, const void *data, size_t len);
void shell_take(struct world *w, struct sim_shell *sh, struct kept *k);
void shell_run(struct world *w, struct sim_shell *sh, struct kept *k);
void shell_clock(struct world *w, struct sim_shell *sh, enum input_kind kind, const void *data, size_t len);
void shell_frame(struct world *w, struct sim_shell *sh, struct route from, const uint8_t *frame, size_t len);
void shell_loaded(struct world *w, struct sim_shell *sh, bool is_all);
void shell_pump(struct world *w, struct sim_shell *sh);
void shell_send(struct world *w, struct sim_shell *sh);   /* the batch in flight, once more */
enum db_answer shell_apply(struct world *w, struct sim_shell *sh); /* the database has it now; checks everything */
void shell_committed(struct world *w, struct sim_shell *sh);
void shell_drop_core(struct world *w, struct sim_shell *sh); /* replays its journal */
void shell_end(struct world *w, struct sim_shell *sh, enum shell_state state);
/* lead.c */
void lead_rebuild(struct world *w, struct sim_shell *sh);
void lead_crash(struct world *w, struct sim_shell *sh);
void lead_disconnected(struct world *w, struct sim_shell *sh);
void lead_sleep(struct world *w, struct sim_shell *sh);
/* refusal.c */
void refusal_begin(struct world *w, struct sim_shell *sh, bool exists);
/* recall.c */
bool recall_is_needed(const struct sim_shell *sh, const struct kept *k);
void recall_add(struct world *w, struct sim_shell *sh, struct kept *k);
/* clocks.c: leases, deadlines, timers */
void clocks_begin(struct world *w, struct sim_shell *sh);
void clocks_loaded(struct world *w, struct sim_shell *sh);
void clocks_go(struct world *w, struct sim_shell *sh);
void clocks_message(struct world *w, struct sim_shell *sh, const struct core_message *m);
void clocks_timer(struct world *w, struct sim_shell *sh, const struct core_timer *t);
void clocks_heard(struct world *w, struct sim_shell *sh, const struct msg_agent_alive *m, uint64_t peer);
void clocks_gone(struct world *w, struct sim_shell *sh, int64_t session);
/* journal.c */
void journal_replay(struct world *w, struct sim_shell *sh);
void journal_fini(struct journal *j);

#endif
