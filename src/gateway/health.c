/* health.c - is this worker alive, is it ready, what is wrong: /healthz, /readyz, /api/health; and the text at /. */
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "lib/service.h"

static bool is_ready(const struct gateway *g)
{
    return db_is_up(g->db) && scheds_leader(g->scheds) != 0 && g->drain_since_ms == 0;
}

void health_get(struct gateway *g, struct request *r)
{
    char sinks[256];
    bool is_healthy = is_ready(g) && sinks_are_up(g->sinks);

    sinks_describe(g->sinks, sinks, sizeof(sinks));
    struct msg_health health = {
        .status = is_healthy ? "healthy" : "degraded",
        .version = service_version(),
        .database = db_is_up(g->db) ? "ok" : "not connected",
        .scheduler = scheds_leader(g->scheds) ? "ok" : "no leader is known",
        .logsinks = sinks,
        .agents = (int64_t)agents_count(g->agents),
    };
    reply_message(r, is_healthy ? 200 : 503, MSG_HEALTH, &health);
}

void health_live(struct gateway *g, struct request *r)
{
    (void)g;
    reply_text(r, 200, "ok\n");
}

void health_ready(struct gateway *g, struct request *r)
{
    if (is_ready(g))
        reply_text(r, 200, "ready\n");
    else if (!db_is_up(g->db))
        reply_text(r, 503, "not ready: the database is not connected\n");
    else
        reply_text(r, 503, g->drain_since_ms ? "not ready: stopping\n" : "not ready: no scheduler leads\n");
}

void health_root(struct gateway *g, struct request *r)
{
    (void)g;
    reply_text(r, 200,
               "Orion, a build farm.\n\n"
               "POST /v1/tasks                  submit {repo, target?, args?, ref?, mr?, priority?, after?, ...}\n"
               "GET  /v1/tasks                  list; ?state= &project= &repo= &mr= &limit= &cursor=\n"
               "GET  /v1/tasks/{id}             one task with its attempts, and why it waits\n"
               "GET  /v1/tasks/{id}/log         its log; ?format=text|sse|jsonl|cast|chunks &attempt= &follow= &tail= ...\n"
               "POST /v1/tasks/{id}/cancel      end it; {reason?}\n"
               "POST /v1/tasks/{id}/retry       the same as a new task, when it has ended\n"
               "GET  /v1/agents                 agents; /v1/agents/{id} one\n"
               "POST /v1/agents/{id}/drain      nothing new for it; /v1/agents/{id}/resume undoes it\n"
               "GET  /v1/projects               projects; /v1/projects/{name} one\n"
               "PUT  /v1/projects/{name}        {weight?, supersede?, paused?, log_max_bytes?, log_keep_s?}\n"
               "POST /v1/projects/{name}/pause  nothing of it is assigned; /v1/projects/{name}/resume undoes it\n"
               "GET  /v1/groups                 concurrency groups\n"
               "PUT  /v1/groups/{name}          {capacity}; DELETE: back to 1\n"
               "GET  /v1/queue                  how much waits and runs\n"
               "POST /v1/queue/pause            nothing is assigned; /v1/queue/resume undoes it\n"
               "GET  /api/health                health; also /healthz and /readyz\n\n"
               "POST /task, GET /task-status/{id}, /task-output/{id}, /mr-task/{mr}: the older API\n"
               "GET  /ws                        agents, WebSocket subprotocol orion.agent.v1\n");
}
