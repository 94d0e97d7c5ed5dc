/* submit.c - `orion submit`: one task, and its id on standard output. The body is the table's v1.submit. */
#include "cli/submit.h"

#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/out.h"

/* Targets travel as one text, separated by blanks. */
static const char *join_targets(struct arena *a, const struct opt_list *operands)
{
    struct buf text = { 0 };

    if (operands->n < 2)
        return NULL;
    for (size_t i = 1; i < operands->n; i++)
        buf_printf(&text, "%s%s", i > 1 ? " " : "", operands->v[i]);
    const char *kept = arena_strdup(a, text.data);
    buf_fini(&text);
    return kept;
}

static struct msg_strs strings(const struct opt_list *l)
{
    return (struct msg_strs){ l->v, l->n };
}

static struct msg_strs all_args(struct arena *a, const struct opt_list *args, const struct opt_list *rest)
{
    const char **v = arena_alloc(a, (args->n + rest->n + 1) * sizeof(*v));

    for (size_t i = 0; i < args->n; i++)
        v[i] = args->v[i];
    for (size_t i = 0; i < rest->n; i++)
        v[args->n + i] = rest->v[i];
    return (struct msg_strs){ v, args->n + rest->n };
}

static int pairs(struct arena *a, const struct opt_list *env, struct msg_pairs *pairs_r, struct err *e)
{
    struct msg_pair *v = arena_alloc(a, (env->n + 1) * sizeof(*v));

    for (size_t i = 0; i < env->n; i++) {
        const char *equals = strchr(env->v[i], '=');
        if (!equals || equals == env->v[i])
            return err_field(e, "env", "--env %s: must be NAME=VALUE", env->v[i]);
        v[i].key = arena_strndup(a, env->v[i], (size_t)(equals - env->v[i]));
        v[i].value = equals + 1;
    }
    *pairs_r = (struct msg_pairs){ v, env->n };
    return 0;
}

int submit_send(const struct api *api, const struct cli_call *call, int64_t patience_ms,
                struct msg_v1_task *task_r, struct buf *body_r, struct err *e)
{
    const struct submit_options *o = call->options;
    struct msg_v1_submit m = { .repo = call->args.operands.v[0],
                               .target = join_targets(call->arena, &call->args.operands),
                               .args = all_args(call->arena, &o->args, &call->args.rest),
                               .ref = o->ref,
                               .mr = o->mr,
                               .project = o->project,
                               .driver = o->driver,
                               .labels = strings(&o->labels),
                               .separate_streams = o->separate_streams,
                               .force = o->force };
    struct buf json = { 0 };
    int rc = -1;

    m.has.separate_streams = o->separate_streams;
    m.has.force = o->force;
    if (pairs(call->arena, &o->env, &m.env, e) < 0 || submit_policy_fill(&o->policy, call->arena, &m, e) < 0)
        return -1;
    msg_to_json(MSG_V1_SUBMIT, &m, false, &json);
    const struct api_change c = { "POST", "/v1/tasks", o->idempotency_key, &json, patience_ms };
    if (api_change(api, &c, body_r, e) == 0)
        rc = api_decode(api, c.path, body_r, MSG_V1_TASK, task_r, e);
    buf_fini(&json);
    return rc;
}

static void tell(const struct submit_options *o, const struct msg_v1_task *task, const struct buf *body)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&task->id, id);
    if (task->joined)
        fprintf(stderr, "orion: joined task %s, which builds the same\n", id);
    if (o->server.common.json)
        out_document(body);
    else
        printf("%s\n", id);
}

static int submit(const struct cli_call *call)
{
    const struct submit_options *o = call->options;
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    int rc = CLI_OK;

    if (call->args.operands.n == 0)
        return cli_usage(call, "needs a repository");
    if (api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (submit_send(&api, call, ask_patience(&o->timeout), &task, &body, &e) < 0)
        rc = cli_fail(&e);
    else
        tell(o, &task, &body);
    buf_fini(&body);
    return rc;
}

static const struct opt rows[] = {
    SUBMIT_ROWS,
    { OPT_MS, 0, "timeout", offsetof(struct submit_options, timeout), "TIME",
      "how long to try while the server is away (30s)", 0, 0 },
    CLI_SERVER_ROWS,
};

const struct verb submit_verb = {
    .name = "submit",
    .synopsis = "[OPTION]... REPO [TARGET]... [-- ARG...]",
    .summary = "submit a task and print its id",
    .details = "REPO is a name from the agents' table of repositories, or a URL that it allows. What stands behind\n"
               "-- goes to the build tool as -a does.",
    .rows = rows,
    .options_size = sizeof(struct submit_options),
    .run = submit,
};
