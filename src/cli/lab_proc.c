/* lab_proc.c - starts a part and waits until it is ready; ends parts and waits until nothing of them is left.
 *
 * Changes: processes, pid files, log files. Works for the supervisor and, when that is gone, for any `orion lab`. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/lab_left.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/proc.h"

enum { READY_FD = 3, TAIL_LINES = 20, TAIL_BYTES = 16384 };
enum { LOOK_MS = 25, LEFT_MS = 3000, KILL_MS = 2000, TOOL_MS = 600000 };

static int64_t now_ms(void)
{
    return (int64_t)clock_boot_ms();
}

/* --- logs ------------------------------------------------------------------------------------------------ */

static char *log_file(const struct lab *lab, const char *name)
{
    return mem_printf("%s/log/%s.log", lab->dir, name);
}

int64_t lab_log_size(const struct lab *lab, const char *name)
{
    char *path = log_file(lab, name);
    struct stat st;
    int64_t size = stat(path, &st) == 0 ? st.st_size : 0;

    mem_free(&path);
    return size;
}

static int log_open(const struct lab *lab, const char *name, struct err *e)
{
    char *path = log_file(lab, name);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        err_sys(e, "cannot write %s", path);
    mem_free(&path);
    return fd;
}

static const char *last_lines(const char *text, size_t len)
{
    const char *at = text + len;
    int lines = 0;

    if (at > text && at[-1] == '\n')
        at--;
    while (at > text && (at[-1] != '\n' || ++lines < TAIL_LINES))
        at--;
    return at;
}

void lab_log_tail(const struct lab *lab, const char *name, int64_t from)
{
    char *path = log_file(lab, name), text[TAIL_BYTES + 1];
    int64_t size = lab_log_size(lab, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (size - from > TAIL_BYTES)
        from = size - TAIL_BYTES;
    ssize_t n = fd >= 0 ? pread(fd, text, TAIL_BYTES, from) : -1;
    if (n > 0) {
        text[n] = '\0';
        fprintf(stderr, "--- the end of %s:\n%s", path, last_lines(text, (size_t)n));
        if (text[n - 1] != '\n')
            fputc('\n', stderr);
    } else {
        fprintf(stderr, "--- %s says nothing\n", path);
    }
    if (fd >= 0)
        close(fd);
    mem_free(&path);
}

/* --- starting --------------------------------------------------------------------------------------------- */

static int spawn(struct lab *lab, struct lab_part *part, int log, int ready, struct err *e)
{
    const struct proc_fd fds[] = { { STDOUT_FILENO, log }, { STDERR_FILENO, log }, { READY_FD, ready } };
    struct arena a = { 0 };
    struct lab_argv argv = { .arena = &a };
    pid_t pid;

    lab_part_command(lab, part, &argv);
    struct proc_spec spec = { .argv = argv.v,
                              .env = lab_part_env(lab, part, &a),
                              .cwd = lab->dir,
                              .fds = fds,
                              .n_fds = ARRAY_LEN(fds),
                              .new_session = true };
    int rc = proc_spawn(&spec, &pid, e);
    if (rc == 0) {
        struct lab_proc p = { pid, lab_proc_start(pid) };
        *part = (struct lab_part){ .kind = part->kind, .number = part->number, .proc = p };
        if (part->number > 0)
            snprintf(part->name, sizeof(part->name), "%s-%d", part->kind->name, part->number);
        else
            snprintf(part->name, sizeof(part->name), "%s", part->kind->name);
        lab_pid_write(lab, part->name, &p);
    }
    arena_fini(&a);
    return rc;
}

/* Until "ready" stands in the pipe. A part that closes it without a word is waited for until it ends or is late. */
static int wait_ready(struct lab *lab, struct lab_part *part, int fd, struct err *e)
{
    int64_t until = now_ms() + LAB_READY_MS;
    char text[64];

    while (!part->is_reaped && lab->stops == 0 && now_ms() < until) {
        if (!lab_wait(lab, fd, until - now_ms()))
            continue;
        ssize_t n = read(fd, text, sizeof(text) - 1);
        if (n >= 5 && memcmp(text, "ready", 5) == 0)
            return 0;
        if (n <= 0)
            fd = -1;
    }
    if (part->is_reaped)
        return err_set(e, ERR_SYSTEM, "%s ended before it was ready (%s %d)", part->name,
                       WIFSIGNALED(part->wstatus) ? "signal" : "exit code",
                       WIFSIGNALED(part->wstatus) ? WTERMSIG(part->wstatus) : WEXITSTATUS(part->wstatus));
    if (lab->stops > 0)
        return err_set(e, ERR_UNAVAILABLE, "stopped while %s was starting", part->name);
    return err_set(e, ERR_SYSTEM, "%s was not ready within %d s", part->name, LAB_READY_MS / 1000);
}

static int start_and_wait(struct lab *lab, struct lab_part *part, int log, struct err *e)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, "cannot make a pipe");
    int rc = spawn(lab, part, log, ends[1], e);
    close(ends[1]);
    if (rc == 0 && strcmp(part->name, "postgres") == 0)
        rc = lab_pg_wait(lab, part, e);
    else if (rc == 0)
        rc = wait_ready(lab, part, ends[0], e);
    close(ends[0]);
    return rc;
}

int lab_part_start(struct lab *lab, struct lab_part *part, struct err *e)
{
    int64_t from = lab_log_size(lab, part->name);
    int log = log_open(lab, part->name, e);

    if (log < 0)
        return -1;
    int rc = start_and_wait(lab, part, log, e);
    close(log);
    if (rc == 0)
        part->is_ready = !part->is_reaped;
    else if (lab->stops == 0)
        lab_log_tail(lab, part->name, from);
    return rc;
}

int lab_tool_run(struct lab *lab, const char *const *argv, const char *log_name, struct err *e)
{
    int64_t from = lab_log_size(lab, log_name), until = now_ms() + TOOL_MS;
    int log = log_open(lab, log_name, e);
    struct arena a = { 0 };

    if (log < 0)
        return -1;
    lab->tool = (struct lab_part){ .kind = lab->parts[0].kind };
    const struct proc_fd fds[] = { { STDOUT_FILENO, log }, { STDERR_FILENO, log } };
    struct proc_spec spec = { .argv = argv, .env = lab_part_env(lab, &lab->tool, &a), .cwd = lab->dir, .fds = fds,
                              .n_fds = ARRAY_LEN(fds), .new_session = true };
    int rc = proc_spawn(&spec, &lab->tool.proc.pid, e);
    if (rc == 0)
        lab->tool.proc.start = lab_proc_start(lab->tool.proc.pid);
    while (rc == 0 && !lab->tool.is_reaped && lab->stops == 0 && now_ms() < until)
        lab_wait(lab, -1, until - now_ms());
    if (rc == 0 && !lab->tool.is_reaped) {
        lab_proc_kill(&lab->tool.proc, SIGTERM);
        rc = err_set(e, ERR_UNAVAILABLE, "%s was stopped", argv[0]);
    } else if (rc == 0 && lab->tool.wstatus != 0) {
        rc = err_set(e, ERR_SYSTEM, "%s failed", argv[0]);
        lab_log_tail(lab, log_name, from);
    }
    close(log);
    arena_fini(&a);
    return rc;
}

/* --- ending -------------------------------------------------------------------------------------------------- */

static bool any_alive(struct lab_part *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (lab_part_is_alive(parts[i]))
            return true;
    }
    return false;
}

static void signal_all(struct lab_part *const *parts, size_t n, int signo)
{
    for (size_t i = 0; i < n; i++) {
        parts[i]->is_told = true;
        if (!parts[i]->is_reaped)
            lab_proc_kill(&parts[i]->proc, signo);
    }
}

/* Waits for the parts themselves, at most ms, and less when the user is in a hurry. */
static void wait_for_parts(struct lab *lab, struct lab_part *const *parts, size_t n, int64_t ms)
{
    int64_t until = now_ms() + ms;

    while (any_alive(parts, n) && now_ms() < until && lab->stops < 2)
        lab_wait(lab, -1, LOOK_MS);
}

static size_t look_again(struct lab *lab, struct lab_left *left, struct lab_part *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lab_left_look(left, lab, parts[i]);
    return lab_left_living(left);
}

/* What outlives its part gets a moment to notice, then no choice. */
static int wait_for_rest(struct lab *lab, struct lab_left *left, struct lab_part *const *parts, size_t n, struct err *e)
{
    int64_t patience = now_ms() + LEFT_MS, until = patience + KILL_MS;

    while (look_again(lab, left, parts, n) > 0) {
        if (now_ms() > until)
            return err_set(e, ERR_SYSTEM, "%zu processes of %s cannot be ended (pid %d, ...)", left->n, parts[0]->name,
                           (int)left->v[0].pid);
        if (now_ms() > patience || lab->stops >= 2)
            lab_left_kill(left, SIGKILL);
        lab_wait(lab, -1, LOOK_MS);
    }
    return 0;
}

int lab_parts_end(struct lab *lab, struct lab_part *const *parts, size_t n, struct err *e)
{
    struct lab_left left = { 0 };

    if (n == 0)
        return 0;
    look_again(lab, &left, parts, n); /* before: afterwards nobody knows whose children they were */
    signal_all(parts, n, parts[0]->kind->stop_signal);
    wait_for_parts(lab, parts, n, parts[0]->kind->stop_ms);
    if (any_alive(parts, n) && strcmp(parts[0]->name, "postgres") == 0) {
        signal_all(parts, n, SIGQUIT); /* "immediate": still takes its shared memory with it */
        wait_for_parts(lab, parts, n, KILL_MS / 2);
    }
    if (any_alive(parts, n))
        signal_all(parts, n, SIGKILL);
    int rc = wait_for_rest(lab, &left, parts, n, e);
    lab_left_fini(&left);
    for (size_t i = 0; i < n && rc == 0; i++) {
        lab_pid_remove(lab, parts[i]->name);
        parts[i]->proc = (struct lab_proc){ 0 };
    }
    return rc;
}

int lab_end_all(struct lab *lab, struct err *e)
{
    int rc = 0;

    for (size_t last = lab->n_parts; last > 0;) {
        struct lab_part *group[LAB_PARTS_MAX];
        size_t n = 0;
        const struct lab_kind *kind = lab->parts[last - 1].kind;
        while (last > 0 && lab->parts[last - 1].kind == kind)
            group[n++] = &lab->parts[--last];
        if (lab_parts_end(lab, group, n, e) < 0)
            rc = -1;
    }
    return rc;
}
