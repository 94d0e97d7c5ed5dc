/* agents.c - `orion agents`: who builds, and how busy they are. */
#include <stdio.h>

#include "cli/api.h"
#include "cli/out.h"

enum { COLUMNS = 7 };

struct agents_options {
    struct cli_server server;
};

static void add_agent(struct out_table *t, const struct msg_v1_agent *agent)
{
    const char *labels = NULL;
    char id[UUID_TEXT_SIZE];
    struct arena *a = t->arena;

    uuid_format(&agent->id, id);
    for (size_t i = 0; i < agent->labels.n; i++)
        labels = arena_printf(a, "%s%s%s", labels ? labels : "", labels ? "," : "", agent->labels.v[i]);
    const char *cells[COLUMNS] = { agent->name,
                                   agent->state,
                                   arena_printf(a, "%lld/%lld", (long long)agent->busy, (long long)agent->slots),
                                   labels,
                                   agent->version,
                                   out_time(a, true, agent->seen_at),
                                   id };
    out_row(t, cells);
}

static void print_agents(struct arena *a, const struct msg_v1_agents *agents)
{
    static const char *const heads[COLUMNS] = { "NAME", "STATE", "BUSY", "LABELS", "VERSION", "SEEN", "ID" };
    struct out_table t = { .arena = a, .columns = COLUMNS };

    if (agents->agents.n == 0) {
        fprintf(stderr, "orion: no agents\n");
        return;
    }
    out_row(&t, heads);
    for (size_t i = 0; i < agents->agents.n; i++)
        add_agent(&t, &agents->agents.v[i]);
    out_table_print(&t);
}

static int agents(const struct cli_call *call)
{
    const struct agents_options *o = call->options;
    struct msg_v1_agents answer = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    int rc = CLI_OK;

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    if (api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (api_read(&api, "/v1/agents", MSG_V1_AGENTS, &answer, &body, &e) < 0)
        rc = cli_fail(&e);
    else if (o->server.common.json)
        out_document(&body);
    else
        print_agents(call->arena, &answer);
    buf_fini(&body);
    return rc;
}

static const struct opt rows[] = { CLI_SERVER_ROWS };

const struct verb agents_verb = {
    .name = "agents",
    .synopsis = "[OPTION]...",
    .summary = "list the agents",
    .rows = rows,
    .options_size = sizeof(struct agents_options),
    .run = agents,
};
