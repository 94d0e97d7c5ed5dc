/* resource.c - GET of agents, projects, groups and the queue: rows as they are; and what all of /v1 does with rows and
 * with the names in paths. */
#include "gateway/resource.h"

#include <string.h>

#include "gateway/request.h"

enum { NAME_MAX_BYTES = 128 };

/* --- what is in the path --------------------------------------------------------------------------------------- */

const char *resource_id(struct request *r, const char *whose, struct uuid *id_r)
{
    char *text = arena_alloc(&r->arena, UUID_TEXT_SIZE);

    if (uuid_parse(r->param, strlen(r->param), id_r) < 0) {
        reply_error(r, 400, "%s id is a UUID, such as 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90", whose);
        return NULL;
    }
    uuid_format(id_r, text);
    return text;
}

const char *resource_name(struct request *r)
{
    if (strlen(r->param) <= NAME_MAX_BYTES)
        return r->param;
    reply_error(r, 400, "a name has at most %d bytes; the one in the path has %zu", NAME_MAX_BYTES, strlen(r->param));
    return NULL;
}

bool resource_takes_no_query(struct request *r)
{
    static const char *const none[] = { NULL };
    struct err e = { 0 };

    if (query_check(&r->query, none, &e) == 0)
        return true;
    reply_err(r, 400, &e);
    return false;
}

/* Blank, or an object without members. */
static bool is_empty(const char *text)
{
    static const char blank[] = " \t\r\n";

    text += strspn(text, blank);
    if (*text == '{') {
        text += 1 + strspn(text + 1, blank);
        if (*text++ != '}')
            return false;
    }
    return text[strspn(text, blank)] == '\0';
}

bool resource_takes_nothing(struct request *r)
{
    if (!resource_takes_no_query(r))
        return false;
    if (r->body.len == 0 || (is_empty(r->body.data) && strlen(r->body.data) == r->body.len))
        return true;
    reply_error(r, 400, "this call takes no body: leave it out, or send {}");
    return false;
}

/* --- answering with a row -------------------------------------------------------------------------------------- */

struct request *resource_request(void *ticket, const struct db_answer *a)
{
    struct ticket *t = ticket;
    struct request *r = ticket_request(&t);

    if (!r || a->end != DB_SILENT)
        return r;
    reply_error(r, 503, "the database does not answer; try again");
    return NULL;
}

void resource_missing(struct request *r, enum msg_type type)
{
    if (type == MSG_V1_PROJECT)
        reply_error(r, 404, "there is no project with this name");
    else
        reply_error(r, 404, "there is no %s with this id", type == MSG_V1_TASK ? "task" : "agent");
}

static void on_resource(void *arg, const struct db_answer *a)
{
    struct request *r = resource_request(arg, a);

    if (!r)
        return;
    const struct resource *what = r->ctx;
    if (a->end == DB_NONE)
        resource_missing(r, what->type);
    else
        reply_message(r, what->status ? what->status(a->message) : 200, what->type, a->message);
}

void resource_answer(struct gateway *g, struct request *r, struct resource *what)
{
    r->ctx = what;
    db_get(g->db, what->type, what->key, on_resource, request_wait(r));
}

/* --- the routes ------------------------------------------------------------------------------------------------ */

static void get(struct gateway *g, struct request *r, enum msg_type type, const char *key)
{
    const struct resource what = { .type = type, .key = key };

    if (resource_takes_no_query(r))
        resource_answer(g, r, arena_dup(&r->arena, &what, sizeof(what)));
}

void v1_get_agents(struct gateway *g, struct request *r)
{
    get(g, r, MSG_V1_AGENTS, NULL);
}

void v1_get_agent(struct gateway *g, struct request *r)
{
    struct uuid id;
    const char *key = resource_id(r, "an agent's", &id);

    if (key)
        get(g, r, MSG_V1_AGENT, key);
}

void v1_get_projects(struct gateway *g, struct request *r)
{
    get(g, r, MSG_V1_PROJECTS, NULL);
}

void v1_get_project(struct gateway *g, struct request *r)
{
    const char *name = resource_name(r);

    if (name)
        get(g, r, MSG_V1_PROJECT, name);
}

void v1_get_groups(struct gateway *g, struct request *r)
{
    get(g, r, MSG_V1_GROUPS, NULL);
}

void v1_get_queue(struct gateway *g, struct request *r)
{
    get(g, r, MSG_V1_QUEUE, NULL);
}
