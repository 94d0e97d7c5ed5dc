/* gateway.h - the parts of one gateway worker, and what they offer each other.
 *
 * A worker is one thread with one loop. It keeps no truth: everything here can be lost with the process. Parts
 * are opaque outside their files; `struct gateway` only says where they are. */
#ifndef ORION_GATEWAY_GATEWAY_H
#define ORION_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/hop.h"
#include "proto/msg.h"

struct bus;
struct loop;
struct request;      /* gateway/request.h */
struct log_state;    /* gateway/log_state.h */

struct gateway_settings {
    char *host;
    int64_t port;
    int64_t workers;
    char *database;
    char *schedulers;
    char *sinks;
    int64_t submit_deadline_ms;
    int64_t header_bytes;
};

struct gateway {
    const struct gateway_settings *settings;
    char name[32];             /* "gateway-0", for hellos */
    struct loop *loop;
    struct bus *bus;
    struct http *http;
    struct db *db;
    struct scheds *scheds;
    struct sinks *sinks;
    struct hops *hops;
    struct agents *agents;
    struct tracks *tracks;
    struct follows *follows;
    struct viewers *viewers;
    struct chunk_lists *chunk_lists;
    struct downloads *downloads;
    struct timer *drain_timer;
    uint64_t drain_since_ms;   /* 0: serving */
    void *service;
};

/* listen.c - the master's sockets: one per worker slot, held open by the master. */
struct listen;
int listen_check_host(const char *host, struct err *e);   /* loopback only, until authentication exists */
int listen_open(const struct gateway_settings *settings, struct listen **listen_r, struct err *e);
int listen_slot(struct listen *l, unsigned slot);         /* in a worker: its socket; the others are closed */

/* port.c - who holds a TCP port that is in use. */
bool port_holder(int64_t port, char *text, size_t size);  /* "pid 12, nginx"; false: not to be found out */

/* routes.c */
void routes_serve(struct gateway *g, struct request *r);

/* scheds.c - the schedulers: which one leads, and the way to it. */
struct scheds *scheds_open(struct gateway *g, struct err *e);
void scheds_close(struct scheds **s);
uint64_t scheds_leader(const struct scheds *s);           /* its epoch; 0: nobody is known to lead */
/* To the leader; -1: not sent. */
int scheds_send(struct scheds *s, enum msg_type type, uint64_t conn, const void *message);
int64_t scheds_wall_ms(const struct scheds *s);           /* our clock, or the leader's when ours is 5 s off */

/* sinks.c - the log sinks, by name. */
struct sinks *sinks_open(struct gateway *g, struct err *e);
void sinks_close(struct sinks **s);
int sinks_chunk(struct sinks *s, const char *sink, const uint8_t *frame, size_t len);      /* -1: not sent */
int sinks_read(struct sinks *s, const char *sink, const struct msg_log_read *read);        /* -1: not sent */
int sinks_list(struct sinks *s, const char *sink, const struct msg_log_list *list);        /* -1: not sent */
bool sinks_subscribe(struct sinks *s, const char *sink, const uint8_t *topic, bool wanted); /* false: no such sink */
void sinks_describe(const struct sinks *s, char *text, size_t size); /* "ok", or which are missing */
bool sinks_has(const struct sinks *s, const char *sink);                                    /* it is connected */
bool sinks_are_up(const struct sinks *s);

/* relay.c - which message goes where. */
void relay_from_scheduler(struct gateway *g, const uint8_t *data, size_t len);
void relay_from_sink(struct gateway *g, const char *sink, const uint8_t *data, size_t len);
void relay_live(struct gateway *g, const uint8_t *data, size_t len);
int relay_from_agent(struct gateway *g, uint64_t conn, bool is_binary, const uint8_t *data, size_t len, struct err *e);

/* agents.c - the agents' WebSocket connections. */
struct agents *agents_new(struct gateway *g);
void agents_free(struct agents **a);
void agents_serve(struct gateway *g, struct request *r);  /* GET /ws */
size_t agents_count(const struct agents *a);
/* false: no such connection. */
bool agents_deliver(struct agents *a, uint64_t conn, enum msg_type type, const void *message);
void agents_greeted(struct agents *a, uint64_t conn, const struct msg_agent_hello *hello);
void agents_welcomed(struct agents *a, uint64_t conn, const struct msg_agent_welcome *welcome);
void agents_refuse(struct agents *a, uint64_t conn, int64_t code, const char *reason);
bool agents_has_greeted(const struct agents *a, uint64_t conn);
void agents_leader_up(struct agents *a, uint64_t epoch);  /* who does not know this leader says hello again */
void agents_leader_lost(struct agents *a);  /* nobody does: what it told them meanwhile may not have come through */
void agents_drain(struct agents *a);

/* submit.c - submissions on their way to the leader. */
/* Makes the task's id and sends. The task lives as long as the request; the kind's `failed` is submit_failed. */
void submit_start(struct gateway *g, struct request *r, const struct hop_kind *kind, struct msg_task_submit *task);
void submit_failed(struct gateway *g, struct request *r, const struct hop_end *end);

/* db*.c - reading PostgreSQL. Every callback is called once, from the loop, before the request's time is over. */
struct db;
enum db_end {
    DB_FOUND,
    DB_NONE,         /* there is no such thing */
    DB_SILENT,       /* the database did not answer */
};
struct db_answer {
    enum db_end end;
    const void *message;       /* the struct that was asked for; NULL unless found */
    struct arena *arena;       /* holds it: arena_move keeps it longer than the call */
};
typedef void db_fn(void *arg, const struct db_answer *a);
struct db_filter {
    const char *state, *project, *repo, *mr;   /* NULL: any */
    const struct uuid *before;                 /* NULL: from the newest */
    int64_t limit;
};
typedef void db_logs_fn(void *arg, const struct log_state *logs, size_t n);   /* NULL: no answer */
struct db *db_open(struct gateway *g, const char *dsn);
void db_close(struct db **d);
bool db_is_up(const struct db *d);
/* One thing: MSG_V1_TASK (with its attempts) or MSG_V1_AGENT by id, MSG_V1_PROJECT or MSG_V1_GROUP by name, without a
 * key MSG_V1_AGENTS, MSG_V1_PROJECTS, MSG_V1_GROUPS, MSG_V1_QUEUE. An id must be one. */
void db_get(struct db *d, enum msg_type type, const char *key, db_fn *fn, void *arg);
void db_tasks(struct db *d, const struct db_filter *filter, db_fn *fn, void *arg);     /* msg_v1_tasks */
void db_states(struct db *d, const struct msg_pairs *ids, db_fn *fn, void *arg);       /* the same: id and state only */
void db_logs(struct db *d, const struct uuid *ids, size_t n, db_logs_fn *fn, void *arg);

/* Handlers of the routes table: seed.c, health.c; v1_submit.c, v1_tasks.c, v1_change.c, v1_log.c, resource.c. */
void seed_post_task(struct gateway *g, struct request *r);
void seed_get_status(struct gateway *g, struct request *r);
void seed_get_mr(struct gateway *g, struct request *r);
void seed_get_output(struct gateway *g, struct request *r);
void v1_post_task(struct gateway *g, struct request *r);
void v1_retry_task(struct gateway *g, struct request *r);
void v1_cancel_task(struct gateway *g, struct request *r);
void v1_get_task(struct gateway *g, struct request *r);
void v1_get_tasks(struct gateway *g, struct request *r);
void v1_get_log(struct gateway *g, struct request *r);
void v1_get_agents(struct gateway *g, struct request *r);
void v1_get_agent(struct gateway *g, struct request *r);
void v1_drain_agent(struct gateway *g, struct request *r);
void v1_resume_agent(struct gateway *g, struct request *r);
void v1_get_projects(struct gateway *g, struct request *r);
void v1_get_project(struct gateway *g, struct request *r);
void v1_put_project(struct gateway *g, struct request *r);
void v1_pause_project(struct gateway *g, struct request *r);
void v1_resume_project(struct gateway *g, struct request *r);
void v1_get_groups(struct gateway *g, struct request *r);
void v1_put_group(struct gateway *g, struct request *r);
void v1_delete_group(struct gateway *g, struct request *r);
void v1_get_queue(struct gateway *g, struct request *r);
void v1_pause_queue(struct gateway *g, struct request *r);
void v1_resume_queue(struct gateway *g, struct request *r);
void health_get(struct gateway *g, struct request *r);
void health_live(struct gateway *g, struct request *r);
void health_ready(struct gateway *g, struct request *r);
void health_root(struct gateway *g, struct request *r);

/* worker.c */
struct service;
int worker_start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r, struct err *e);
void worker_drain(void *state);
void worker_stop(void **state);

#endif
