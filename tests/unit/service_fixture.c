/* service_fixture.c - see service_fixture.h. */
#include "tests/unit/service_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/proc.h"
#include "lib/service.h"

#define ALARM_S 60

enum { TALK_FD = 3, READY_FD = 4, SHARED_NUMBER = 4711 };

/* --- the service ------------------------------------------------------------------------------------ */

struct settings {
    char *mode; /* what goes wrong; "well": nothing */
    char *label;
    int64_t workers;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_row rows[] = {
    { CONF_STR, AT(mode), "mode", "ORION_TEST_MODE", NULL, "well", 0, 0, "", "what goes wrong" },
    { CONF_STR, AT(label), "label", "ORION_TEST_LABEL", NULL, "one", 0, 0, "", "a word to repeat" },
    { CONF_INT, AT(workers), "workers", "ORION_TEST_WORKERS", NULL, "2", 1, 8, "", "number of workers" },
    CONF_END,
};

struct state {
    struct service *service;
    struct timer *timer;
    const struct settings *settings;
    unsigned slot;
};

static void say(const struct state *st, const char *word)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    dprintf(TALK_FD, "%s %u %d %s %d\n", word, st->slot, (int)getpid(), st->settings->label, n);
}

static bool is_mode(const struct state *st, const char *mode)
{
    return strcmp(st->settings->mode, mode) == 0;
}

static void on_time(void *arg)
{
    struct state *st = arg;
    struct err e = { 0 };

    service_ready(st->service);
    err_set(&e, ERR_SYSTEM, "the roof fell in");
    if (is_mode(st, "collapse"))
        service_fail(st->service, &e);
}

static void on_drained(void *arg)
{
    struct state *st = arg;

    service_drained(st->service);
}

static int test_start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r,
                      struct err *e)
{
    struct state *st = mem_zalloc(sizeof(*st));

    *st = (struct state){ .service = s, .settings = settings, .slot = slot };
    if (is_mode(st, "unlucky") || (shared && *(int *)shared != SHARED_NUMBER)) {
        mem_free(&st);
        return err_set(e, ERR_SYSTEM, "no luck today");
    }
    if (is_mode(st, "crash"))
        raise(SIGKILL);
    st->timer = loop_timer(service_loop(s), on_time, st);
    timer_in(st->timer, 1);
    say(st, "start");
    *state_r = st;
    return 0;
}

static void test_drain(void *state)
{
    struct state *st = state;

    say(st, "drain");
    if (is_mode(st, "stubborn"))
        return;
    timer_free(&st->timer);
    st->timer = loop_timer(service_loop(st->service), on_drained, st);
    timer_in(st->timer, 10);
}

static void test_stop(void **state)
{
    struct state *st = *state;

    say(st, "stop");
    timer_free(&st->timer);
    mem_free(state);
}

static int test_check(void *settings, struct err *e)
{
    const struct settings *s = settings;

    return strcmp(s->label, "bad") == 0 ? err_field(e, "label", "--label must not be bad") : 0;
}

static unsigned test_slots(const void *settings)
{
    return (unsigned)((const struct settings *)settings)->workers;
}

static int test_open(void *settings, void **shared_r, struct err *e)
{
    const struct settings *s = settings;
    int *shared = mem_alloc(sizeof(*shared));

    *shared = SHARED_NUMBER;
    *shared_r = shared;
    return strcmp(s->mode, "closed") == 0 ? err_set(e, ERR_SYSTEM, "the port is taken") : 0;
}

int service_run(const char *kind, int argc, char **argv)
{
    struct service_spec spec = {
        .name = "test",
        .summary = "a service for a test",
        .rows = rows,
        .settings_size = sizeof(struct settings),
        .check = test_check,
        .start = test_start,
        .drain = test_drain,
        .stop = test_stop,
        .drain_ms = 60000,
    };

    if (strcmp(kind, "prefork") == 0) {
        spec.slots = test_slots;
        spec.open = test_open;
    }
    if (getenv("ORION_TEST_SHORT_DRAIN"))
        spec.drain_ms = 100;
    return service_main(&spec, argc, argv);
}

/* --- starting and watching it ----------------------------------------------------------------------- */

void fixture_spawn(struct fixture *f, const char *kind, const char *const *args)
{
    const char *argv[16] = { "/proc/self/exe" };
    int talk[2], ready[2], errors[2];
    struct err e = { 0 };

    assert_int_equal(pipe2(talk, O_CLOEXEC) | pipe2(ready, O_CLOEXEC) | pipe2(errors, O_CLOEXEC), 0);
    for (int i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    setenv("ORION_TEST_SERVICE", kind, 1);
    setenv("ORION_READY_FD", "4", 1);
    if (proc_spawn(&(struct proc_spec){ .argv = argv,
                                        .fds = (const struct proc_fd[]){ { TALK_FD, talk[1] },
                                                                         { READY_FD, ready[1] },
                                                                         { 1, talk[1] },
                                                                         { 2, errors[1] } },
                                        .n_fds = 4 },
                   &f->pid, &e))
        fail_msg("%s", e.text);
    close(talk[1]);
    close(ready[1]);
    close(errors[1]);
    f->talk = fdopen(talk[0], "re");
    f->ready = fdopen(ready[0], "re");
    f->errors = fdopen(errors[0], "re");
}

struct said expect(struct fixture *f, const char *word)
{
    struct said s = { 0 };
    char got[16] = "";

    if (!fgets(f->line, sizeof(f->line), f->talk))
        fail_msg("\"%s\" was expected, and it is gone", word);
    if (sscanf(f->line, "%15s %u %d %31s %d", got, &s.slot, &s.pid, s.label, &s.fds) != 5 || strcmp(got, word) != 0)
        fail_msg("\"%s\" was expected, not: %s", word, f->line);
    return s;
}

void expect_ready(struct fixture *f)
{
    assert_non_null(fgets(f->line, sizeof(f->line), f->ready));
    assert_string_equal(f->line, "ready test\n");
    assert_null(fgets(f->line, sizeof(f->line), f->ready)); /* and nobody holds it any more */
}

void expect_silence(struct fixture *f)
{
    if (fgets(f->line, sizeof(f->line), f->talk))
        fail_msg("unexpected: %s", f->line);
}

int errors_with(struct fixture *f, const char *text)
{
    int n = 0;

    while (fgets(f->line, sizeof(f->line), f->errors))
        n += strstr(f->line, text) != NULL;
    return n;
}

int exit_code(struct fixture *f)
{
    int wstatus;

    assert_int_equal(waitpid(f->pid, &wstatus, 0), f->pid);
    f->pid = 0;
    return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -WTERMSIG(wstatus);
}

void fixture_close(struct fixture *f)
{
    if (!f->talk)
        return;
    fclose(f->talk);
    fclose(f->ready);
    fclose(f->errors);
    f->talk = NULL;
}

int fixture_setup(void **state)
{
    static struct fixture f; /* one test at a time */

    f = (struct fixture){ 0 };
    *state = &f;
    alarm(ALARM_S);
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    alarm(0);
    if (f->pid) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    fixture_close(f);
    if (f->file)
        unlink(f->file);
    mem_free(&f->file);
    unsetenv("ORION_TEST_SHORT_DRAIN");
    return 0;
}

void fixture_file(struct fixture *f, const char *text)
{
    FILE *file;

    if (!f->file)
        f->file = mem_printf("/tmp/orion-test-service-%d.env", (int)getpid());
    file = fopen(f->file, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}
