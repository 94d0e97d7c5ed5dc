/* test_agent.c - the real orion-agent and orion-runner against a farm made of one loop (fake_farm.h): assignments,
 * facts told until acknowledged, logs through a sink that loses chunks, reconnects, stops, deaths.
 * Needs ORION_AGENT and ORION_RUNNER, or ORION_BUILD to find them in. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/farm_build.h"
#include "lib/mem.h"

/* What the build of task 0 wrote, at the end of its log. */
static void assert_copy(struct farm *f)
{
    const struct farm_task *t = &f->tasks[0];
    char *path = arena_printf(&f->arena, "%s/copy", t->workspace);
    FILE *file = fopen(path, "re");
    struct buf b = { 0 };
    size_t n;

    assert_non_null(file);
    while ((n = fread(buf_reserve(&b, 65536), 1, 65536, file)))
        buf_commit(&b, n);
    fclose(file);
    assert_true(b.len > 100000 && t->log.len > b.len);
    assert_memory_equal(t->log.data + t->log.len - b.len, b.data, b.len);
    buf_fini(&b);
}

/* --- tests ----------------------------------------------------------------------------------------- */

static void test_build(void **state)
{
    static const struct msg_pair env[] = { { "MY", "own" }, { "ORION_TARGET", "not mine" } };
    struct farm_task *t;
    struct farm *f = *state;
    char *commit, *first;

    build_start(f);
    commit = farm_shell(f, "git -C repo rev-parse HEAD");
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "env", .env = { env, 2 }, .mr = "7" });
    farm_wait(f, build_is_over);
    assert_int_equal(t->accepts, 1);
    assert_int_equal(t->prepareds, 1);
    assert_int_equal(t->results, 1);
    assert_string_equal(t->commit, commit);
    assert_string_equal(t->driver, "make");
    assert_string_equal(t->outcome, "succeeded");
    assert_string_equal(t->cause, "build");
    assert_true(t->has_exit_code);
    assert_int_equal(t->exit_code, 0);
    build_assert_log(t);
    first = arena_printf(&f->arena, "orion: driver make, commit %s, agent tester\norion: make -j", commit);
    assert_memory_equal(t->log.data, first, strlen(first));
    assert_non_null(strstr(t->log.data, arena_printf(&f->arena, " env\nenv own 1 true %s/agent/home\n", f->dir)));
    assert_int_equal(access(t->workspace, F_OK), 0);
    build_assert_nothing_held(f);
    /* without a name git once asked DNS for the host's, 5 s for each workspace where nobody answered */
    assert_string_equal(farm_shell(f, "git config -f agent/gitconfig user.email"), "orion@localhost");
}

static void test_failures(void **state)
{
    static const struct {
        const char *repo, *target, *driver, *ref, *mr, *outcome, *cause, *message;
        int64_t exit_code;
    } rows[] = {
        { "lib", "fail", NULL, NULL, NULL, "failed", "build", NULL, 2 },
        { "foo", NULL, NULL, NULL, NULL, "failed", "setup", "repository \"foo\" is not in the agent's table (", -1 },
        { "lib", NULL, "buck2", NULL, NULL, "failed", "setup",
          "buck2: not found on tester (not in Debian; see https://buck2.build)", -1 },
        { "lib", NULL, "scons", NULL, NULL, "failed", "setup", "there is no build driver \"scons\"", -1 },
        { "lib", NULL, NULL, "nope", NULL, "failed", "setup", "nope: not found in lib", -1 },
        { "lib", NULL, NULL, "--upload-pack=x", NULL, "failed", "setup", "--upload-pack=x: not a branch", -1 },
        { "lib", NULL, NULL, NULL, "8", "failed", "setup", "refs/merge-requests/8/head: not found in lib", -1 },
        { "lib", NULL, "configure", NULL, NULL, "failed", "setup", "./configure: not found", -1 },
    };
    struct farm *f = *state;

    build_start(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct farm_task *t = farm_assign(f, rows[i].repo,
                                          (struct msg_task_assign){ .target = rows[i].target, .driver = rows[i].driver,
                                                                    .ref = rows[i].ref, .mr = rows[i].mr });

        farm_wait(f, build_is_over);
        assert_string_equal(t->outcome, rows[i].outcome);
        assert_string_equal(t->cause, rows[i].cause);
        assert_int_equal(t->has_exit_code ? t->exit_code : -1, rows[i].exit_code);
        build_assert_log(t);
        if (rows[i].message) {
            assert_memory_equal(t->message, rows[i].message, strlen(rows[i].message));
            assert_non_null(strstr(t->log.data, rows[i].message));
        }
    }
    build_assert_nothing_held(f);
}

/* One of seven chunks is lost on the way to the sink, all the time. */
static void test_lossy_way_to_the_sink(void **state)
{
    struct farm *f = *state;

    build_start(f);
    f->drop_every = 7;
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "loud" });
    farm_wait(f, build_is_over);
    build_assert_log(&f->tasks[0]);
    assert_copy(f);
}

static bool is_back(struct farm *f)
{
    return f->hellos == 2;
}

/* The connection breaks in the middle of a build: the build goes on, the log has no hole. */
static void test_reconnect(void **state)
{
    struct farm *f = *state;

    build_start(f);
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    f->is_sink_silent = true;
    farm_drop_connection(f);
    farm_shell(f, arena_printf(&f->arena, "touch %s/go", f->tasks[0].workspace));
    farm_wait(f, is_back);
    assert_int_equal(f->n_held, 1);
    f->is_sink_silent = false;
    farm_wait(f, build_is_over);
    assert_string_equal(f->tasks[0].outcome, "succeeded");
    build_assert_log(&f->tasks[0]);
    assert_copy(f);
}

static bool is_told_thrice(struct farm *f)
{
    return f->tasks[0].results == 3;
}

static void test_facts_until_acknowledged(void **state)
{
    struct farm *f = *state;

    build_start(f);
    f->acks_facts = false;
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_told_thrice);
    assert_true(f->tasks[0].accepts >= 2);
    assert_true(f->tasks[0].prepareds >= 2);
    f->acks_facts = true;
    build_assert_nothing_held(f);
}

static bool is_declined(struct farm *f)
{
    return f->tasks[f->n_tasks - 1].declines;
}

static bool is_accepted_again(struct farm *f)
{
    return f->tasks[0].accepts >= 2;
}

static void test_slots_sessions_duplicates(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;

    f->slots = "1";
    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_declined);
    assert_string_equal(f->tasks[1].reason, "no slot is free");
    farm_assign_again(f, t, f->session - 1); /* of a session that is over: no word */
    farm_assign_again(f, t, f->session);
    farm_wait(f, is_accepted_again);
    assert_int_equal(t->accepts, 2);
    farm_shell(f, arena_printf(&f->arena, "touch %s/go", t->workspace));
    f->n_tasks = 1;
    farm_wait(f, build_is_over);
    assert_string_equal(t->outcome, "succeeded");
}

static void test_stop(void **state)
{
    const struct msg_task_stop nothing = { .epoch = 6, .reason = "an old leader's word" };
    struct msg_task_stop m = nothing;
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "cat %s/pid", t->workspace)));
    m.task_id = t->id;
    m.attempt = 1;
    farm_send(f, MSG_TASK_STOP, &m);
    farm_assign_again(f, t, f->session); /* it is still here: the stop did not count */
    farm_wait(f, is_accepted_again);
    m.epoch = f->epoch;
    farm_send(f, MSG_TASK_STOP, &m);
    build_assert_nothing_held(f);
    while (kill(pid, 0) == 0)
        usleep(10000);
    assert_int_equal(t->results, 0);
}

/* Asked to stop: the build ends, the attempt is given back, the log is whole. */
static void test_drain(void **state)
{
    struct farm *f = *state;

    build_start(f);
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    kill(f->agent, SIGTERM);
    farm_agent_wait(f);
    assert_true(WIFEXITED(f->wstatus));
    assert_int_equal(WEXITSTATUS(f->wstatus), 0);
    assert_int_equal(f->close_code, 1001);
    assert_string_equal(f->tasks[0].outcome, "lost");
    assert_string_equal(f->tasks[0].cause, "agent");
    assert_string_equal(f->tasks[0].message, "the agent is stopping");
    build_assert_log(&f->tasks[0]);
}

/* A runner that is killed takes its build with it; the log up to there stays. */
static void test_runner_death(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    build_start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, build_is_started);
    pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "cat %s/pid", t->workspace)));
    kill((pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "pgrep -P %d orion-runner", (int)f->agent))), SIGKILL);
    farm_wait(f, build_is_over);
    assert_string_equal(t->outcome, "failed");
    assert_string_equal(t->cause, "infrastructure");
    assert_string_equal(t->message, "the runner was killed by signal 9");
    build_assert_log(t);
    while (kill(pid, 0) == 0)
        usleep(10000);
    build_assert_nothing_held(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_build, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_failures, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_lossy_way_to_the_sink, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_reconnect, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_facts_until_acknowledged, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_slots_sessions_duplicates, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_stop, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_drain, build_setup, build_teardown),
        cmocka_unit_test_setup_teardown(test_runner_death, build_setup, build_teardown),
    };

    cmocka_set_test_filter(getenv("ORION_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
