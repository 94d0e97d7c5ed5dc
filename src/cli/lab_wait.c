/* lab_wait.c - the lab's only place that waits: for a descriptor, a signal, or time. Signals come through a
 * signalfd: ended children are reaped here (adopted ones too), and requests to stop are counted. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/lab.h"

void lab_signals_open(struct lab *lab)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    lab->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (lab->is_supervisor)
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static void tell_end(const struct lab *lab, const struct lab_part *p)
{
    bool by_signal = WIFSIGNALED(p->wstatus);
    struct arena a = { 0 };
    const char *usual = lab_default_dir(&a);

    fprintf(stderr, "orion lab: %s ended (%s %d); start it again with: orion lab restart %s%s%s\n", p->name,
            by_signal ? "signal" : "exit code", by_signal ? WTERMSIG(p->wstatus) : WEXITSTATUS(p->wstatus), p->name,
            strcmp(usual, lab->dir) == 0 ? "" : " --dir ", strcmp(usual, lab->dir) == 0 ? "" : lab->dir);
    arena_fini(&a);
}

static void note_end(struct lab *lab, struct lab_part *p, int wstatus)
{
    p->is_reaped = true;
    p->wstatus = wstatus;
    if (lab->is_supervisor && p->is_ready && !p->is_told)
        tell_end(lab, p);
    p->is_ready = false;
}

/* Also what the parts left behind and the supervisor adopted: it is only taken off the list of processes. */
static void reap(struct lab *lab)
{
    int wstatus;
    pid_t pid;

    while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
        if (lab->tool.proc.pid == pid)
            note_end(lab, &lab->tool, wstatus);
        for (size_t i = 0; i < lab->n_parts; i++) {
            if (lab->parts[i].proc.pid == pid && !lab->parts[i].is_reaped)
                note_end(lab, &lab->parts[i], wstatus);
        }
    }
}

static void note_stop(struct lab *lab)
{
    lab->stops++;
    if (lab->stops == 1)
        fprintf(stderr, "orion lab: stopping%s\n", lab->is_supervisor ? " (once more: at once)" : "");
    else if (lab->stops == 2)
        fprintf(stderr, "orion lab: ending everything at once\n");
}

static void take_signals(struct lab *lab)
{
    struct signalfd_siginfo s;
    bool has_ended = false;

    while (read(lab->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
        if (s.ssi_signo == SIGCHLD)
            has_ended = true;
        else
            note_stop(lab);
    }
    if (has_ended)
        reap(lab);
}

bool lab_wait(struct lab *lab, int fd, int64_t ms)
{
    struct pollfd fds[] = { { .fd = lab->signals, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
    int timeout = ms < 0 ? -1 : ms > 60000 ? 60000 : (int)ms;

    if (poll(fds, ARRAY_LEN(fds), timeout) <= 0)
        return false;
    if (fds[0].revents)
        take_signals(lab);
    return fd >= 0 && fds[1].revents != 0;
}
