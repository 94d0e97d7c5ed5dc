/* main.c - orion-runner: holds one attempt of a build beside the agent. It is given its order as JSON on standard
 * input (PROTOCOL "runner.job"), a listening socket and a lock; nobody else starts it. It outlives its agent: the next
 * one connects to the socket and adopts it.
 * Exit codes: 0 done; 1 failed (one line on stderr says why); 2 wrong usage. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/runner.h"
#include "lib/log.h"
#include "lib/mem.h"

struct runner {
    struct loop *loop;
    struct job *job;
};

static void on_done(void *arg)
{
    struct runner *r = arg;

    loop_stop(r->loop, 0);
}

static void on_term(void *arg)
{
    struct runner *r = arg;

    job_stop(r->job, "the runner was asked to stop");
}

static int order_read(struct buf *text, struct err *e)
{
    ssize_t n;

    do {
        n = read(STDIN_FILENO, buf_reserve(text, 65536), 65536);
        if (n > 0)
            buf_commit(text, (size_t)n);
    } while (n > 0 && text->len <= MSG_JSON_MAX);
    return n < 0 ? err_sys(e, "cannot read the order") : 0;
}

static int runner_run(struct arena *a, struct err *e)
{
    struct msg_runner_job order = { 0 };
    struct runner r = { 0 };
    struct buf text = { 0 };
    int rc = order_read(&text, e);

    if (!rc)
        rc = msg_from_json(MSG_RUNNER_JOB, text.data, text.len, a, &order, e);
    buf_fini(&text);
    if (rc)
        return -1;
    /* "./configure" is looked for from here; a folder that cannot be entered is told by the first command */
    rc = chdir(order.cwd);
    r.loop = loop_new();
    r.job = job_new(r.loop, &order, RUNNER_LISTEN_FD, on_done, &r, e);
    if (r.job) {
        loop_signal(r.loop, SIGTERM, on_term, &r);
        job_start(r.job);
        rc = loop_run(r.loop);
    }
    rc = r.job ? rc : -1;
    job_free(&r.job);
    loop_free(&r.loop);
    return rc;
}

int main(int argc, char **argv)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct stat st;
    int rc;

    (void)argv;
    if (argc > 1 || fstat(RUNNER_LISTEN_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        fputs("orion-runner is started by orion-agent\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* stderr is the agent's, and may end with it */
    log_init("runner", "info", "text", NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    rc = runner_run(&a, &e);
    if (rc)
        log_error("the runner failed", log_err(&e));
    arena_fini(&a);
    return rc ? 1 : 0;
}
