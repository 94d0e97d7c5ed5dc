/* list.c - `orion list`: tasks, the newest first. */
#include <stdio.h>

#include "cli/api.h"
#include "cli/out.h"
#include "lib/clock.h"

enum { LIMIT = 20, LIMIT_MAX = 500, COLUMNS = 9, TEXT_MAX = 40, COMMIT_CHARS = 10 };

struct list_options {
    struct cli_server server;
    const char *state, *project, *repo, *mr;
    struct opt_int limit;
};

static void add_task(struct out_table *t, const struct msg_v1_task *task)
{
    char id[UUID_TEXT_SIZE];
    struct arena *a = t->arena;
    int64_t end = task->has.ended_at ? task->ended_at : clock_wall_ms();

    uuid_format(&task->id, id);
    const char *cells[COLUMNS] = { id,
                                   task->state,
                                   task->priority,
                                   out_short(a, task->repo, TEXT_MAX),
                                   out_short(a, task->target, TEXT_MAX),
                                   task->mr,
                                   task->commit ? arena_printf(a, "%.*s", COMMIT_CHARS, task->commit) : NULL,
                                   out_time(a, true, task->created_at),
                                   task->has.started_at ? out_span(a, end - task->started_at) : NULL };
    out_row(t, cells);
}

static void print_tasks(struct arena *a, const struct msg_v1_tasks *tasks)
{
    static const char *const heads[COLUMNS] = { "ID",     "STATE", "PRIORITY", "REPO", "TARGET", "MR",
                                                "COMMIT", "CREATED", "TOOK" };
    struct out_table t = { .arena = a, .columns = COLUMNS };

    if (tasks->tasks.n == 0) {
        fprintf(stderr, "orion: no tasks\n");
        return;
    }
    out_row(&t, heads);
    for (size_t i = 0; i < tasks->tasks.n; i++)
        add_task(&t, &tasks->tasks.v[i]);
    out_table_print(&t);
}

static const char *list_path(struct arena *a, const struct list_options *o)
{
    struct buf path = { 0 };

    buf_puts(&path, "/v1/tasks");
    api_query(&path, "state", o->state);
    api_query(&path, "project", o->project);
    api_query(&path, "repo", o->repo);
    api_query(&path, "mr", o->mr);
    api_query(&path, "limit", arena_printf(a, "%lld", (long long)(o->limit.is_given ? o->limit.value : LIMIT)));
    const char *kept = arena_strdup(a, path.data);
    buf_fini(&path);
    return kept;
}

static int list(const struct cli_call *call)
{
    const struct list_options *o = call->options;
    struct msg_v1_tasks tasks = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    int rc = CLI_OK;

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    if (api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (api_read(&api, list_path(call->arena, o), MSG_V1_TASKS, &tasks, &body, &e) < 0)
        rc = cli_fail(&e);
    else if (o->server.common.json)
        out_document(&body);
    else
        print_tasks(call->arena, &tasks);
    buf_fini(&body);
    return rc;
}

static const struct opt rows[] = {
    { OPT_STR, 0, "state", offsetof(struct list_options, state), "STATE", "only tasks in this state", 0, 0 },
    { OPT_STR, 0, "project", offsetof(struct list_options, project), "NAME", "only of this project", 0, 0 },
    { OPT_STR, 0, "repo", offsetof(struct list_options, repo), "REPO", "only of this repository", 0, 0 },
    { OPT_STR, 0, "mr", offsetof(struct list_options, mr), "N", "only of this merge request", 0, 0 },
    { OPT_INT, 'n', "limit", offsetof(struct list_options, limit), "N", "at most so many (20)", 1, LIMIT_MAX },
    CLI_SERVER_ROWS,
};

const struct verb list_verb = {
    .name = "list",
    .synopsis = "[OPTION]...",
    .summary = "list tasks, the newest first",
    .rows = rows,
    .options_size = sizeof(struct list_options),
    .run = list,
};
