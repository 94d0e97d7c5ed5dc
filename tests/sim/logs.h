/* logs.h - simulated log sinks (sinks.c), how agents fill them and move between them (ships.c), and the rows about both. */
#ifndef ORION_TESTS_SIM_LOGS_H
#define ORION_TESTS_SIM_LOGS_H

#include "lib/table.h"
#include "scheduler/core.h"

struct world;
struct sim_shell;
struct packet;

enum { SINKS_MAX = 3, RANGES_MAX = 24, SEGMENTS_MAX = 24, CHUNK_BYTES = 7 };

/* Chunks from .. to - 1, from 0. */
struct sim_range {
    int64_t from, to;
};
/* What a sink has of an attempt's log. Its disk survives everything. */
struct sim_store {
    struct uuid task;
    int64_t attempt;
    struct sim_range ranges[RANGES_MAX];
    int n_ranges;
    enum log_state sealed;
    int64_t end;                     /* chunks there should be, as it was told; -1: nobody has said */
    bool is_telling;                 /* what nobody has asked */
};
struct sim_sink {
    char name[SINK_NAME_SIZE];
    int64_t down_ms, full_ms;        /* until then */
    struct table stores;             /* by attempt_key */
};

/* The segments of a log, in the rows. A new one for every change. */
struct sim_segments {
    const struct row_segment *v[SEGMENTS_MAX];
    int n;
};

/* A seal that a shell asks for. */
struct sim_seal {
    int64_t id;                      /* another question about the same log has another one */
    int sink;
    struct msg_log_seal message;     /* without texts */
    int64_t first_ms;
    bool is_forced;
};

/* sinks.c */
void sinks_start(struct world *w);
int sink_by_name(const struct world *w, const char *name);
bool sink_is_up(const struct world *w, int sink);
bool sink_is_full(const struct world *w, int sink);
struct sim_store *store_find(const struct world *w, int sink, const struct uuid *task, int64_t attempt); /* NULL: nothing */
/* Chunks from..to arrive, behind what the agent knows to be there. Returns behind which chunk it is durable now. */
int64_t sink_take(struct world *w, int sink, const struct packet *log, struct sim_range chunks);
/* Seals, or not: false: it says nothing. The answer is filled in. */
bool sink_seal(struct world *w, int sink, const struct sim_seal *seal, struct input_sealed *answer);
/* ships.c */
void ship_begin(struct world *w, int agent, const struct msg_task_assign *m);
void ship_move(struct world *w, int agent, const struct msg_log_move *m);
void ship_moved(struct world *w, int agent, const struct msg_task_ack *m);
void ship_repeat(struct world *w, int agent);          /* moves that are not acknowledged */
void ship_died(struct world *w, int agent);
/* seals.c: of a shell */
void seal_begin(struct world *w, struct sim_shell *sh, const char *sink, const struct msg_log_seal *seal);
void seal_done(struct sim_shell *sh, const struct row_attempt *row);
void seals_tick(struct world *w, struct sim_shell *sh);
/* check_logs.c */
int db_log_sink(const struct world *w, const struct row_attempt *at);   /* by the rows it lies there now */
bool log_is_whole(const struct world *w, const struct row_attempt *at);
void check_logs(struct world *w, const struct sim_shell *sh);
void check_move(struct world *w, const struct effects *fx, const struct msg_log_move *m);
void check_log_change(struct world *w, const struct row_attempt *before, const struct row_attempt *now);

#endif
