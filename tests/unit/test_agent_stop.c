/* test_agent_stop.c - the real orion-agent and orion-runner: attempts that are ended before their time by the farm's
 * word, by their limits or with the agent; who may say so; and what is left of them, which is nothing.
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
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "tests/unit/farm_build.h"
#include "lib/mem.h"

static void assert_outcome(const struct farm_task *t, const char *outcome, const char *message)
{
    assert_string_equal(t->outcome, outcome);
    assert_string_equal(t->cause, "policy");
    assert_string_equal(t->message, message);
    assert_false(t->has_exit_code);
}

static void assert_log_ends(const struct farm_task *t, const char *last)
{
    build_assert_log(t);
    assert_true(t->log.len >= strlen(last));
    assert_string_equal(t->log.data + t->log.len - strlen(last), last);
}

/* Where a build of "stuck" asks for its commits and hears nothing. */
static void stuck_wait(struct farm *f)
{
    assert_int_equal(f->stuck, 0);
    f->stuck = accept4(f->silent, NULL, NULL, SOCK_CLOEXEC);
    assert_true(f->stuck > 0);
}

/* --- the farm's word ------------------------------------------------------------------------------- */

static void test_cancel_running(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    pid = build_pid(f, t, "pid");
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_stop(f, t, "cancelled", "nobody wants it"); /* twice is once */
    farm_stop(f, t, "timed_out", "the first word counts");
    farm_wait(f, build_is_told);
    assert_false(build_is_alive(pid));
    farm_wait(f, build_is_over);
    assert_outcome(t, "cancelled", "nobody wants it");
    assert_log_ends(t, "\norion: nobody wants it: stopped\n");
    build_assert_nothing_held(f);
    assert_int_equal(t->results, 1);
}

static void test_time_out_by_the_farm(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    farm_stop(f, t, "timed_out", "");
    farm_wait(f, build_is_over);
    assert_outcome(t, "timed_out", "timed_out");
    build_assert_nothing_held(f);
}

static bool is_second_over(struct farm *f)
{
    return f->tasks[1].results && f->tasks[1].seq == (uint64_t)f->tasks[1].log_chunks;
}

static void test_cancel_preparing(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "stuck", (struct msg_task_assign){ 0 });
    stuck_wait(f);
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_wait(f, build_is_over);
    assert_outcome(t, "cancelled", "nobody wants it");
    assert_int_equal(t->prepareds, 0);
    build_assert_log(t);
    assert_string_equal(t->log.data, "orion: nobody wants it: stopped\n");
    build_assert_nothing_held(f);
    assert_int_equal(t->results, 1);
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_second_over);
    assert_string_equal(f->tasks[1].outcome, "succeeded");
}

static bool is_git_there(struct farm *f)
{
    return access(arena_printf(&f->arena, "%s/git.pid2", f->dir), F_OK) == 0;
}

/* A git that does not listen, with a child: the result waits until both are gone. */
static void test_cancel_stubborn_preparation(void **state)
{
    char *path = mem_printf("%s", getenv("PATH"));
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid, child;

    build_repository(f);
    farm_shell(f, "printf '#!/bin/sh\\ntrap \"\" TERM\\necho $$ >%s/git.pid\\nsleep 600 &\\necho $! >%s/git.new\\n"
                  "mv %s/git.new %s/git.pid2\\nwait\\n' $PWD $PWD $PWD $PWD >bin/git; chmod +x bin/git");
    setenv("PATH", arena_printf(&f->arena, "%s/bin:%s", f->dir, path), 1);
    farm_agent_start(f);
    setenv("PATH", path, 1);
    mem_free(&path);
    farm_wait(f, build_is_welcome);
    t = farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    while (!is_git_there(f))
        farm_shell(f, "sleep 0.02");
    pid = (pid_t)atoi(farm_shell(f, "cat git.pid"));
    child = (pid_t)atoi(farm_shell(f, "cat git.pid2"));
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_wait(f, build_is_told);
    assert_false(build_is_alive(pid));
    while (build_is_alive(child)) /* killed, but not ours to reap */
        usleep(1000);
    farm_wait(f, build_is_over);
    assert_outcome(t, "cancelled", "nobody wants it");
    assert_string_equal(t->log.data, "orion: nobody wants it: stopped\n");
}

static bool is_told_often(struct farm *f)
{
    return f->tasks[0].results >= 3;
}

/* Its own result stands: it is told on, as it was. */
static void test_cancel_finished(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    f->acks_facts = false;
    t = farm_assign(f, "lib", (struct msg_task_assign){ .timeout_ms = 86400000 });
    farm_wait(f, build_is_told);
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_wait(f, is_told_often);
    assert_string_equal(t->outcome, "succeeded");
    assert_string_equal(t->cause, "build");
    f->acks_facts = true;
    build_assert_nothing_held(f);
    farm_stop(f, t, "cancelled", "nobody wants it"); /* of something forgotten: no word */
    build_assert_nothing_held(f);
    assert_string_equal(t->outcome, "succeeded");
}

/* An attempt that was never here, and an outcome that does not exist. */
static void test_cancel_nothing(void **state)
{
    struct farm_task unknown = { 0 }, *t;
    struct farm *f = *state;

    uuid_random(&unknown.id);
    build_start(f);
    farm_stop(f, &unknown, "cancelled", "nobody wants it");
    farm_stop(f, &unknown, NULL, "nobody wants it");
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    farm_stop(f, t, "succeeded", "that would be nice");
    build_go(f, t);
    farm_wait(f, build_is_over);
    assert_string_equal(t->outcome, "succeeded");
    build_assert_nothing_held(f);
}

/* While it is being ended with a result, the farm loses interest. */
static void test_forget_after_cancel(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    pid = build_pid(f, t, "pid");
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_stop(f, t, NULL, "nobody wants to know");
    farm_stop(f, t, "cancelled", "nobody wants it");
    build_assert_nothing_held(f);
    while (build_is_alive(pid))
        farm_shell(f, "sleep 0.05");
    build_assert_nothing_held(f);
    assert_int_equal(t->results, 0);
}

static void test_forget_preparing(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "stuck", (struct msg_task_assign){ 0 });
    stuck_wait(f);
    farm_stop(f, t, NULL, "nobody wants it");
    build_assert_nothing_held(f);
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_second_over);
    assert_string_equal(f->tasks[1].outcome, "succeeded");
    assert_int_equal(t->results, 0);
}

/* Daemons that fork away, do not listen to TERM, hide from their environment and hold stdout open: when the result is
 * told, they are gone. */
static void test_nothing_is_left(void **state)
{
    static const char *const files[] = { "pid", "pid1", "pid2" };
    pid_t pids[ARRAY_LEN(files)];
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        pids[i] = build_pid(f, t, files[i]);
        assert_true(build_is_alive(pids[i]));
    }
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_wait(f, build_is_told);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_false(build_is_alive(pids[i]));
    farm_wait(f, build_is_over);
    assert_outcome(t, "cancelled", "nobody wants it");
    assert_log_ends(t, "orion: nobody wants it: stopped\n");
}

static bool is_asked_again(struct farm *f)
{
    return f->hellos == 2;
}

/* The runner dies instead of answering: what was decided is told all the same. */
static void test_runner_death_after_cancel(void **state)
{
    const struct msg_agent_rehello again = { .epoch = 7 };
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "pgrep -P %d orion-runner", (int)f->agent)));
    kill(pid, SIGSTOP);
    farm_stop(f, t, "cancelled", "nobody wants it");
    farm_send(f, MSG_AGENT_REHELLO, &again);
    farm_wait(f, is_asked_again); /* so the stop was heard before */
    kill(pid, SIGKILL);
    farm_wait(f, build_is_over);
    assert_outcome(t, "cancelled", "nobody wants it");
    build_assert_log(t);
    pid = build_pid(f, t, "pid");
    while (build_is_alive(pid)) /* killed, but not ours to reap */
        usleep(1000);
}

/* --- limits ---------------------------------------------------------------------------------------- */

static void test_limit_of_a_build(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow", .timeout_ms = 2000 });
    farm_wait(f, build_is_over);
    assert_outcome(t, "timed_out", "ran longer than 2 s");
    assert_log_ends(t, "orion: ran longer than 2 s: stopped\n");
    build_assert_nothing_held(f);
    assert_int_equal(t->results, 1);
}

/* The limit holds from the acceptance on: the preparation is in it. */
static void test_limit_of_a_preparation(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "stuck", (struct msg_task_assign){ .timeout_ms = 500 });
    farm_wait(f, build_is_over);
    assert_outcome(t, "timed_out", "ran longer than 500 ms");
    assert_string_equal(t->log.data, "orion: ran longer than 500 ms: stopped\n");
    assert_int_equal(t->prepareds, 0);
}

static void test_limit_of_silence(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "silent", .silence_timeout_ms = 1000 });
    farm_wait(f, build_is_over);
    assert_outcome(t, "timed_out", "no output for 1 s");
    assert_true(build_is_started(f));
    assert_log_ends(t, "\norion: no output for 1 s: stopped\n");
    build_assert_nothing_held(f);
}

/* --- who may say so -------------------------------------------------------------------------------- */

/* A leader of the past assigns, stops, acknowledges and welcomes: nothing of it counts. */
static void test_old_leader(void **state)
{
    struct msg_agent_welcome w = { .session = 999, .lease_ms = 1000, .heartbeat_ms = 1000 };
    struct msg_agent_rehello again = { 0 };
    struct farm_task *t, *never;
    struct farm *f = *state;

    build_start(f);
    f->epoch--;
    w.epoch = again.epoch = f->epoch;
    w.agent_id = f->agent_id;
    never = farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_send(f, MSG_AGENT_WELCOME, &w);
    farm_send(f, MSG_AGENT_REHELLO, &again);
    f->epoch++;
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" }); /* of the session that still counts */
    f->epoch--;
    farm_stop(f, t, "cancelled", "an old leader's word");
    f->tasks[0] = f->tasks[1]; /* the one that the agent knows of */
    f->tasks[1] = (struct farm_task){ .id = never->id };
    t = &f->tasks[0];
    farm_wait(f, build_is_started);
    build_go(f, t);
    farm_wait(f, is_told_often);
    assert_true(t->accepts > 1 && t->prepareds > 1);
    assert_string_equal(t->outcome, "succeeded");
    assert_int_equal(f->hellos, 1);
    f->epoch++;
    build_assert_nothing_held(f);
    assert_int_equal(f->tasks[1].accepts, 0);
}

/* Said after the agent's new inventory and before its welcome: the inventory, which has it not, decides about it. */
static void test_assignment_between_hello_and_welcome(void **state)
{
    const struct msg_agent_rehello again = { .epoch = 7 };
    struct farm_task *t;
    struct farm *f = *state;

    build_start(f);
    f->is_leaderless = true;
    farm_send(f, MSG_AGENT_REHELLO, &again);
    f->session--; /* the number that the hello took; no welcome said it */
    farm_wait(f, is_asked_again);
    t = farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    assert_int_equal(f->session, 1);
    f->is_leaderless = false;
    build_assert_nothing_held(f);
    assert_int_equal(t->accepts + t->declines, 0);
    farm_assign_again(f, t, f->session);
    farm_wait(f, build_is_told);
    assert_int_equal(t->accepts, 1);
}

static bool is_accepted(struct farm *f)
{
    return f->tasks[0].accepts;
}

/* The table of repositories is a pipe that nobody writes to yet: the assignment is answered before it is read. */
static void test_accept_before_any_work(void **state)
{
    struct farm *f = *state;

    build_start(f);
    farm_shell(f, "mv agent.yaml table; mkfifo agent.yaml");
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_accepted);
    farm_shell(f, "cat table >agent.yaml; mv table agent.yaml");
    farm_wait(f, build_is_over);
    assert_string_equal(f->tasks[0].outcome, "succeeded");
}

/* --- slots ----------------------------------------------------------------------------------------- */

static bool is_second_prepared(struct farm *f)
{
    return f->tasks[1].prepareds;
}

/* The farm has forgotten an attempt whose processes need a while to end: it may use the slot, but not before that. */
static void test_slot_of_a_forgotten_attempt(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    f->slots = "1";
    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    pid = build_pid(f, t, "pid1");
    farm_stop(f, t, NULL, "nobody wants it");
    t = farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_second_prepared);
    assert_false(build_is_alive(pid));
    farm_wait(f, is_second_over);
    assert_string_equal(t->outcome, "succeeded");
    assert_int_equal(t->declines, 0);
}

static bool is_second_told(struct farm *f)
{
    return f->tasks[1].results;
}

/* One that waits for its slot is cancelled: it needs none for that. */
static void test_cancel_waiting(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    f->slots = "1";
    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    farm_stop(f, t, NULL, "nobody wants it");
    t = farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_stop(f, t, "cancelled", "nor that");
    farm_wait(f, is_second_told);
    assert_outcome(t, "cancelled", "nor that");
    assert_int_equal(t->prepareds, 0);
}

/* Only what nothing runs in any more makes room for newer workspaces. */
static void test_workspace_of_a_forgotten_attempt(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;
    bool is_there;
    pid_t pid;

    setenv("ORION_KEEP_WORKSPACES", "0", 1);
    build_start(f);
    unsetenv("ORION_KEEP_WORKSPACES");
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    pid = build_pid(f, t, "pid1");
    farm_stop(f, t, NULL, "nobody wants it");
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_second_told);
    is_there = access(t->workspace, F_OK) == 0;
    assert_true(is_there || !build_is_alive(pid));
}

/* --- the agent stops ------------------------------------------------------------------------------- */

static bool is_resting(struct farm *f)
{
    return f->hellos >= 2 && f->hello_slots == 0;
}

/* Asked to stop before the farm has answered its hello: that one offered slots, so there is another. */
static void test_drain_before_welcome(void **state)
{
    struct farm *f = *state;

    build_start(f);
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "stubborn" });
    farm_wait(f, build_is_started);
    f->is_leaderless = true;
    farm_drop_connection(f);
    farm_wait(f, is_asked_again);
    assert_int_equal(f->hello_slots, 2);
    kill(f->agent, SIGTERM);
    farm_wait(f, is_resting);
    farm_agent_wait(f);
}

/* Its goodbye once waited for an event, which does not come where nothing runs and nobody answers. */
static void test_drain_idle(void **state)
{
    struct farm *f = *state;

    f->heartbeat_ms = 60000;
    build_start(f);
    f->is_leaderless = true;
    kill(f->agent, SIGTERM);
    farm_agent_wait(f);
    assert_int_equal(f->close_code, 1001);
}

/* Given back while it is prepared; and what was cancelled before stays cancelled. */
static void test_drain_preparing(void **state)
{
    struct farm_task *given, *cancelled;
    struct farm *f = *state;

    build_start(f);
    given = farm_assign(f, "stuck", (struct msg_task_assign){ 0 });
    stuck_wait(f);
    cancelled = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_second_prepared);
    farm_stop(f, cancelled, "cancelled", "nobody wants it");
    kill(f->agent, SIGTERM);
    farm_agent_wait(f);
    assert_string_equal(given->outcome, "lost");
    assert_string_equal(given->cause, "agent");
    assert_string_equal(given->message, "the agent is stopping");
    assert_int_equal(given->log_bytes, 0);
    assert_outcome(cancelled, "cancelled", "nobody wants it");
}

/* --- hellos ---------------------------------------------------------------------------------------- */

/* least: above which the counts begin; 0: above the last one */
static void agent_restart(struct farm *f, const char *script, int64_t least)
{
    kill(f->agent, SIGTERM);
    farm_agent_wait(f);
    farm_shell(f, script);
    f->hellos = 0;
    f->hello_count = least ? least : f->hello_count;
    farm_agent_start(f);
    farm_wait(f, build_is_welcome);
}

/* The farm asserts at every hello that the count grew. Here the clock seems to have gone back, and then the file is
 * gone or nonsense. */
static void test_hellos_are_counted(void **state)
{
    const int64_t ahead = INT64_C(4000000000000);
    struct farm *f = *state;

    build_start(f);
    assert_true(f->hello_count >= clock_wall_ms() - 60000);
    farm_drop_connection(f);
    farm_wait(f, is_asked_again);
    agent_restart(f, "echo 4000000000000 >agent/hellos", ahead);
    agent_restart(f, "true", 0);
    agent_restart(f, "rm agent/hellos", clock_wall_ms());
    assert_true(f->hello_count < ahead);
    agent_restart(f, "echo nonsense >agent/hellos", clock_wall_ms());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, build_setup, build_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cancel_running),
        TEST(test_time_out_by_the_farm),
        TEST(test_cancel_preparing),
        TEST(test_cancel_stubborn_preparation),
        TEST(test_cancel_finished),
        TEST(test_cancel_nothing),
        TEST(test_forget_after_cancel),
        TEST(test_forget_preparing),
        TEST(test_nothing_is_left),
        TEST(test_runner_death_after_cancel),
        TEST(test_limit_of_a_build),
        TEST(test_limit_of_a_preparation),
        TEST(test_limit_of_silence),
        TEST(test_old_leader),
        TEST(test_assignment_between_hello_and_welcome),
        TEST(test_accept_before_any_work),
        TEST(test_slot_of_a_forgotten_attempt),
        TEST(test_cancel_waiting),
        TEST(test_workspace_of_a_forgotten_attempt),
        TEST(test_drain_before_welcome),
        TEST(test_drain_idle),
        TEST(test_drain_preparing),
        TEST(test_hellos_are_counted),
    };

    cmocka_set_test_filter(getenv("ORION_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
