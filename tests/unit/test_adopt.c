/* test_adopt.c - the real orion-agent is killed with SIGKILL, or told to leave, in every phase of an attempt; the next
 * process goes on with it: the same attempt, the same runner, a log without a gap, and no process at the end.
 * Needs ORION_AGENT and ORION_RUNNER, or ORION_BUILD to find them in. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/farm_build.h"
#include "lib/mem.h"

/* --- what the tests have in common ----------------------------------------------------------------- */

static void agent_kill(struct farm *f)
{
    kill(f->agent, SIGKILL);
    farm_agent_wait(f);
}

static void agent_again(struct farm *f)
{
    f->hellos = 0;
    farm_agent_start(f);
    farm_wait(f, build_is_welcome);
}

/* The pid of the runner of task 0. */
static pid_t runner_pid(struct farm *f)
{
    const char *script = "for p in /proc/[0-9]*; do case $(readlink $p/fd/4) in $PWD/agent/spool/*/lock)"
                         " echo ${p#/proc/} ;; esac; done 2>/dev/null";
    const pid_t pid = (pid_t)atoi(farm_shell(f, script));

    assert_true(pid > 1);
    return pid;
}

static void gone_wait(pid_t pid)
{
    while (build_is_alive(pid))
        usleep(5000);
}

/* Everything about task 0 is as it should be when nothing had happened. */
static void assert_undisturbed(struct farm *f, const char *outcome)
{
    const struct farm_task *t = &f->tasks[0];

    assert_string_equal(t->outcome, outcome);
    build_assert_log(t);
    build_assert_nothing_held(f);
    assert_int_equal(t->declines, 0);
    /* what was forgotten is buried a moment later */
    farm_shell(f, "while [ -n \"$(ls agent/spool)\" ]; do sleep 0.02; done");
}

static struct farm_task *slow_start(struct farm *f)
{
    struct farm_task *t;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    return t;
}

static bool is_accepted(struct farm *f)
{
    return f->tasks[0].accepts;
}

/* --- killed in each phase -------------------------------------------------------------------------- */

/* Accepted, and nothing was done about it yet: the table of repositories is a pipe that nobody writes to. */
static void test_accepted(void **state)
{
    struct farm *f = *state;

    build_start(f);
    farm_shell(f, "mv agent.yaml table; mkfifo agent.yaml");
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_accepted);
    agent_kill(f);
    farm_shell(f, "mv table agent.yaml");
    agent_again(f);
    assert_int_equal(f->n_held, 1);
    assert_string_equal(f->held[0], "accepted");
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "succeeded");
    assert_int_equal(f->tasks[0].prepareds, 1);
}

/* In the middle of git: what the dead agent ran for itself goes, and the next one begins with the workspace again. */
static void test_preparing(void **state)
{
    const char *gits = "grep -lsaF ORION_AGENT_HELPER=$PWD/agent /proc/[0-9]*/environ | wc -l";
    const char *gone = "while grep -qsaF ORION_AGENT_HELPER=$PWD/agent /proc/[0-9]*/environ; do sleep 0.02; done";
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "stuck", (struct msg_task_assign){ 0 });
    f->stuck = accept(f->silent, NULL, NULL);
    assert_true(atoi(farm_shell(f, gits)) > 0);
    agent_kill(f);
    close(f->stuck);
    agent_again(f);
    assert_string_equal(f->held[0], "accepted");
    f->stuck = accept(f->silent, NULL, NULL);
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "cancelled");
    farm_shell(f, gone);
}

static void test_running(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);
    const pid_t runner = runner_pid(f), build = build_pid(f, t, "pid");

    agent_kill(f);
    assert_true(build_is_alive(build));
    agent_again(f);
    assert_int_equal(f->n_held, 1);
    assert_string_equal(f->held[0], "running");
    assert_int_equal(runner_pid(f), runner);
    build_go(f, t);
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "succeeded");
    gone_wait(runner);
    assert_false(build_is_alive(build));
}

/* An assignment that comes once more, from a scheduler that lost the acceptance with itself, starts nothing. */
static bool is_accepted_again(struct farm *f)
{
    return f->tasks[0].accepts >= 3;
}

static void test_assigned_again(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);

    agent_kill(f);
    agent_again(f);
    t->accepts = 2;
    farm_assign_again(f, t, f->session);
    farm_wait(f, is_accepted_again);
    build_go(f, t);
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "succeeded");
}

/* The build ends while nobody is there: the runner goes, its result and its log wait. */
static void test_ended_while_away(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);
    const pid_t runner = runner_pid(f);

    agent_kill(f);
    build_go(f, t);
    gone_wait(runner);
    agent_again(f);
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "succeeded");
}

static void test_result_not_acknowledged(void **state)
{
    struct farm *f = *state;
    struct farm_task *t;

    build_start(f);
    f->acks_facts = false;
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "fail" });
    farm_wait(f, build_is_told);
    agent_kill(f);
    f->acks_facts = true;
    t->results = 0;
    agent_again(f);
    assert_string_equal(f->held[0], "finished");
    farm_wait(f, build_is_over);
    assert_int_equal(t->exit_code, 2);
    assert_undisturbed(f, "failed");
}

/* The result is known to the farm, the log is not. That the scheduler wants no more of the attempt does not matter. */
static void test_log_not_acknowledged(void **state)
{
    struct farm *f = *state;
    struct farm_task *t;

    build_start(f);
    f->is_sink_silent = true;
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "loud" });
    farm_wait(f, build_is_told);
    agent_kill(f);
    agent_again(f);
    farm_stop(f, t, NULL, "this attempt has ended");
    f->is_sink_silent = false;
    farm_wait(f, build_is_over);
    assert_true(t->log.len > 300000);
    assert_undisturbed(f, "succeeded");
}

/* Killed again and again while the sink loses chunks: every byte once. */
static void test_killed_often(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);

    f->drop_every = 5;
    for (int i = 0; i < 6; i++) {
        agent_kill(f);
        if (i == 2)
            build_go(f, t);
        agent_again(f);
    }
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "succeeded");
}

/* --- stops ----------------------------------------------------------------------------------------- */

static bool is_verdict_kept(struct farm *f)
{
    return atoi(farm_shell(f, "grep -c ^verdict agent/spool/*/record || true")) > 0;
}

/* The build does not listen to TERM: the agent dies while its runner waits for it. */
static void test_stopping(void **state)
{
    struct farm *f = *state;
    struct farm_task *t;
    pid_t build;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    build = build_pid(f, t, "pid1");
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_assign_again(f, t, f->session); /* its answer comes behind the stop */
    t->accepts = 2;
    farm_wait(f, is_accepted_again);
    assert_true(is_verdict_kept(f));
    agent_kill(f);
    agent_again(f);
    farm_wait(f, build_is_over);
    assert_string_equal(t->message, "nobody wants it");
    assert_undisturbed(f, "cancelled");
    assert_false(build_is_alive(build));
}

/* Given up by the farm while nobody was there: its runner and its build are ended, and nothing is told. */
static void test_given_up_while_away(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);
    const pid_t runner = runner_pid(f), build = build_pid(f, t, "pid");

    agent_kill(f);
    agent_again(f);
    farm_stop(f, t, NULL, "this attempt is not yours any more");
    build_assert_nothing_held(f);
    gone_wait(runner);
    assert_false(build_is_alive(build));
    assert_int_equal(t->results, 0);
}

/* Its time runs on while nobody is there. */
static void test_limit(void **state)
{
    struct farm *f = *state;
    struct farm_task *t;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow", .timeout_ms = 2000 });
    farm_wait(f, build_is_started);
    agent_kill(f);
    usleep(2000000); /* the time is what is tested */
    agent_again(f);
    farm_wait(f, build_is_over);
    assert_string_equal(t->message, "ran longer than 2 s");
    assert_undisturbed(f, "timed_out");
}

/* --- asked to leave -------------------------------------------------------------------------------- */

static void test_leave(void **state)
{
    struct farm *f = *state;
    struct farm_task *t;
    pid_t runner;

    setenv("ORION_AGENT_ON_STOP", "leave", 1);
    t = slow_start(f);
    runner = runner_pid(f);
    kill(f->agent, SIGTERM);
    farm_agent_wait(f);
    assert_true(WIFEXITED(f->wstatus));
    assert_int_equal(WEXITSTATUS(f->wstatus), 0);
    assert_int_equal(f->close_code, 1001);
    assert_int_equal(t->results, 0);
    agent_again(f);
    unsetenv("ORION_AGENT_ON_STOP");
    assert_int_equal(runner_pid(f), runner);
    build_go(f, t);
    farm_wait(f, build_is_over);
    assert_undisturbed(f, "succeeded");
}

/* --- what cannot be gone on with ------------------------------------------------------------------- */

/* The runner dies as well: the log goes as far as the spool, and nothing of the build is left. */
static void test_runner_dies_too(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);
    const pid_t runner = runner_pid(f), build = build_pid(f, t, "pid");

    agent_kill(f);
    kill(runner, SIGKILL);
    gone_wait(runner);
    agent_again(f);
    farm_wait(f, build_is_over);
    assert_string_equal(t->cause, "infrastructure");
    assert_string_equal(t->message, "the runner died while no agent ran");
    assert_non_null(strstr(t->log.data, "started\n"));
    assert_undisturbed(f, "failed");
    gone_wait(build);
}

static bool is_declined(struct farm *f)
{
    return f->tasks[0].declines;
}

/* Nobody can read what was asked for: its processes are ended, and it is not begun again under its number. */
static void test_damaged_record(void **state)
{
    struct farm *f = *state;
    struct farm_task *t = slow_start(f);
    const pid_t runner = runner_pid(f), build = build_pid(f, t, "pid");

    agent_kill(f);
    farm_shell(f, "sed -i 's/^stage started/stage starter/' agent/spool/*/record");
    agent_again(f);
    gone_wait(runner);
    assert_false(build_is_alive(build));
    build_assert_nothing_held(f);
    farm_assign_again(f, t, f->session);
    farm_wait(f, is_declined);
    assert_string_equal(t->reason, "it was begun before the agent started again, and cannot be gone on with");
    assert_int_equal(t->results, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, build_setup, build_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accepted),
        TEST(test_preparing),
        TEST(test_running),
        TEST(test_assigned_again),
        TEST(test_ended_while_away),
        TEST(test_result_not_acknowledged),
        TEST(test_log_not_acknowledged),
        TEST(test_killed_often),
        TEST(test_stopping),
        TEST(test_given_up_while_away),
        TEST(test_limit),
        TEST(test_leave),
        TEST(test_runner_dies_too),
        TEST(test_damaged_record),
    };

    cmocka_set_test_filter(getenv("ORION_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
