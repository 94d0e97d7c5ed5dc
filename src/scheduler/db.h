/* db.h - the scheduler's SQL, as calls. db.c holds every statement; nobody else writes SQL. */
#ifndef ORION_SCHEDULER_DB_H
#define ORION_SCHEDULER_DB_H

#include "lib/pg.h"
#include "scheduler/core.h"

enum db_stmt {
    DB_FENCE,
    DB_KEY_DELETE,
    DB_AGENT_PUT,
    DB_TASK_INSERT,
    DB_TASK_UPDATE,
    DB_ATTEMPT_INSERT,
    DB_ATTEMPT_UPDATE,
    DB_ATTEMPT_LATE,
    DB_LOG_SEGMENT_INSERT,
    DB_IDEMPOTENCY_INSERT,
    DB_EVENT_INSERT,
    DB_EVENT_NOTIFY,
    DB_SESSION_SETUP,
    DB_LEADER_TRY,
    DB_LEADER_CLAIM,
    DB_LEADER_TAKE,
    DB_MAKE_PARTITIONS,
    DB_EVENT_LAST,
    DB_AGENT_LOAD,
    DB_IDEMPOTENCY_LOAD,
    DB_TASK_LOAD,
    DB_ATTEMPT_LOAD,
    DB_LOG_SEGMENT_LOAD,
    DB_TASK_FIND,
    DB_STMTS
};
extern const struct pg_stmt db_stmts[DB_STMTS];

enum { DB_EVENTS_LOOK = 1000000 };   /* events looked at for tasks that ended a short while ago */

/* One transaction: the fence, then every row. `fenced` is called when the leader row was not ours; `done` with the
 * commit's result. */
struct db_batch {
    int64_t epoch, batch;
    pg_fn *fenced, *done;
    void *arg;
};
void db_write(struct pg *pg, const struct effects *fx, const struct db_batch *b);

/* Reads everything a core is made from. The core is NULL when the connection was lost or the rows make no sense. */
typedef void db_loaded_fn(void *arg, struct core *core, const struct err *why);
void db_load(struct pg *pg, const struct core_config *config, int64_t epoch, db_loaded_fn *fn, void *arg);

#endif
