/* group.c - `orion group`: the named limits on what builds at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/out.h"

enum { COLUMNS = 4 };

static void add_group(struct out_table *t, const struct msg_v1_group *g)
{
    struct arena *a = t->arena;
    const char *cells[COLUMNS] = { g->name, arena_printf(a, "%lld", (long long)g->capacity),
                                   arena_printf(a, "%lld", (long long)g->queued),
                                   arena_printf(a, "%lld", (long long)g->running) };
    out_row(t, cells);
}

static void print_list(struct arena *a, const struct msg_v1_group *v, size_t n)
{
    static const char *const heads[COLUMNS] = { "NAME", "CAPACITY", "QUEUED", "RUNNING" };
    struct out_table t = { .arena = a, .columns = COLUMNS };

    out_row(&t, heads);
    for (size_t i = 0; i < n; i++)
        add_group(&t, &v[i]);
    out_table_print(&t);
}

static void print_groups(struct arena *a, const void *message)
{
    const struct msg_v1_groups *m = message;

    if (m->groups.n == 0)
        fprintf(stderr, "orion: no groups\n");
    else
        print_list(a, m->groups.v, m->groups.n);
}

static void print_group(struct arena *a, const void *message)
{
    print_list(a, message, 1);
}

static int list(const struct cli_call *call)
{
    struct msg_v1_groups groups = { 0 };
    const struct ask_answer answer = { MSG_V1_GROUPS, &groups, print_groups };

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    return ask_get(call, "/v1/groups", &answer);
}

static int change(const struct cli_call *call, const char *method, const char *name, const struct buf *body)
{
    struct msg_v1_group group = { 0 };
    const struct ask_answer answer = { MSG_V1_GROUP, &group, print_group };
    const struct api_change c = { .method = method, .path = api_path(call->arena, "/v1/groups/", name, ""),
                                  .body = body };

    return ask_change(call, &c, &answer);
}

static int set(const struct cli_call *call)
{
    struct msg_v1_group_set m = { 0 };
    struct buf body = { 0 };
    char *end = NULL;

    if (call->args.operands.n != 2)
        return cli_usage(call, "needs a group's name and a number");
    errno = 0;
    m.capacity = strtoll(call->args.operands.v[1], &end, 10);
    if (errno != 0 || end == call->args.operands.v[1] || *end != '\0' || m.capacity < 0)
        return cli_usage(call, "the second word must be a number: attempts at once");
    msg_to_json(MSG_V1_GROUP_SET, &m, false, &body);
    int rc = change(call, "PUT", call->args.operands.v[0], &body);
    buf_fini(&body);
    return rc;
}

static int remove_group(const struct cli_call *call)
{
    const char *name = cli_operand(call, "a group's name");

    return name ? change(call, "DELETE", name, NULL) : CLI_USAGE;
}

static const struct opt rows[] = { CLI_SERVER_ROWS };
static const struct opt change_rows[] = { ASK_CHANGE_ROWS };

static const struct verb list_sub = { .name = "group list",
                                      .synopsis = "[OPTION]...",
                                      .summary = "list the groups that have a limit or tasks",
                                      .rows = rows,
                                      .options_size = sizeof(struct ask_options),
                                      .run = list };
static const struct verb set_sub = { .name = "group set",
                                     .synopsis = "[OPTION]... NAME N",
                                     .summary = "let at most N tasks of a group build at once",
                                     .rows = change_rows,
                                     .options_size = sizeof(struct ask_options),
                                     .run = set };
static const struct verb remove_sub = { .name = "group remove",
                                        .synopsis = "[OPTION]... NAME",
                                        .summary = "forget a group's limit: it is 1 again",
                                        .rows = change_rows,
                                        .options_size = sizeof(struct ask_options),
                                        .run = remove_group };
static const struct verb *const subs[] = { &list_sub, &set_sub, &remove_sub, NULL };

const struct verb group_verb = { .name = "group",
                                 .synopsis = "[list | set | remove] [OPTION]... [NAME [N]]",
                                 .summary = "concurrency groups: list, set, remove limits",
                                 .rows = rows,
                                 .options_size = sizeof(struct ask_options),
                                 .run = list,
                                 .subs = subs };
