/* logs.c - `orion logs`: the bytes of a task's log as they were written, now or as they come (-f). */
#include <stdio.h>
#include <unistd.h>

#include "cli/follow.h"
#include "cli/out.h"

enum { ATTEMPTS_MAX = 1000000 };

struct logs_options {
    struct cli_server server;
    bool follow;
    struct opt_int attempt;
};

/* --json: {"id": ..., "attempt": N, "state": ..., "log": "..."}, the log's bytes streamed into the text. */
struct document {
    struct out_utf8 utf8;
    bool is_broken;
};

static bool put_json(void *arg, const char *data, size_t len)
{
    struct document *d = arg;
    struct buf text = { 0 };

    out_json_bytes(&d->utf8, &text, data, len);
    if (text.len > 0 && fwrite(text.data, 1, text.len, stdout) != text.len)
        d->is_broken = true;
    buf_fini(&text);
    return !d->is_broken;
}

/* Standard output that was closed early (`| head`) needs no words. */
static int one_attempt(const struct follow *f, int64_t attempt)
{
    struct err e = { 0 };
    int64_t offset = 0;
    int rc = follow_once(f, attempt, false, &offset, &e);

    return rc < 0 ? cli_fail(&e) : rc > 0 ? CLI_FAILED : CLI_OK;
}

static int print_log(const struct follow *f, const struct msg_v1_task *t, const struct logs_options *o)
{
    int64_t attempt = o->attempt.is_given ? o->attempt.value : t->attempt;
    struct err e = { 0 };

    if (o->attempt.is_given && !follow_attempt(t, attempt)) {
        err_set(&e, ERR_NOT_FOUND, "task %s has no attempt %lld", f->id, (long long)attempt);
        return cli_fail(&e);
    }
    if (attempt == 0) {
        fprintf(stderr, "orion: no attempt yet: the task is %s\n", t->state);
        return CLI_OK;
    }
    return one_attempt(f, attempt);
}

static int print_json(struct follow *f, const struct msg_v1_task *t, const struct logs_options *o)
{
    int64_t attempt = o->attempt.is_given ? o->attempt.value : t->attempt;
    const struct msg_v1_attempt *a = follow_attempt(t, attempt);
    struct document d = { 0 };
    struct buf tail = { 0 };
    int rc;

    f->write = put_json;
    f->arg = &d;
    printf("{\"id\":\"%s\",\"attempt\":%lld,\"state\":\"%s\",\"log_state\":\"%s\",\"log\":\"", f->id,
           (long long)attempt, t->state, a ? a->log_state : "open");
    rc = print_log(f, t, o);
    out_json_bytes_end(&d.utf8, &tail);
    printf("%s\"}\n", tail.data ? tail.data : "");
    buf_fini(&tail);
    return rc;
}

static int follow_log(const struct follow *f, struct msg_v1_task *task, struct buf *body)
{
    struct err e = { 0 };

    cli_on_interrupt(arena_printf(f->api->arena, "\norion: the task goes on; to see it again: orion logs -f %s\n",
                                  f->id));
    enum follow_end end = follow_task(f, task, body, &e);
    cli_on_interrupt(NULL);
    return end == FOLLOW_ENDED ? CLI_OK : end == FOLLOW_STOPPED ? CLI_FAILED : cli_fail(&e);
}

/* Swallows the log: print_json reads it again when the task is at its end. */
static bool discard(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    return true;
}

static int logs(const struct cli_call *call)
{
    const struct logs_options *o = call->options;
    const char *text = cli_operand(call, "a task's id");
    int fd = STDOUT_FILENO;
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct arena scratch = { 0 };
    struct api api;
    int rc = CLI_OK;

    if (!text)
        return CLI_USAGE;
    const char *id = api_task_id(call->arena, text, &e);
    if (!id || api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    struct follow f = { .api = &api, .scratch = &scratch, .id = id, .attempt = o->attempt.value,
                        .write = follow_to_fd, .arg = &fd };
    if (o->server.common.json)
        f.write = discard;
    if (o->follow)
        rc = follow_log(&f, &task, &body);
    else if (api_read_task(&api, id, &task, &body, &e) < 0)
        rc = cli_fail(&e);
    if (rc == CLI_OK && o->server.common.json)
        rc = print_json(&f, &task, o);
    else if (rc == CLI_OK && !o->follow)
        rc = print_log(&f, &task, o);
    buf_fini(&body);
    arena_fini(&scratch);
    return rc;
}

static const struct opt rows[] = {
    { OPT_FLAG, 'f', "follow", offsetof(struct logs_options, follow), NULL, "go on until the task is at its end", 0,
      0 },
    { OPT_INT, 0, "attempt", offsetof(struct logs_options, attempt), "N", "of this attempt (default: the latest)", 1,
      ATTEMPTS_MAX },
    CLI_SERVER_ROWS,
};

const struct verb logs_verb = {
    .name = "logs",
    .synopsis = "[-f] [--attempt N] ID",
    .summary = "print a task's log, byte for byte",
    .rows = rows,
    .options_size = sizeof(struct logs_options),
    .run = logs,
};
