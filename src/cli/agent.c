/* agent.c - `orion agents` and `orion agent`: who builds, how busy they are, and taking one out of service. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/out.h"

enum { COLUMNS = 7 };

static void add_agent(struct out_table *t, const struct msg_v1_agent *agent)
{
    const char *labels = NULL;
    char id[UUID_TEXT_SIZE];
    struct arena *a = t->arena;

    uuid_format(&agent->id, id);
    for (size_t i = 0; i < agent->labels.n; i++)
        labels = arena_printf(a, "%s%s%s", labels ? labels : "", labels ? "," : "", agent->labels.v[i]);
    const char *cells[COLUMNS] = { agent->name,
                                   agent->draining ? arena_printf(a, "%s, draining", agent->state) : agent->state,
                                   arena_printf(a, "%lld/%lld", (long long)agent->busy, (long long)agent->slots),
                                   labels,
                                   agent->version,
                                   out_time(a, true, agent->seen_at),
                                   id };
    out_row(t, cells);
}

static void print_list(struct arena *a, const struct msg_v1_agent *v, size_t n)
{
    static const char *const heads[COLUMNS] = { "NAME", "STATE", "BUSY", "LABELS", "VERSION", "SEEN", "ID" };
    struct out_table t = { .arena = a, .columns = COLUMNS };

    out_row(&t, heads);
    for (size_t i = 0; i < n; i++)
        add_agent(&t, &v[i]);
    out_table_print(&t);
}

static void print_agents(struct arena *a, const void *message)
{
    const struct msg_v1_agents *m = message;

    if (m->agents.n == 0)
        fprintf(stderr, "orion: no agents\n");
    else
        print_list(a, m->agents.v, m->agents.n);
}

static void print_agent(struct arena *a, const void *message)
{
    print_list(a, message, 1);
}

static int list(const struct cli_call *call)
{
    struct msg_v1_agents agents = { 0 };
    const struct ask_answer answer = { MSG_V1_AGENTS, &agents, print_agents };

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    return ask_get(call, "/v1/agents", &answer);
}

/* --- one agent, by its id or its name --------------------------------------------------------------------------- */

static const char *id_by_name(const struct api *api, const char *name, struct err *e)
{
    struct msg_v1_agents m = { 0 };
    struct buf body = { 0 };
    const char *found = NULL;
    char id[UUID_TEXT_SIZE];
    int rc = api_read(api, "/v1/agents", MSG_V1_AGENTS, &m, &body, e);

    for (size_t i = 0; rc == 0 && i < m.agents.n; i++) {
        if (strcmp(m.agents.v[i].name, name) != 0)
            continue;
        uuid_format(&m.agents.v[i].id, id);
        if (found)
            rc = err_set(e, ERR_CONFLICT, "several agents have the name %s (%s, %s): give the id", name, found, id);
        found = arena_strdup(api->arena, id);
    }
    if (rc == 0 && !found)
        rc = err_set(e, ERR_NOT_FOUND, "no agent has the name %s; `orion agents` lists them", name);
    buf_fini(&body);
    return rc == 0 ? found : NULL;
}

/* "/v1/agents/ID" and `behind`; NULL after saying why not. */
static const char *agent_path(const struct cli_call *call, const char *behind, int *rc_r)
{
    const struct ask_options *o = call->options;
    const char *text = cli_operand(call, "an agent's name or id");
    const char *id = text;
    struct err e = { 0 };
    struct uuid parsed;
    struct api api;

    *rc_r = CLI_USAGE;
    if (!text)
        return NULL;
    if (uuid_parse(text, strlen(text), &parsed) < 0)
        id = api_open(&api, &o->server, call->arena, &e) == 0 ? id_by_name(&api, text, &e) : NULL;
    if (id)
        return api_path(call->arena, "/v1/agents/", id, behind);
    *rc_r = cli_fail(&e);
    return NULL;
}

static int show(const struct cli_call *call)
{
    struct msg_v1_agent agent = { 0 };
    const struct ask_answer answer = { MSG_V1_AGENT, &agent, print_agent };
    int rc;
    const char *path = agent_path(call, "", &rc);

    return path ? ask_get(call, path, &answer) : rc;
}

static int change(const struct cli_call *call, const char *behind)
{
    struct msg_v1_agent agent = { 0 };
    const struct ask_answer answer = { MSG_V1_AGENT, &agent, print_agent };
    int rc;
    const struct api_change c = { .method = "POST", .path = agent_path(call, behind, &rc) };

    return c.path ? ask_change(call, &c, &answer) : rc;
}

static int drain(const struct cli_call *call)
{
    return change(call, "/drain");
}

static int resume(const struct cli_call *call)
{
    return change(call, "/resume");
}

static const struct opt rows[] = { CLI_SERVER_ROWS };
static const struct opt change_rows[] = { ASK_CHANGE_ROWS };

const struct verb agents_verb = { .name = "agents",
                                  .synopsis = "[OPTION]...",
                                  .summary = "list the agents",
                                  .rows = rows,
                                  .options_size = sizeof(struct ask_options),
                                  .run = list };

static const struct verb list_sub = { .name = "agent list",
                                      .synopsis = "[OPTION]...",
                                      .summary = "list the agents",
                                      .rows = rows,
                                      .options_size = sizeof(struct ask_options),
                                      .run = list };
static const struct verb show_sub = { .name = "agent show",
                                      .synopsis = "[OPTION]... NAME|ID",
                                      .summary = "show one agent",
                                      .rows = rows,
                                      .options_size = sizeof(struct ask_options),
                                      .run = show };
static const struct verb drain_sub = { .name = "agent drain",
                                       .synopsis = "[OPTION]... NAME|ID",
                                       .summary = "give an agent nothing new; what it builds goes on",
                                       .rows = change_rows,
                                       .options_size = sizeof(struct ask_options),
                                       .run = drain };
static const struct verb resume_sub = { .name = "agent resume",
                                        .synopsis = "[OPTION]... NAME|ID",
                                        .summary = "give it tasks again",
                                        .rows = change_rows,
                                        .options_size = sizeof(struct ask_options),
                                        .run = resume };
static const struct verb *const subs[] = { &list_sub, &show_sub, &drain_sub, &resume_sub, NULL };

const struct verb agent_verb = { .name = "agent",
                                 .synopsis = "[list | show | drain | resume] [OPTION]... [NAME|ID]",
                                 .summary = "agents: list, show, drain, resume",
                                 .rows = rows,
                                 .options_size = sizeof(struct ask_options),
                                 .run = list,
                                 .subs = subs };
