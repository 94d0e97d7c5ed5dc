/* job.c - one attempt from its first command to its result (PROTOCOL "runner.job", "runner.ended").
 *
 * The commands run one after the other until one fails, the agent says stop, or they are silent for too long. Then
 * whatever they left behind is ended: TERM, and after kill_ms KILL. When no process is left, the pipes are read to
 * their end, and only then the result is kept and told, so that the result always stands behind the last byte of the
 * log; and this process goes. Agents come and go meanwhile: nothing here waits for one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/duration.h"
#include "agent/runner/runner.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/proc.h"

enum { KILL_AGAIN_MS = 50, KEEP_AGAIN_MS = 1000 };

enum phase {
    PHASE_RUNNING,  /* a command runs */
    PHASE_ENDING,   /* its leftovers are being ended */
    PHASE_DONE,     /* nothing runs */
};

struct job {
    struct loop *loop;
    const struct msg_runner_job *order;
    void (*on_done)(void *arg);
    void *arg;
    struct link *link;
    struct output *output;
    struct timer *kill;       /* whoever did not listen; at the end: another try to keep the result */
    struct silence *silence;
    const char **env;
    enum phase phase;
    size_t next;              /* command */
    pid_t pid;                /* of the command that runs; 0: none */
    int wstatus;              /* of the command that ended last */
    bool has_ended;           /* and there is one */
    bool has_timed_out;       /* stopped for its silence */
    char stopped[257], error[448]; /* the protocol's longest reason, whole: half a letter would be refused */
    char note[sizeof("orion: : stopped\n") + 448]; /* the log's last line, when there is an error or a stop */
};

/* --- the result ------------------------------------------------------------------------------------ */

static void result_fill(const struct job *j, struct output_totals *t, struct msg_runner_ended *m)
{
    output_totals(j->output, t);
    *m = (struct msg_runner_ended){
        .error = *j->error ? j->error : NULL,
        .stopped = *j->stopped ? j->stopped : NULL,
        .timed_out = j->has_timed_out,
        .has.timed_out = j->has_timed_out,
        .chunks = (int64_t)t->chunks,
        .bytes = (int64_t)t->bytes,
        .lines = (int64_t)t->lines,
        .head = { t->head.b, sizeof(t->head.b) },
    };
    if (*j->error || !j->has_ended)
        return;
    m->has.exit_code = WIFEXITED(j->wstatus);
    m->exit_code = m->has.exit_code ? WEXITSTATUS(j->wstatus) : 0;
    m->has.signal = WIFSIGNALED(j->wstatus);
    m->signal = m->has.signal ? WTERMSIG(j->wstatus) : 0;
}

/* Goes when the result is on the disk or an agent has it; on a full disk without an agent it waits for either, unless
 * the folder is gone and with it whoever would ask. */
static void job_leave(struct job *j)
{
    struct msg_runner_ended m;
    struct output_totals t;
    struct err e = { 0 };
    const char *spool = j->order->spool;
    bool is_kept, is_told, is_forgotten;

    result_fill(j, &t, &m);
    is_kept = keep_result(spool, &m, &e) == 0;
    is_told = link_tell_ended(j->link, &m);
    is_forgotten = access(spool, F_OK) < 0 && errno == ENOENT;
    if (is_kept || is_told || is_forgotten) {
        j->on_done(j->arg);
        return;
    }
    log_warn("the result cannot be kept yet", log_str("spool", spool), log_err(&e));
    timer_in(j->kill, KEEP_AGAIN_MS);
}

/* --- ending ---------------------------------------------------------------------------------------- */

static void job_gone(struct job *j)
{
    timer_off(j->kill);
    j->phase = PHASE_DONE;
    output_finish(j->output, *j->note ? j->note : NULL);
}

static void on_reaped(void *arg, pid_t pid, int wstatus)
{
    struct job *j = arg;

    if (pid != j->pid)
        return;
    j->pid = 0;
    j->wstatus = wstatus;
    j->has_ended = true;
}

/* Ends whatever still runs; `signo` says how politely. */
static void job_end(struct job *j, int signo)
{
    if (j->phase > PHASE_ENDING)
        return;
    j->phase = PHASE_ENDING;
    silence_end(j->silence);
    kin_signal(signo);
    if (kin_reap(on_reaped, j) == KIN_NONE)
        job_gone(j);
    else
        timer_in(j->kill, signo == SIGKILL ? KILL_AGAIN_MS : (uint64_t)j->order->kill_ms);
}

static void tick_kill(void *arg)
{
    struct job *j = arg;

    if (j->phase == PHASE_DONE)
        job_leave(j);
    else
        job_end(j, SIGKILL);
}

static void job_fail(struct job *j, const struct err *e)
{
    if (!*j->error)
        snprintf(j->error, sizeof(j->error), "%s", e->text);
    snprintf(j->note, sizeof(j->note), "orion: %s\n", j->error);
}

/* --- commands -------------------------------------------------------------------------------------- */

static const char **env_make(const struct msg_pairs *pairs)
{
    const char **env = mem_array(pairs->n + 1, sizeof(*env));

    for (size_t i = 0; i < pairs->n; i++)
        env[i] = mem_printf("%s=%s", pairs->v[i].key, pairs->v[i].value);
    return env;
}

static int command_spawn(struct job *j, const struct msg_strs *argv, struct err *e)
{
    const char **words = mem_array(argv->n + 1, sizeof(*words));
    int pipes[2], rc;

    memcpy(words, argv->v, argv->n * sizeof(*words));
    rc = output_pipes(j->output, pipes, e);
    if (!rc) {
        const struct proc_fd fds[] = { { 0, -1 }, { 1, pipes[0] }, { 2, pipes[1] } };
        const struct proc_spec spec = { .argv = words,
                                        .env = j->env,
                                        .cwd = j->order->cwd,
                                        .fds = fds,
                                        .n_fds = ARRAY_LEN(fds),
                                        .new_session = true };

        rc = proc_spawn(&spec, &j->pid, e);
    }
    mem_free(&words);
    return rc;
}

static bool is_success(const struct job *j)
{
    return !j->has_ended || (WIFEXITED(j->wstatus) && WEXITSTATUS(j->wstatus) == 0);
}

/* The next command, or the end when there is none, one failed, or it cannot be started. */
static void job_next(struct job *j)
{
    const struct msg_command_list *commands = &j->order->commands;
    struct err e = { 0 };

    if (!is_success(j) || j->next == commands->n) {
        job_end(j, SIGTERM);
        return;
    }
    if (command_spawn(j, &commands->v[j->next++].argv, &e)) {
        job_fail(j, &e);
        job_end(j, SIGTERM);
        return;
    }
    silence_begin(j->silence);
    if (j->next == commands->n)
        output_pipes_close(j->output);
}

static void on_sigchld(void *arg)
{
    struct job *j = arg;
    enum kin_left left = kin_reap(on_reaped, j);

    if (j->phase == PHASE_RUNNING && !j->pid)
        job_next(j);
    else if (j->phase == PHASE_ENDING && left == KIN_NONE)
        job_gone(j);
}

/* --- stopping -------------------------------------------------------------------------------------- */

/* What has ended by itself has its own result, even when nobody looked yet. */
static void job_stop_for(struct job *j, const char *reason, bool is_silence)
{
    on_sigchld(j);
    if (j->phase == PHASE_DONE)
        output_give_up(j->output); /* it waits for its disk */
    if (j->phase != PHASE_RUNNING)
        return;
    j->has_timed_out = is_silence;
    snprintf(j->stopped, sizeof(j->stopped), "%s", reason);
    snprintf(j->note, sizeof(j->note), "orion: %s: stopped\n", reason);
    job_end(j, SIGTERM);
}

void job_stop(struct job *j, const char *reason)
{
    job_stop_for(j, reason, false);
}

/* This process may have slept longer than the build was silent: the pipes have the last word. */
static void on_silence(void *arg)
{
    struct job *j = arg;
    char limit[DURATION_SIZE], reason[64];

    if (output_look(j->output)) {
        silence_begin(j->silence);
        return;
    }
    duration_format(j->order->silence_timeout_ms, limit);
    snprintf(reason, sizeof(reason), "no output for %s", limit);
    job_stop_for(j, reason, true);
}

/* --- wiring ---------------------------------------------------------------------------------------- */

static void on_spooled(void *arg, uint64_t seq, uint64_t offset)
{
    struct job *j = arg;

    link_tell_spooled(j->link, seq, offset);
}

/* A log that cannot be kept ends the build: its result would stand for a log that is not there. */
static void on_failed(void *arg, const struct err *e)
{
    struct job *j = arg;

    log_error("the output cannot be kept", log_err(e));
    job_fail(j, e);
    if (j->phase == PHASE_RUNNING)
        timer_in(j->kill, 0); /* not here: the caller is in the middle of its pipes */
}

static void on_read(void *arg)
{
    struct job *j = arg;

    silence_heard(j->silence);
}

static void on_full(void *arg, bool is_full)
{
    struct job *j = arg;

    silence_deaf(j->silence, is_full);
}

static void on_finished(void *arg)
{
    job_leave(arg);
}

static const struct output_hooks output_hooks = { on_read, on_full, on_spooled, on_failed, on_finished };

static void on_trim(void *arg, uint64_t seq, uint64_t offset)
{
    struct job *j = arg;

    output_trim(j->output, seq, offset);
}

static void on_stop(void *arg, const char *reason)
{
    job_stop(arg, reason);
}

static const struct link_hooks link_hooks = { on_trim, on_stop };

struct job *job_new(struct loop *l, const struct msg_runner_job *order, int listener, void (*on_done)(void *arg),
                    void *arg, struct err *e)
{
    struct job *j = mem_zalloc(sizeof(*j));

    *j = (struct job){ .loop = l, .order = order, .on_done = on_done, .arg = arg };
    j->output = output_new(l, order, &output_hooks, j, e);
    if (!j->output) {
        mem_free(&j);
        return NULL;
    }
    j->env = env_make(&order->env);
    j->kill = loop_timer(l, tick_kill, j);
    j->silence = silence_new(l, order->silence_timeout_ms, on_silence, j);
    j->link = link_new(l, listener, order, &link_hooks, j);
    loop_signal(l, SIGCHLD, on_sigchld, j);
    return j;
}

void job_start(struct job *j)
{
    output_note(j->output, j->order->notes);
    job_next(j);
}

void job_free(struct job **j)
{
    if (*j) {
        for (const char **at = (*j)->env; *at; at++)
            mem_free(at);
        mem_free(&(*j)->env);
        timer_free(&(*j)->kill);
        silence_free(&(*j)->silence);
        link_free(&(*j)->link);
        output_free(&(*j)->output);
    }
    mem_free(j);
}
