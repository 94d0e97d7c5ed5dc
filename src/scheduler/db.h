/* db.h - the scheduler's SQL, as calls. db.c holds every statement; nobody else writes SQL. */
#ifndef ORION_SCHEDULER_DB_H
#define ORION_SCHEDULER_DB_H

#include "lib/pg.h"
#include "scheduler/core.h"

enum db_stmt {
    DB_FENCE,
    DB_QUEUE_PUT,
    DB_PROJECT_PUT,
    DB_GROUP_PUT,
    DB_GROUP_DELETE,
    DB_KEY_DELETE,
    DB_AGENT_PUT,
    DB_TASK_INSERT,
    DB_TASK_INSERT_FULL,
    DB_TASK_UPDATE,
    DB_TASK_UPDATE_HERE,
    DB_ATTEMPT_INSERT,
    DB_ATTEMPT_ACCEPT,
    DB_ATTEMPT_ACCEPT_HERE,
    DB_ATTEMPT_UPDATE,
    DB_ATTEMPT_UPDATE_HERE,
    DB_SINK_PUT,
    DB_SEGMENT_PUT,
    DB_IDEMPOTENCY_INSERT,
    DB_EVENT_INSERT,
    DB_PARTITION_AT,
    DB_EVENT_NOTIFY,
    DB_SESSION_SETUP,
    DB_LEADER_TRY,
    DB_LEADER_CLAIM,
    DB_LEADER_TAKE,
    DB_LEADER_BEAT,
    DB_LEADER_DEPOSE,
    DB_MAKE_PARTITIONS,
    DB_EVENT_LAST,
    DB_QUEUE_LOAD,
    DB_PROJECT_LOAD,
    DB_GROUP_LOAD,
    DB_SINK_LOAD,
    DB_AGENT_LOAD,
    DB_TASK_LOAD,
    DB_ATTEMPT_LOAD,
    DB_TASK_PAGE,
    DB_AWAITED_PAGE,
    DB_TASK_RECALL,
    DB_ATTEMPT_PAGE,
    DB_IDEMPOTENCY_PAGE,
    DB_TASK_FIND,
    DB_STMTS
};
extern const struct pg_stmt db_stmts[DB_STMTS];

enum { DB_EVENTS_LOOK = 1000000 };   /* events looked at for tasks that ended a short while ago */
#define DB_PAGE 5000                 /* rows; the loop and the commits wait for one page at most */

/* db_month.c: the partition whose rows are updated in it itself. A zeroed struct is none. */
struct db_month {
    struct pg *pg;
    bool is_asked;
    struct uuid first, behind;              /* ids of its tasks; behind nil: none */
    struct uuid next_first, next_behind;
};
enum { DB_MONTH_STMTS = 3 };
struct db_month_stmt {
    enum db_stmt stmt;
    const char *before, *after;             /* the partition's suffix goes between */
};
extern const struct db_month_stmt db_month_stmts[DB_MONTH_STMTS];
void db_month_find(struct db_month *m, struct pg *pg);        /* the connection is there */
void db_month_lost(struct db_month *m);
void db_month_look(struct db_month *m, int64_t now_ms);       /* is the month over? m NULL: nothing */
bool db_month_has(const struct db_month *m, const struct uuid *task_id);   /* m NULL: no */

/* One transaction: the fence, then every row. `fenced` is called when the leader row was not ours; `done` with the
 * commit's result. */
struct db_batch {
    int64_t epoch, batch;
    struct db_month *month;                 /* NULL: none */
    pg_fn *fenced, *done;
    void *arg;
};
void db_write(struct pg *pg, const struct effects *fx, const struct db_batch *b);

/* db_load.c: reads what a leader must know before it serves, and makes a partial core of it. The core is NULL when the
 * connection was lost or the rows make no sense. */
typedef void db_loaded_fn(void *arg, struct core *core, const struct err *why);
void db_load(struct pg *pg, const struct core_config *config, int64_t epoch, db_loaded_fn *fn, void *arg);
/* The rest, a page at a time: open tasks behind `after` in the order of ids, with their attempts; then keys behind this
 * one. Fewer than DB_PAGE: it was the last. The rows live until fn returns; NULL: the connection was lost
 * (ERR_UNAVAILABLE) or SQL refused. */
typedef void db_page_fn(void *arg, const struct core_rows *rows, const struct err *why);
void db_load_tasks(struct pg *pg, const struct uuid *after, db_page_fn *fn, void *arg);
/* Tasks that have ended and that an open one waits for. */
void db_load_awaited(struct pg *pg, const struct uuid *after, db_page_fn *fn, void *arg);
/* These tasks, as far as there are any. */
void db_load_ids(struct pg *pg, const struct uuid *ids, size_t n, db_page_fn *fn, void *arg);
void db_load_keys(struct pg *pg, const char *project, const char *key, db_page_fn *fn, void *arg);

/* db_words.c: what stands in the rows for the enums of rows.h, in their order. */
extern const char *const db_priorities[4], *const db_conditions[3], *const db_stops[4], *const db_log_states[3],
    *const db_supersedes[3], *const db_sink_states[4];

/* db_rows.c: results as rows, in the arena. */
void db_read_agents(const struct pg_result *r, struct arena *a, struct core_rows *rows);
void db_read_projects(const struct pg_result *r, struct arena *a, struct core_rows *rows);
void db_read_groups(const struct pg_result *r, struct arena *a, struct core_rows *rows);
void db_read_sinks(const struct pg_result *r, struct arena *a, struct core_rows *rows);
void db_read_tasks(const struct pg_result *r, struct arena *a, struct core_rows *rows);
void db_read_attempts(const struct pg_result *r, struct arena *a, struct core_rows *rows);
void db_read_keys(const struct pg_result *r, struct arena *a, struct core_rows *rows);

#endif
