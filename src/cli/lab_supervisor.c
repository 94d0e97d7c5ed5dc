/* lab_supervisor.c - the parent of a lab: starts the parts in order, tells of their ends, restarts one when asked,
 * stops all in order. It restarts nothing by itself.
 *
 * Runs as the lab's user; adopts what its children leave behind (subreaper). Rules: man/orion-lab.1. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab.h"
#include "cli/lab_left.h"
#include "lib/buf.h"
#include "lib/clock.h"

#define OWN_NAME "supervisor"

const char *lab_url(const struct lab *lab, struct arena *a)
{
    return arena_printf(a, "http://127.0.0.1:%lld", (long long)lab->conf.port);
}

/* DIR/url holds the URL while the lab is ready, and nothing else at other times. Written in place: DIR may not be the
 * user's to make files in. */
void lab_url_publish(const struct lab *lab, bool is_up)
{
    const char *path = lab_path(lab, "url");
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        return;
    if (is_up) {
        const char *text = arena_printf(lab->arena, "%s\n", lab_url(lab, lab->arena));
        (void)!write(fd, text, strlen(text)); /* short of disk: the clients use ORION_URL then */
    }
    close(fd);
}

const char *lab_default_url(struct arena *a)
{
    const char *dir = lab_default_dir(a);
    char *text = lab_file_read(arena_printf(a, "%s/url", dir));
    const char *url = NULL;
    struct lab_proc gateway;

    if (text && *text) {
        text[strcspn(text, "\n")] = '\0';
        gateway = lab_pid_read(dir, "gateway");
        if (lab_lock_is_taken(dir, LAB_LOCK_SUPERVISOR) || lab_proc_is_alive(&gateway))
            url = arena_strdup(a, text);
    }
    mem_free(&text);
    return url;
}

static int start_all(struct lab *lab, struct err *e)
{
    int64_t since_ms = clock_wall_ms();

    if (lab_pg_prepare(lab, e) < 0)
        return -1;
    for (size_t i = 0; i < lab->n_parts; i++) {
        if (lab_part_start(lab, &lab->parts[i], e) < 0)
            return -1;
        if (i == 0 && lab_pg_migrate(lab, e) < 0)
            return -1;
    }
    return lab_farm_wait(lab, since_ms, e);
}

static void announce(const struct lab *lab, bool json)
{
    const char *url = lab_url(lab, lab->arena);

    if (json)
        printf("{\"ready\":true,\"url\":\"%s\"}\n", url);
    else
        printf("ready %s\nexport ORION_URL=%s\n", url, url);
    fflush(stdout);
}

/* Lets go of everything of the caller, and says so by the status descriptor. -1: the caller is gone. */
static int detach(const struct lab *lab, int status_fd)
{
    const char *path = lab_path(lab, "log/" OWN_NAME ".log");
    int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    if (log < 0)
        return -1;
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
    int rc = write(status_fd, "0", 1) == 1 ? 0 : -1;
    close(status_fd);
    return rc;
}

static int stop_all(struct lab *lab)
{
    struct err e = { 0 };

    lab_url_publish(lab, false);
    int rc = lab_end_all(lab, &e);
    if (rc < 0)
        fprintf(stderr, "orion lab: %s\n", e.text);
    lab_sockets_remove(lab);
    lab_pid_remove(lab, OWN_NAME);
    return rc;
}

static void serve(struct lab *lab, int listener)
{
    while (lab->stops == 0) {
        if (lab_wait(lab, listener, -1))
            lab_ctl_serve(lab, listener);
    }
}

int lab_supervise(struct lab *lab, int status_fd, bool json)
{
    struct lab_proc self = { getpid(), lab_proc_start(getpid()) };
    struct err e = { 0 };
    int rc = CLI_FAILED;

    lab->is_supervisor = true;
    lab_signals_open(lab);
    lab_pid_write(lab, OWN_NAME, &self);
    int listener = lab_ctl_listen(lab, &e);
    if (listener >= 0 && start_all(lab, &e) == 0) {
        lab_url_publish(lab, true);
        announce(lab, json);
        rc = CLI_OK;
        if (status_fd >= 0 && detach(lab, status_fd) < 0)
            rc = CLI_FAILED;
        else
            serve(lab, listener);
    } else if (lab->stops == 0) {
        fprintf(stderr, "orion lab: %s\n", e.text);
    } else {
        rc = CLI_INTERRUPTED;
    }
    if (stop_all(lab) < 0)
        rc = CLI_FAILED;
    if (listener >= 0)
        close(listener);
    return rc;
}

int lab_restart(struct lab *lab, struct lab_part *part, struct err *e)
{
    int64_t since_ms = clock_wall_ms();

    part->is_coming_back = true;
    int rc = lab_parts_end(lab, &part, 1, e);
    part->is_coming_back = false;
    if (rc < 0)
        return -1;
    if (strcmp(part->name, "postgres") == 0)
        lab_pg_clean(lab);
    if (lab_part_start(lab, part, e) < 0)
        return -1;
    return lab_farm_settle(lab, part, since_ms, e);
}
