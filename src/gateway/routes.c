/* routes.c - which handler serves which method and path (ARCHITECTURE "Wire formats"), and what is refused before any
 * handler sees it: unknown paths, other methods, bodies that are not JSON. */
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"
#include "gateway/request.h"

static const struct route routes[] = {
    { HTTP_GET, "/", health_root, false },
    { HTTP_GET, "/healthz", health_live, false },
    { HTTP_GET, "/readyz", health_ready, false },
    { HTTP_GET, "/api/health", health_get, false },

    { HTTP_GET, "/ws", agents_serve, false },
    { HTTP_POST, "/task", seed_post_task, true },
    { HTTP_GET, "/task-status/{id}", seed_get_status, false },
    { HTTP_GET, "/task-output/{id}", seed_get_output, false },
    { HTTP_GET, "/mr-task/{mr}", seed_get_mr, false },

    { HTTP_POST, "/v1/tasks", v1_post_task, true },
    { HTTP_GET, "/v1/tasks", v1_get_tasks, false },
    { HTTP_GET, "/v1/tasks/{id}", v1_get_task, false },
    { HTTP_GET, "/v1/tasks/{id}/log", v1_get_log, false },
    { HTTP_GET, "/v1/agents", v1_get_agents, false },
};

/* application/json, with or without parameters. It also keeps web pages of other origins out: a browser asks
 * before it sends that type across origins. */
static bool is_json(const char *type)
{
    static const char wanted[] = "application/json";

    if (!type || strncasecmp(type, wanted, sizeof(wanted) - 1) != 0)
        return false;
    const char *rest = type + sizeof(wanted) - 1;
    return rest[strspn(rest, " \t")] == '\0' || rest[strspn(rest, " \t")] == ';';
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
    if (m.route->takes_json && !is_json(request_header(r, "Content-Type"))) {
        reply_error(r, 415, "the body must be JSON: send it with Content-Type: application/json");
        return;
    }
    r->param = m.param;
    m.route->fn(g, r);
}
