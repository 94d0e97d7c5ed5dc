/* db_impl.h - what the db*.c files share: the connections, their statements, questions that are not answered yet. */
#ifndef ORION_GATEWAY_DB_IMPL_H
#define ORION_GATEWAY_DB_IMPL_H

#include <sys/queue.h>

#include "gateway/gateway.h"
#include "lib/pg.h"

/* A time as the message table has it. */
#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"

enum statement {
    EVENT_LISTEN, TASK_GET, TASK_STATE_LIST, TASK_LOGS, AGENT_GET,
    SLOW_FIRST,   /* these may cost as much as the farm is large */
    TASK_LIST = SLOW_FIRST, TASK_LIST_MR, AGENT_LIST, PROJECT_GET, PROJECT_LIST, GROUP_GET, GROUP_LIST, QUEUE_GET,
    STATEMENTS
};

struct call;
typedef void take_fn(struct call *c, const struct pg_result *r);   /* r is NULL: no answer */

/* One question. */
struct call {
    TAILQ_ENTRY(call) entry;
    struct db *db;
    enum statement statement;
    take_fn *take;
    union {
        db_fn *rows;
        db_logs_fn *logs;
    } fn;
    void *arg;
    struct arena arena;     /* of the answer */
};

struct db {
    struct gateway *g;
    struct pg *quick, *slow;
    struct pg_stmt statements[STATEMENTS];
    TAILQ_HEAD(, call) calls;
};

/* Each file's own statements, into their places. */
void db_tasks_prepare(struct pg_stmt *statements);
void db_farm_prepare(struct pg_stmt *statements);
void db_logs_prepare(struct pg_stmt *statements);

/* db.c: asking */
struct call *call_new(struct db *d, enum statement statement, take_fn *take, void *arg);
void call_send(struct call *c, const char *const *params, int n);
/* Hands `message` over; NULL: there is no such thing. */
void call_answer(struct call *c, const void *message);
void call_silent(struct call *c);                      /* the database did not answer */

/* db.c: what a row holds; texts and lists are copied into the call's arena */
const char *text_of(struct call *c, const struct pg_result *r, int row, int col);
struct uuid uuid_of(const struct pg_result *r, int row, int col);   /* nil: NULL */
struct msg_strs strs_of(struct call *c, const struct pg_result *r, int row, int col);
/* A number that may be NULL: 0 then. */
void number_of(const struct pg_result *r, int row, int col, int64_t *n_r, bool *has_r);

/* db_tasks.c, db_farm.c: who reads which kind of thing. The key's meaning is the kind's. */
struct db_kind {
    enum msg_type type;
    enum statement statement;
    take_fn *take;
    bool has_key;
};
extern const struct db_kind db_task_kind;
const struct db_kind *db_farm_kind(enum msg_type type);   /* NULL: none of the farm's */

#endif
