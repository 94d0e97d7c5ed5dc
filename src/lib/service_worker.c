/* service_worker.c - what a worker does between fork and its service: inherit exactly what it should.
 *
 * Given the descriptors that the master noted before its own loop existed; closes all others, sets the signals
 * and serves. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/service_impl.h"

static int fd_compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int service_fds_note(struct service_fds *fds, int except, struct err *e)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    if (!dir)
        return err_sys(e, "cannot read /proc/self/fd");
    while ((entry = readdir(dir)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd == except)
            continue;
        fds->at = mem_resize(fds->at, fds->n + 1, sizeof(*fds->at));
        fds->at[fds->n++] = fd;
    }
    closedir(dir);
    return 0;
}

void service_fds_fini(struct service_fds *fds)
{
    mem_free(&fds->at);
    fds->n = 0;
}

/* The master's sd-event loop must not be touched after fork, not even to release it: its descriptors are
 * closed here and its memory is left. */
static void fds_close_others(const struct service_fds *fds, int extra)
{
    int *kept = mem_array(fds->n + 1, sizeof(*kept));
    int from = STDERR_FILENO + 1;

    for (size_t i = 0; i < fds->n; i++)
        kept[i] = fds->at[i];
    kept[fds->n] = extra;
    qsort(kept, fds->n + 1, sizeof(*kept), fd_compare);
    for (size_t i = 0; i <= fds->n; i++) {
        if (kept[i] > from)
            close_range((unsigned)from, (unsigned)kept[i] - 1, 0);
        if (kept[i] >= from)
            from = kept[i] + 1;
    }
    close_range((unsigned)from, ~0u, 0);
    mem_free(&kept);
}

static void signals_set(void)
{
    sigset_t set;

    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM); /* one that comes before the worker's loop listens waits for it */
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

void service_worker_main(struct service *s, const struct service_fds *fds, const struct service_seat *seat)
{
    char *process = mem_printf("%s/%u", s->spec->name, seat->slot);
    struct err e = { 0 };
    int code;

    /* Without its master a worker has nobody to replace it, and would hold the port against the next one. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != seat->master_pid)
        _exit(1);
    fds_close_others(fds, seat->report_fd);
    signals_set();
    s->loop = NULL;
    s->is_ready = false; /* the master may have been, when this worker replaces another */
    s->ready_fd = -1;
    s->report_fd = seat->report_fd;
    service_log_init(&s->config, process, NULL);
    mem_free(&process);
    code = service_serve(s, seat->shared, seat->slot, &e);
    if (e.kind != ERR_NONE)
        service_fail(s, &e);
    fflush(NULL);
    _exit(code); /* not exit: the master's own handlers are not ours to run */
}
