/* fake_farm.h - gateway, scheduler and log sink in one, as an agent sees them, for tests of the real orion-agent. */
#ifndef TESTS_UNIT_FAKE_FARM_H
#define TESTS_UNIT_FAKE_FARM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/uuid.h"
#include "proto/chain.h"
#include "proto/msg.h"

enum { FARM_TASKS = 8 };

/* What the farm knows of one attempt. */
struct farm_task {
    struct uuid id;
    unsigned accepts, declines, prepareds, results;
    char *reason, *commit, *driver, *workspace;
    char *outcome, *cause, *message;
    bool has_exit_code;
    int64_t exit_code, signal;
    int64_t log_bytes, log_lines, log_chunks;
    struct hash log_head;
    /* the sink: what it has, in order */
    struct hash head;
    uint64_t seq, offset;
    struct buf log;
};

struct farm {
    char dir[48];
    int port, listener;
    int silent, stuck;               /* a socket whose peers never hear a word, and one of them; 0: none */
    struct loop *loop;
    struct watch *accepting;
    struct timer *limit;
    struct farm_conn *conn;          /* the agent's; NULL: none */
    pid_t agent;                     /* 0: not running */
    struct child *child;
    bool has_left;
    int wstatus;
    const char *slots;

    struct farm_task tasks[FARM_TASKS];
    unsigned n_tasks;
    int64_t session, epoch, heartbeat_ms;
    unsigned hellos, closes;
    int64_t hello_count, hello_slots; /* of the last hello */
    struct uuid agent_id;
    unsigned close_code;             /* of the connection that closed last */
    unsigned n_held;                 /* of the last hello */
    char held[FARM_TASKS][16];

    bool acks_facts;                 /* says task.ack */
    unsigned drop_every;             /* one chunk in so many, 0: none */
    unsigned seed;
    bool is_sink_silent;
    bool is_leaderless;              /* no welcome is said */
    bool (*until)(struct farm *f);
    struct arena arena;
};

void farm_init(struct farm *f);
void farm_fini(struct farm *f);
char *farm_shell(struct farm *f, const char *script);      /* in the farm's folder; its output */
void farm_agent_start(struct farm *f);
void farm_agent_wait(struct farm *f);                      /* until it left: wstatus */
void farm_wait(struct farm *f, bool (*until)(struct farm *f));
void farm_drop_connection(struct farm *f);
struct farm_task *farm_assign(struct farm *f, const char *repo, struct msg_task_assign m);
void farm_assign_again(struct farm *f, const struct farm_task *t, int64_t session);
void farm_stop(struct farm *f, const struct farm_task *t, const char *outcome, const char *reason);
void farm_send(struct farm *f, enum msg_type type, const void *message);

#endif
