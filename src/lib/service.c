/* service.c - one main for all daemons, and the life of one serving process: start, run, drain, stop.
 *
 * A service without slots serves in the process that was started; one with slots serves in the workers of
 * service_master.c, which call service_serve as well. */
#include "lib/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/service_impl.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct loop *service_loop(struct service *s)
{
    return s->loop;
}

const char *service_version(void)
{
    return PACKAGE_VERSION;
}

/* --- telling others --------------------------------------------------------------------------------- */

static void write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* whoever wanted to know is gone */
        text += n;
        len -= (size_t)n;
    }
}

/* Before it is ready a process talks to the person who started it: one plain line. */
static void print_failure(const struct service *s, const struct err *e)
{
    fprintf(stderr, "orion-%s: %s\n", s->spec->name, e->text);
}

void service_tell_ready(struct service *s)
{
    char *line = mem_printf("ready %s\n", s->spec->name);

    sd_notify(false, "READY=1");
    if (s->ready_fd >= 0) {
        write_all(s->ready_fd, line, strlen(line));
        close(s->ready_fd);
        s->ready_fd = -1;
    }
    mem_free(&line);
}

void service_tell_stopping(void)
{
    sd_notify(false, "STOPPING=1");
}

void service_ready(struct service *s)
{
    const char report = REPORT_READY;

    if (s->is_ready)
        return;
    s->is_ready = true;
    if (s->report_fd >= 0)
        write_all(s->report_fd, &report, 1);
    else
        service_tell_ready(s);
    log_info("ready", log_str("version", service_version()));
}

void service_fail(struct service *s, const struct err *e)
{
    const char report = REPORT_FAILED;

    if (s->is_ready) {
        log_error("giving up", log_err(e));
    } else if (s->report_fd >= 0) {
        write_all(s->report_fd, &report, 1);
        write_all(s->report_fd, e->text, strlen(e->text));
    } else {
        print_failure(s, e);
    }
    fflush(NULL);
    _exit(EXIT_FAILED); /* from inside a callback: what its callers hold is the kernel's to release */
}

/* --- the life of one process ------------------------------------------------------------------------ */

static void on_deadline(void *arg)
{
    struct service *s = arg;

    log_warn("the drain took too long and is cut short", log_int("drain_ms", s->spec->drain_ms));
    loop_stop(s->loop, 0);
}

static void on_stop_signal(void *arg)
{
    struct service *s = arg;

    if (s->is_draining) {
        log_warn("asked to stop again: stopping at once");
        loop_stop(s->loop, 0);
        return;
    }
    s->is_draining = true;
    log_info("asked to stop");
    if (s->report_fd < 0)
        service_tell_stopping();
    timer_in(s->deadline, (uint64_t)s->spec->drain_ms);
    if (s->spec->drain)
        s->spec->drain(s->state);
    else
        service_drained(s);
}

static void on_reload_signal(void *arg)
{
    (void)arg;
    log_info("this service does not reload; restart it for other settings");
}

void service_drained(struct service *s)
{
    if (s->is_draining)
        loop_stop(s->loop, 0);
}

static void tick_beat(void *arg)
{
    struct service *s = arg;
    const char report = REPORT_BEAT;

    write_all(s->report_fd, &report, 1);
    timer_in(s->beat, REPORT_INTERVAL_MS);
}

/* A worker leaves SIGINT and SIGHUP to its master: a terminal sends them to both. */
static void signals_take(struct service *s)
{
    loop_signal(s->loop, SIGTERM, on_stop_signal, s);
    if (s->report_fd >= 0)
        return;
    loop_signal(s->loop, SIGINT, on_stop_signal, s);
    loop_signal(s->loop, SIGHUP, on_reload_signal, s);
}

int service_serve(struct service *s, void *shared, unsigned slot, struct err *e)
{
    int code = EXIT_FAILED;

    s->loop = loop_new();
    s->deadline = loop_timer(s->loop, on_deadline, s);
    s->beat = loop_timer(s->loop, tick_beat, s);
    signals_take(s);
    if (s->report_fd >= 0)
        timer_in(s->beat, REPORT_INTERVAL_MS);
    if (s->spec->start(s, s->config.settings, shared, slot, &s->state, e) == 0) {
        code = loop_run(s->loop);
        s->spec->stop(&s->state);
        log_info("stopped");
    }
    timer_free(&s->beat);
    timer_free(&s->deadline);
    loop_free(&s->loop);
    return code;
}

/* --- main ------------------------------------------------------------------------------------------- */

int service_log_init(const struct service_config *c, const char *process, struct err *e)
{
    return log_init(process, c->common->log_levels, c->common->log_format, e);
}

/* The variable is for this process only: it is taken out of the environment before anything is started. */
static int ready_fd_take(void)
{
    const char *text = getenv("ORION_READY_FD");
    int fd = -1;

    if (text && *text && strspn(text, "0123456789") == strlen(text))
        fd = (int)strtol(text, NULL, 10);
    unsetenv("ORION_READY_FD");
    return fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

static void print_help(const struct service_spec *spec)
{
    struct conf_row *rows = service_config_rows(spec);

    printf("Usage: orion-%s [OPTION]...\n%s.\n\nOptions, and the variables that mean the same:\n", spec->name,
           spec->summary);
    conf_usage(rows, stdout);
    mem_free(&rows);
}

static int usage_failure(const struct service *s, const struct err *e)
{
    print_failure(s, e);
    fprintf(stderr, "Try orion-%s --help.\n", s->spec->name);
    return EXIT_USAGE;
}

static int serve(struct service *s)
{
    struct err e = { 0 };
    int code = s->spec->slots ? service_master_run(s, &e) : service_serve(s, NULL, 0, &e);

    if (e.kind != ERR_NONE)
        print_failure(s, &e);
    if (s->spec->slots) {
        fflush(NULL);
        _exit(code); /* what `open` made is the kernel's to release */
    }
    return code;
}

int service_main(const struct service_spec *spec, int argc, char **argv)
{
    struct service s = { .spec = spec, .argc = argc, .argv = argv, .report_fd = -1 };
    struct err e = { 0 };
    int code = 0;

    signal(SIGPIPE, SIG_IGN);
    if (service_config_has_flag(argc, argv, "--help")) {
        print_help(spec);
        return 0;
    }
    if (service_config_has_flag(argc, argv, "--version")) {
        printf("orion-%s %s\n", spec->name, service_version());
        return 0;
    }
    s.ready_fd = ready_fd_take();
    if (service_config_load(&s.config, spec, argc, argv, &e))
        return usage_failure(&s, &e);
    if (service_log_init(&s.config, spec->name, &e))
        code = usage_failure(&s, &e);
    else if (s.config.common->is_print)
        conf_print(s.config.conf, stdout);
    else
        code = serve(&s);
    service_config_fini(&s.config);
    return code;
}
