/* routes.c - which handler serves which method and path (ARCHITECTURE "Wire formats"), and what is refused before any
 * handler sees it: unknown paths, other methods, bodies that are not JSON. */
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"
#include "gateway/request.h"

static const struct route routes[] = {
    { HTTP_GET, "/", health_root, BODY_NONE },
    { HTTP_GET, "/healthz", health_live, BODY_NONE },
    { HTTP_GET, "/readyz", health_ready, BODY_NONE },
    { HTTP_GET, "/api/health", health_get, BODY_NONE },

    { HTTP_GET, "/ws", agents_serve, BODY_NONE },
    { HTTP_POST, "/task", seed_post_task, BODY_JSON },
    { HTTP_GET, "/task-status/{id}", seed_get_status, BODY_NONE },
    { HTTP_GET, "/task-output/{id}", seed_get_output, BODY_NONE },
    { HTTP_GET, "/mr-task/{mr}", seed_get_mr, BODY_NONE },

    { HTTP_POST, "/v1/tasks", v1_post_task, BODY_JSON },
    { HTTP_GET, "/v1/tasks", v1_get_tasks, BODY_NONE },
    { HTTP_GET, "/v1/tasks/{id}", v1_get_task, BODY_NONE },
    { HTTP_GET, "/v1/tasks/{id}/log", v1_get_log, BODY_NONE },
    { HTTP_POST, "/v1/tasks/{id}/cancel", v1_cancel_task, BODY_MAYBE },
    { HTTP_POST, "/v1/tasks/{id}/retry", v1_retry_task, BODY_MAYBE },

    { HTTP_GET, "/v1/agents", v1_get_agents, BODY_NONE },
    { HTTP_GET, "/v1/agents/{id}", v1_get_agent, BODY_NONE },
    { HTTP_POST, "/v1/agents/{id}/drain", v1_drain_agent, BODY_MAYBE },
    { HTTP_POST, "/v1/agents/{id}/resume", v1_resume_agent, BODY_MAYBE },

    { HTTP_GET, "/v1/projects", v1_get_projects, BODY_NONE },
    { HTTP_GET, "/v1/projects/{name}", v1_get_project, BODY_NONE },
    { HTTP_PUT, "/v1/projects/{name}", v1_put_project, BODY_JSON },
    { HTTP_POST, "/v1/projects/{name}/pause", v1_pause_project, BODY_MAYBE },
    { HTTP_POST, "/v1/projects/{name}/resume", v1_resume_project, BODY_MAYBE },

    { HTTP_GET, "/v1/groups", v1_get_groups, BODY_NONE },
    { HTTP_PUT, "/v1/groups/{name}", v1_put_group, BODY_JSON },
    { HTTP_DELETE, "/v1/groups/{name}", v1_delete_group, BODY_MAYBE },

    { HTTP_GET, "/v1/queue", v1_get_queue, BODY_NONE },
    { HTTP_POST, "/v1/queue/pause", v1_pause_queue, BODY_MAYBE },
    { HTTP_POST, "/v1/queue/resume", v1_resume_queue, BODY_MAYBE },
};

/* application/json, with or without parameters. */
static bool is_json(const char *type)
{
    static const char wanted[] = "application/json";

    if (!type || strncasecmp(type, wanted, sizeof(wanted) - 1) != 0)
        return false;
    const char *rest = type + sizeof(wanted) - 1;
    return rest[strspn(rest, " \t")] == '\0' || rest[strspn(rest, " \t")] == ';';
}

/* false: answered. Besides telling forms from JSON this keeps web pages of other origins out: a browser asks before it
 * sends that type across origins, and it says where a page is from when it sends another or nothing. */
static bool check_body(struct request *r, enum route_body wanted)
{
    if (wanted == BODY_NONE || is_json(request_header(r, "Content-Type")))
        return true;
    if (wanted == BODY_MAYBE && r->body.len == 0 && !request_header(r, "Origin"))
        return true;
    reply_error(r, 415, wanted == BODY_JSON || r->body.len > 0
                ? "the body must be JSON: send it with Content-Type: application/json"
                : "a web page must send Content-Type: application/json with this call");
    return false;
}

static void refuse_method(struct request *r, unsigned allowed)
{
    char text[32];

    route_allow(allowed, text);
    request_add_header(r, "Allow", text);
    reply_error(r, 405, "this path serves %s only", text);
}

void routes_serve(struct gateway *g, struct request *r)
{
    struct err e = { 0 };
    struct route_match m;

    switch (route_find(routes, ARRAY_LEN(routes), r->method, r->path, &r->arena, &m, &e)) {
    case ROUTE_BAD_PATH:
        reply_err(r, 400, &e);
        return;
    case ROUTE_NOT_FOUND:
        reply_error(r, 404, "there is no such path; GET / lists them");
        return;
    case ROUTE_WRONG_METHOD:
        refuse_method(r, m.allowed);
        return;
    case ROUTE_FOUND:
        break;
    }
    if (!check_body(r, m.route->body))
        return;
    r->param = m.param;
    m.route->fn(g, r);
}
