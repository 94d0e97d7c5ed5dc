/* project.c - `orion project`: each project's share of the slots, its pause, what newer tasks end, how much of its logs
 * is kept and for how long. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/out.h"
#include "cli/units.h"

enum { COLUMNS = 9, WEIGHT_MAX = 1000 };
#define KEEP_MAX_S 3155760000 /* a hundred years: PROTOCOL "v1.project_set" */

struct set_options {
    struct ask_options ask;
    struct opt_int weight;
    const char *supersede, *log_max, *log_keep;
};

static void add_project(struct out_table *t, const struct msg_v1_project *p)
{
    struct arena *a = t->arena;
    const char *cells[COLUMNS] = { p->name,
                                   p->paused ? "paused" : "open",
                                   arena_printf(a, "%lld", (long long)p->weight),
                                   p->supersede,
                                   arena_printf(a, "%lld", (long long)p->waiting),
                                   arena_printf(a, "%lld", (long long)p->queued),
                                   arena_printf(a, "%lld", (long long)p->running),
                                   p->has.log_max_bytes ? units_bytes_text(a, p->log_max_bytes) : "-",
                                   p->has.log_keep_s ? units_seconds_text(a, p->log_keep_s) : "-" };
    out_row(t, cells);
}

static void print_list(struct arena *a, const struct msg_v1_project *v, size_t n)
{
    static const char *const heads[COLUMNS] = { "NAME",   "STATE",   "WEIGHT",  "SUPERSEDE", "WAITING",
                                                "QUEUED", "RUNNING", "LOG MAX", "LOG KEEP" };
    struct out_table t = { .arena = a, .columns = COLUMNS };

    out_row(&t, heads);
    for (size_t i = 0; i < n; i++)
        add_project(&t, &v[i]);
    out_table_print(&t);
}

static void print_projects(struct arena *a, const void *message)
{
    const struct msg_v1_projects *m = message;

    if (m->projects.n == 0)
        fprintf(stderr, "orion: no projects\n");
    else
        print_list(a, m->projects.v, m->projects.n);
}

static void print_project(struct arena *a, const void *message)
{
    print_list(a, message, 1);
}

static int list(const struct cli_call *call)
{
    struct msg_v1_projects projects = { 0 };
    const struct ask_answer answer = { MSG_V1_PROJECTS, &projects, print_projects };

    if (call->args.operands.n > 0)
        return cli_usage(call, "takes no argument");
    return ask_get(call, "/v1/projects", &answer);
}

static int show(const struct cli_call *call)
{
    const char *name = cli_operand(call, "a project's name");
    struct msg_v1_project project = { 0 };
    const struct ask_answer answer = { MSG_V1_PROJECT, &project, print_project };

    return name ? ask_get(call, api_path(call->arena, "/v1/projects/", name, ""), &answer) : CLI_USAGE;
}

static int change(const struct cli_call *call, const char *method, const char *behind, const struct buf *body)
{
    const char *name = cli_operand(call, "a project's name");
    struct msg_v1_project project = { 0 };
    const struct ask_answer answer = { MSG_V1_PROJECT, &project, print_project };

    if (!name)
        return CLI_USAGE;
    const struct api_change c = { .method = method, .path = api_path(call->arena, "/v1/projects/", name, behind),
                                  .body = body };
    return ask_change(call, &c, &answer);
}

static int pause_project(const struct cli_call *call)
{
    return change(call, "POST", "/pause", NULL);
}

static int resume(const struct cli_call *call)
{
    return change(call, "POST", "/resume", NULL);
}

static int set(const struct cli_call *call)
{
    const struct set_options *o = call->options;
    struct msg_v1_project_set m = { .weight = o->weight.value, .supersede = o->supersede,
                                    .has.weight = o->weight.is_given };
    struct buf body = { 0 };
    struct err e = { 0 };

    if (!o->weight.is_given && !o->supersede && !o->log_max && !o->log_keep)
        return cli_usage(call, "needs --weight, --supersede, --log-max or --log-keep");
    m.has.log_max_bytes = o->log_max != NULL;
    m.has.log_keep_s = o->log_keep != NULL;
    if ((o->log_max && units_bytes("log-max", o->log_max, &m.log_max_bytes, &e) < 0) ||
        (o->log_keep && units_seconds("log-keep", o->log_keep, KEEP_MAX_S, &m.log_keep_s, &e) < 0))
        return cli_usage(call, e.text);
    msg_to_json(MSG_V1_PROJECT_SET, &m, false, &body);
    int rc = change(call, "PUT", "", &body);
    buf_fini(&body);
    return rc;
}

static const struct opt rows[] = { CLI_SERVER_ROWS };
static const struct opt change_rows[] = { ASK_CHANGE_ROWS };
static const struct opt set_rows[] = {
    { OPT_INT, 0, "weight", offsetof(struct set_options, weight), "N", "share of the slots (1)", 1, WEIGHT_MAX },
    { OPT_STR, 0, "supersede", offsetof(struct set_options, supersede), "WHAT",
      "which older tasks of a merge request a newer one ends: off, queued, running", 0, 0 },
    { OPT_STR, 0, "log-max", offsetof(struct set_options, log_max), "SIZE",
      "what is kept of each log, such as 100M; 0: all of it", 0, 0 },
    { OPT_STR, 0, "log-keep", offsetof(struct set_options, log_keep), "TIME",
      "how long logs are kept, such as 30d; 0: as the log sinks are set", 0, 0 },
    ASK_CHANGE_ROWS,
};

static const struct verb list_sub = { .name = "project list",
                                      .synopsis = "[OPTION]...",
                                      .summary = "list the projects",
                                      .rows = rows,
                                      .options_size = sizeof(struct ask_options),
                                      .run = list };
static const struct verb show_sub = { .name = "project show",
                                      .synopsis = "[OPTION]... NAME",
                                      .summary = "show one project",
                                      .rows = rows,
                                      .options_size = sizeof(struct ask_options),
                                      .run = show };
static const struct verb set_sub = { .name = "project set",
                                     .synopsis = "[--weight N] [--supersede WHAT] [--log-max SIZE] [--log-keep TIME] NAME",
                                     .summary = "change a project's share, what newer tasks end, what is kept of its logs",
                                     .rows = set_rows,
                                     .options_size = sizeof(struct set_options),
                                     .run = set };
static const struct verb pause_sub = { .name = "project pause",
                                       .synopsis = "[OPTION]... NAME",
                                       .summary = "start nothing new of a project; what runs goes on",
                                       .rows = change_rows,
                                       .options_size = sizeof(struct ask_options),
                                       .run = pause_project };
static const struct verb resume_sub = { .name = "project resume",
                                        .synopsis = "[OPTION]... NAME",
                                        .summary = "start its tasks again",
                                        .rows = change_rows,
                                        .options_size = sizeof(struct ask_options),
                                        .run = resume };
static const struct verb *const subs[] = { &list_sub, &show_sub, &set_sub, &pause_sub, &resume_sub, NULL };

const struct verb project_verb = { .name = "project",
                                   .synopsis = "[list | show | set | pause | resume] [OPTION]... [NAME]",
                                   .summary = "projects: list, shares, pause, resume",
                                   .rows = rows,
                                   .options_size = sizeof(struct ask_options),
                                   .run = list,
                                   .subs = subs };
