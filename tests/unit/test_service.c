/* test_service.c - the life of a daemon, seen from outside: this program starts itself as a small service. */
#include "tests/unit/service_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

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
        fixture_close(f);
    }
}

static void help_version_and_settings_are_printed(void **state)
{
    struct fixture *f = *state;
    char text[4096];

    fixture_file(f, "ORION_TEST_LABEL=filed\n");
    SPAWN(f, "plain", "--config", f->file, "--mode", "calm", "--print-config");
    text[fread(text, 1, sizeof(text) - 1, f->talk)] = '\0';
    assert_int_equal(exit_code(f), 0);
    assert_non_null(strstr(text, "ORION_TEST_MODE=calm  (--mode)\n"));
    assert_non_null(strstr(text, ".env:1)\n"));
    assert_non_null(strstr(text, "ORION_LOG=info  (default)\n"));
    fixture_close(f);
    SPAWN(f, "plain", "--workers=nonsense", "--help");
    text[fread(text, 1, sizeof(text) - 1, f->talk)] = '\0';
    assert_int_equal(exit_code(f), 0);
    assert_memory_equal(text, "Usage: orion-test [OPTION]...\na service for a test.\n", 52);
    assert_non_null(strstr(text, "--log-format TEXT"));
    fixture_close(f);
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
        fixture_close(f);
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

    fixture_file(f, "ORION_TEST_LABEL=first\n");
    prefork(f, workers, "--mode=well");
    assert_string_equal(workers[0].label, "first");
    fixture_file(f, "ORION_TEST_LABEL=second\n");
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

    fixture_file(f, "ORION_TEST_LABEL=first\n");
    prefork(f, workers, "--mode=well");
    fixture_file(f, "ORION_TEST_WORKERS=many\n");
    kill(f->pid, SIGHUP);
    do
        assert_non_null(fgets(f->line, sizeof(f->line), f->errors));
    while (!strstr(f->line, "the new settings are refused"));
    assert_non_null(strstr(f->line, "\\\"many\\\" is not a whole number"));
    kill(f->pid, SIGTERM);
    expect_the_end(f); /* of the two that there were */
    assert_int_equal(exit_code(f), 0);
}

/* The settings are fine by themselves, but no worker can start with them: the old ones keep their slots. */
static void a_reload_that_cannot_start_keeps_the_old(void **state)
{
    struct fixture *f = *state;
    struct said workers[2];
    int failures = 0;

    fixture_file(f, "ORION_TEST_LABEL=first\n");
    prefork(f, workers, "--workers=2");
    fixture_file(f, "ORION_TEST_MODE=unlucky\n");
    kill(f->pid, SIGHUP);
    while (failures < 2) {
        assert_non_null(fgets(f->line, sizeof(f->line), f->errors));
        failures += strstr(f->line, "a worker ended") && strstr(f->line, "no luck today");
    }
    kill(f->pid, SIGTERM);
    expect_the_end(f);
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
        cmocka_unit_test_setup_teardown(it_gets_ready_drains_and_stops, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_second_signal_cuts_the_drain, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_drain_has_a_deadline, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(failures_end_with_1_and_one_line, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(giving_up_later_is_logged, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(wrong_usage_ends_with_2, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(help_version_and_settings_are_printed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(workers_drain_with_their_master, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_killed_worker_is_replaced, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_silent_worker_is_replaced, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failed_start_ends_the_master, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(stubborn_workers_are_cut_short, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_reload_replaces_every_worker, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_reload_of_nonsense_changes_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_reload_that_cannot_start_keeps_the_old, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(workers_die_with_their_master, fixture_setup, fixture_teardown),
    };

    if (kind)
        return service_run(kind, argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
