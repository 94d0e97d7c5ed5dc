/* test_service.c - the life of a daemon, seen from outside: this program starts itself as a small service.
 *
 * The service says on a pipe what happens to it ("start SLOT PID LABEL FDS", "drain ...", "stop ..."); the tests
 * read that pipe, the readiness pipe and stderr, and send signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
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
    char *mode;   /* what goes wrong; "well": nothing */
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

static int service_run(const char *kind, int argc, char **argv)
{
    struct service_spec spec = {
        .name = "test", .summary = "a service for a test", .rows = rows, .settings_size = sizeof(struct settings),
        .check = test_check, .start = test_start, .drain = test_drain, .stop = test_stop, .drain_ms = 60000,
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

struct fixture {
    pid_t pid;      /* 0: none */
    FILE *talk, *ready, *errors;
    char *file;     /* settings */
    char line[512];
};

static void spawn(struct fixture *f, const char *kind, const char *const *args)
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

#define SPAWN(f, kind, ...) spawn(f, kind, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

struct said {
    unsigned slot;
    int pid, fds;
    char label[32];
};

/* The next line of the service must begin with `word`. */
static struct said expect(struct fixture *f, const char *word)
{
    struct said s = { 0 };
    char got[16] = "";

    if (!fgets(f->line, sizeof(f->line), f->talk))
        fail_msg("\"%s\" was expected, and it is gone", word);
    if (sscanf(f->line, "%15s %u %d %31s %d", got, &s.slot, &s.pid, s.label, &s.fds) != 5 || strcmp(got, word) != 0)
        fail_msg("\"%s\" was expected, not: %s", word, f->line);
    return s;
}

static void expect_ready(struct fixture *f)
{
    assert_non_null(fgets(f->line, sizeof(f->line), f->ready));
    assert_string_equal(f->line, "ready test\n");
    assert_null(fgets(f->line, sizeof(f->line), f->ready)); /* and nobody holds it any more */
}

static void expect_silence(struct fixture *f)
{
    if (fgets(f->line, sizeof(f->line), f->talk))
        fail_msg("unexpected: %s", f->line);
}

/* How many lines of stderr hold the text; reads to the end. */
static int errors_with(struct fixture *f, const char *text)
{
    int n = 0;

    while (fgets(f->line, sizeof(f->line), f->errors))
        n += strstr(f->line, text) != NULL;
    return n;
}

static int exit_code(struct fixture *f)
{
    int wstatus;

    assert_int_equal(waitpid(f->pid, &wstatus, 0), f->pid);
    f->pid = 0;
    return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -WTERMSIG(wstatus);
}

static int setup(void **state)
{
    static struct fixture f; /* one test at a time */

    f = (struct fixture){ 0 };
    *state = &f;
    alarm(ALARM_S);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    alarm(0);
    if (f->pid) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    if (f->talk) {
        fclose(f->talk);
        fclose(f->ready);
        fclose(f->errors);
    }
    if (f->file)
        unlink(f->file);
    mem_free(&f->file);
    unsetenv("ORION_TEST_SHORT_DRAIN");
    return 0;
}

static void file_write(struct fixture *f, const char *text)
{
    FILE *file;

    if (!f->file)
        f->file = mem_printf("/tmp/orion-test-service-%d.env", (int)getpid());
    file = fopen(f->file, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* --- one process ------------------------------------------------------------------------------------ */

static void it_gets_ready_drains_and_stops(void **state)
{
    struct fixture *f = *state;

    SPAWN(f, "plain");
    expect(f, "start");
    expect_ready(f);
    kill(f->pid, SIGHUP); /* means nothing here */
    kill(f->pid, SIGTERM);
    expect(f, "drain");
    expect(f, "stop");
    assert_int_equal(exit_code(f), 0);
    expect_silence(f);
    assert_int_equal(errors_with(f, "does not reload"), 1);
}

static void a_second_signal_cuts_the_drain(void **state)
{
    struct fixture *f = *state;

    SPAWN(f, "plain", "--mode=stubborn");
    expect_ready(f);
    expect(f, "start");
    kill(f->pid, SIGINT);
    expect(f, "drain");
    kill(f->pid, SIGTERM);
    expect(f, "stop");
    assert_int_equal(exit_code(f), 0);
}

static void a_drain_has_a_deadline(void **state)
{
    struct fixture *f = *state;

    setenv("ORION_TEST_SHORT_DRAIN", "1", 1);
    SPAWN(f, "plain", "--mode=stubborn");
    expect_ready(f);
    expect(f, "start");
    kill(f->pid, SIGTERM);
    expect(f, "drain");
    expect(f, "stop");
    assert_int_equal(exit_code(f), 0);
    assert_int_equal(errors_with(f, "took too long"), 1);
}

static void failures_end_with_1_and_one_line(void **state)
{
    struct fixture *f = *state;

    SPAWN(f, "plain", "--mode=unlucky");
    assert_int_equal(exit_code(f), 1);
    assert_null(fgets(f->line, sizeof(f->line), f->ready));
    assert_non_null(fgets(f->line, sizeof(f->line), f->errors));
    assert_string_equal(f->line, "orion-test: no luck today\n");
    assert_null(fgets(f->line, sizeof(f->line), f->errors));
}

static void giving_up_later_is_logged(void **state)
{
    struct fixture *f = *state;

    SPAWN(f, "plain", "--mode=collapse");
    expect_ready(f);
    assert_int_equal(exit_code(f), 1);
    assert_int_equal(errors_with(f, "error test: giving up error=\"the roof fell in\""), 1);
}

static void wrong_usage_ends_with_2(void **state)
{
    static const char *const wrong[][2] = {
        { "--lable=x", "orion-test: unknown option --lable; did you mean --label?" },
        { "extra", "orion-test: unexpected argument \"extra\"" },
        { "--label=bad", "orion-test: --label must not be bad" },
        { "--log=loud", "\"loud\" is not a log level" },
        { "--config=/no/such.env", "cannot read /no/such.env" },
        { "--workers=9", "is not within 1..8" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        SPAWN(f, "plain", wrong[i][0]);
        assert_int_equal(exit_code(f), 2);
        assert_int_equal(errors_with(f, wrong[i][1]), 1);
        fclose(f->talk);
        fclose(f->ready);
        fclose(f->errors);
        f->talk = NULL;
    }
}

static void help_version_and_settings_are_printed(void **state)
{
    struct fixture *f = *state;
    char text[4096];

    file_write(f, "ORION_TEST_LABEL=filed\n");
    SPAWN(f, "plain", "--config", f->file, "--mode", "calm", "--print-config");
    text[fread(text, 1, sizeof(text) - 1, f->talk)] = '\0';
    assert_int_equal(exit_code(f), 0);
    assert_non_null(strstr(text, "ORION_TEST_MODE=calm  (--mode)\n"));
    assert_non_null(strstr(text, ".env:1)\n"));
    assert_non_null(strstr(text, "ORION_LOG=info  (default)\n"));
    fclose(f->talk);
    fclose(f->ready);
    fclose(f->errors);
    SPAWN(f, "plain", "--workers=nonsense", "--help");
    text[fread(text, 1, sizeof(text) - 1, f->talk)] = '\0';
    assert_int_equal(exit_code(f), 0);
    assert_memory_equal(text, "Usage: orion-test [OPTION]...\na service for a test.\n", 52);
    assert_non_null(strstr(text, "--log-format TEXT"));
    fclose(f->talk);
    fclose(f->ready);
    fclose(f->errors);
    SPAWN(f, "plain", "--version");
    text[fread(text, 1, sizeof(text) - 1, f->talk)] = '\0';
    assert_int_equal(exit_code(f), 0);
    assert_string_equal(text, "orion-test " PACKAGE_VERSION "\n");
}

/* --- prefork ---------------------------------------------------------------------------------------- */

/* Starts a master with two workers; in_r is what each said, by slot. */
static void prefork(struct fixture *f, struct said in_r[2], const char *mode)
{
    SPAWN(f, "prefork", mode, f->file ? "--config" : "--log=info", f->file ? f->file : "--log-format=text");
    for (int i = 0; i < 2; i++) {
        struct said s = expect(f, "start");

        assert_true(s.slot < 2 && s.pid != f->pid);
        in_r[s.slot] = s;
    }
    expect_ready(f);
    assert_int_not_equal(in_r[0].pid, in_r[1].pid);
    assert_int_equal(in_r[0].fds, in_r[1].fds); /* the second inherited nothing of the first */
}

/* Both workers drain and stop, in whatever order. */
static void expect_the_end(struct fixture *f)
{
    int drains = 0, stops = 0;

    while (fgets(f->line, sizeof(f->line), f->talk)) {
        drains += strncmp(f->line, "drain", 5) == 0;
        stops += strncmp(f->line, "stop", 4) == 0;
    }
    assert_int_equal(drains, 2);
    assert_int_equal(stops, 2);
}

static void workers_drain_with_their_master(void **state)
{
    struct fixture *f = *state;
    struct said workers[2];

    prefork(f, workers, "--mode=well");
    kill(f->pid, SIGINT);
    expect_the_end(f);
    assert_int_equal(exit_code(f), 0);
    assert_int_equal(errors_with(f, "ready version="), 3); /* the master and each worker */
}

static void a_killed_worker_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct said workers[2], again;

    prefork(f, workers, "--mode=well");
    for (int i = 0; i < 3; i++) {
        kill(workers[1].pid, SIGKILL);
        again = expect(f, "start");
        assert_int_equal(again.slot, 1);
        assert_int_equal(again.fds, workers[0].fds);
        assert_int_not_equal(again.pid, workers[1].pid);
        workers[1] = again;
    }
    kill(f->pid, SIGTERM);
    expect_the_end(f);
    assert_int_equal(exit_code(f), 0);
    assert_int_equal(errors_with(f, "was ended by signal 9"), 3);
}

/* A stopped worker keeps its socket and answers nobody; only its missing reports tell. Takes ten seconds. */
static void a_silent_worker_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct said workers[2], again;

    prefork(f, workers, "--mode=well");
    kill(workers[0].pid, SIGSTOP);
    again = expect(f, "start");
    assert_int_equal(again.slot, 0);
    kill(f->pid, SIGTERM);
    expect_the_end(f);
    assert_int_equal(exit_code(f), 0);
    assert_int_equal(errors_with(f, "was silent"), 1);
}

static void a_failed_start_ends_the_master(void **state)
{
    static const char *const wrong[][2] = {
        { "--mode=unlucky", "orion-test: no luck today" },
        { "--mode=closed", "orion-test: the port is taken" },
        { "--mode=crash", "was ended by signal 9" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        SPAWN(f, "prefork", wrong[i][0]);
        assert_int_equal(exit_code(f), 1);
        assert_null(fgets(f->line, sizeof(f->line), f->ready));
        assert_int_equal(errors_with(f, wrong[i][1]), 1);
        fclose(f->talk);
        fclose(f->ready);
        fclose(f->errors);
        f->talk = NULL;
    }
}

static void stubborn_workers_are_cut_short(void **state)
{
    struct fixture *f = *state;
    struct said workers[2];

    prefork(f, workers, "--mode=stubborn");
    kill(f->pid, SIGTERM);
    expect(f, "drain");
    expect(f, "drain");
    kill(f->pid, SIGTERM); /* at once: workers are killed */
    expect_silence(f);
    assert_int_equal(exit_code(f), 0);
}

static void a_reload_replaces_every_worker(void **state)
{
    struct fixture *f = *state;
    struct said workers[2];
    int starts = 0, old = 0;

    file_write(f, "ORION_TEST_LABEL=first\n");
    prefork(f, workers, "--mode=well");
    assert_string_equal(workers[0].label, "first");
    file_write(f, "ORION_TEST_LABEL=second\n");
    kill(f->pid, SIGHUP);
    while (starts < 2 || old < 4) { /* each old one drains and stops, after a new one has started */
        struct said s = { 0 };
        char word[16];

        assert_non_null(fgets(f->line, sizeof(f->line), f->talk));
        assert_int_equal(sscanf(f->line, "%15s %u %d %31s %d", word, &s.slot, &s.pid, s.label, &s.fds), 5);
        if (strcmp(word, "start") == 0) {
            assert_string_equal(s.label, "second");
            assert_int_equal(s.fds, workers[0].fds);
            starts++;
        } else {
            assert_string_equal(s.label, "first");
            assert_int_equal(s.pid, workers[s.slot].pid);
            old++;
        }
    }
    kill(f->pid, SIGTERM);
    expect_the_end(f);
    assert_int_equal(exit_code(f), 0);
}

static void a_reload_of_nonsense_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct said workers[2];

    file_write(f, "ORION_TEST_LABEL=first\n");
    prefork(f, workers, "--mode=well");
    file_write(f, "ORION_TEST_WORKERS=many\n");
    kill(f->pid, SIGHUP);
    do
        assert_non_null(fgets(f->line, sizeof(f->line), f->errors));
    while (!strstr(f->line, "the new settings are refused"));
    assert_non_null(strstr(f->line, "\\\"many\\\" is not a whole number"));
    kill(f->pid, SIGTERM);
    expect_the_end(f); /* of the two that there were */
    assert_int_equal(exit_code(f), 0);
}

static void workers_die_with_their_master(void **state)
{
    struct fixture *f = *state;
    struct said workers[2];

    prefork(f, workers, "--mode=well");
    kill(f->pid, SIGKILL);
    assert_int_equal(exit_code(f), -SIGKILL);
    expect_silence(f); /* the end of the pipe: nobody is left to hold it */
}

int main(int argc, char **argv)
{
    const char *kind = getenv("ORION_TEST_SERVICE");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_gets_ready_drains_and_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_signal_cuts_the_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(a_drain_has_a_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_end_with_1_and_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(giving_up_later_is_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_usage_ends_with_2, setup, teardown),
        cmocka_unit_test_setup_teardown(help_version_and_settings_are_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_drain_with_their_master, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_worker_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_silent_worker_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_start_ends_the_master, setup, teardown),
        cmocka_unit_test_setup_teardown(stubborn_workers_are_cut_short, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reload_replaces_every_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reload_of_nonsense_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_die_with_their_master, setup, teardown),
    };

    if (kind)
        return service_run(kind, argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
