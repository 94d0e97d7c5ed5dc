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

#include "tests/unit/fake_farm.h"
#include "lib/mem.h"

/* A repository whose Makefile has targets for everything the tests need. */
static const char make_repo[] =
    "export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$PWD/gitconfig; mkdir bin;"
    "printf '[user]\\n name = t\\n email = t@t\\n' >gitconfig; git init -q -b main repo; cd repo;"
    "printf 'all:\\n\\t@echo built\\nfail:\\n\\t@echo broken; exit 3\\n"
    "loud:\\n\\t@seq 1 60000 | tee copy\\n"
    "slow:\\n\\t@echo $$$$ >pid; echo started; while [ ! -e go ]; do sleep 0.02; done; seq 1 40000 | tee copy\\n"
    "env:\\n\\t@echo $$ORION_TARGET $$MY $$ORION_ATTEMPT $$CI $$HOME\\n' >Makefile;"
    "git add .; git commit -qm one; git update-ref refs/merge-requests/7/head HEAD; cd ..;"
    "printf 'repositories:\\n  - {name: lib, url: %s/repo, mr_ref: refs/merge-requests/{mr}/head}\\n' $PWD |"
    " sed 's,mr_ref: \\(.*\\)},mr_ref: \"\\1\"},' >agent.yaml";

static bool is_welcome(struct farm *f)
{
    return f->hellos > 0 && f->conn;
}

static void start(struct farm *f)
{
    farm_shell(f, make_repo);
    farm_agent_start(f);
    farm_wait(f, is_welcome);
}

/* The agent is ended here whatever became of the test. */
static int setup(void **state)
{
    struct farm *f = mem_zalloc(sizeof(*f));

    farm_init(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct farm *f = *state;

    farm_fini(f);
    mem_free(state);
    return 0;
}

/* Everything about every task is here: result, and the whole log. */
static bool is_over(struct farm *f)
{
    for (unsigned i = 0; i < f->n_tasks; i++) {
        const struct farm_task *t = &f->tasks[i];

        if (!t->results || t->seq < (uint64_t)t->log_chunks)
            return false;
    }
    return true;
}

enum { NOT_SAID = 99 };

static void ask_what_is_held(struct farm *f)
{
    const struct msg_agent_rehello m = { .epoch = f->epoch };

    f->n_held = NOT_SAID;
    farm_send(f, MSG_AGENT_REHELLO, &m);
}

static bool is_nothing_held(struct farm *f)
{
    if (f->n_held && f->n_held != NOT_SAID)
        ask_what_is_held(f);
    return f->n_held == 0;
}

static void assert_nothing_held(struct farm *f)
{
    ask_what_is_held(f);
    farm_wait(f, is_nothing_held);
}

/* The log agrees with what the result says of it. */
static void assert_log(const struct farm_task *t)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < t->log.len; i++)
        lines += t->log.data[i] == '\n';
    assert_int_equal(t->log.len, t->log_bytes);
    assert_int_equal(lines + (t->log.len && t->log.data[t->log.len - 1] != '\n'), t->log_lines);
    assert_int_equal(t->seq, t->log_chunks);
    assert_memory_equal(t->head.b, t->log_head.b, sizeof(t->head.b));
}

static bool is_started(struct farm *f)
{
    return f->tasks[0].log.data && strstr(f->tasks[0].log.data, "started\n");
}

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

    start(f);
    commit = farm_shell(f, "git -C repo rev-parse HEAD");
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "env", .env = { env, 2 }, .mr = "7" });
    farm_wait(f, is_over);
    assert_int_equal(t->accepts, 1);
    assert_int_equal(t->prepareds, 1);
    assert_int_equal(t->results, 1);
    assert_string_equal(t->commit, commit);
    assert_string_equal(t->driver, "make");
    assert_string_equal(t->outcome, "succeeded");
    assert_string_equal(t->cause, "build");
    assert_true(t->has_exit_code);
    assert_int_equal(t->exit_code, 0);
    assert_log(t);
    first = arena_printf(&f->arena, "orion: driver make, commit %s, agent tester\norion: make -j", commit);
    assert_memory_equal(t->log.data, first, strlen(first));
    assert_non_null(strstr(t->log.data, arena_printf(&f->arena, " env\nenv own 1 true %s/agent/home\n", f->dir)));
    assert_int_equal(access(t->workspace, F_OK), 0);
    assert_nothing_held(f);
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

    start(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct farm_task *t = farm_assign(f, rows[i].repo,
                                          (struct msg_task_assign){ .target = rows[i].target, .driver = rows[i].driver,
                                                                    .ref = rows[i].ref, .mr = rows[i].mr });

        farm_wait(f, is_over);
        assert_string_equal(t->outcome, rows[i].outcome);
        assert_string_equal(t->cause, rows[i].cause);
        assert_int_equal(t->has_exit_code ? t->exit_code : -1, rows[i].exit_code);
        assert_log(t);
        if (rows[i].message) {
            assert_memory_equal(t->message, rows[i].message, strlen(rows[i].message));
            assert_non_null(strstr(t->log.data, rows[i].message));
        }
    }
    assert_nothing_held(f);
}

/* One of seven chunks is lost on the way to the sink, all the time. */
static void test_lossy_way_to_the_sink(void **state)
{
    struct farm *f = *state;

    start(f);
    f->drop_every = 7;
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "loud" });
    farm_wait(f, is_over);
    assert_log(&f->tasks[0]);
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

    start(f);
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_started);
    f->is_sink_silent = true;
    farm_drop_connection(f);
    farm_shell(f, arena_printf(&f->arena, "touch %s/go", f->tasks[0].workspace));
    farm_wait(f, is_back);
    assert_int_equal(f->n_held, 1);
    f->is_sink_silent = false;
    farm_wait(f, is_over);
    assert_string_equal(f->tasks[0].outcome, "succeeded");
    assert_log(&f->tasks[0]);
    assert_copy(f);
}

static bool is_told_thrice(struct farm *f)
{
    return f->tasks[0].results == 3;
}

static void test_facts_until_acknowledged(void **state)
{
    struct farm *f = *state;

    start(f);
    f->acks_facts = false;
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_told_thrice);
    assert_true(f->tasks[0].accepts >= 2);
    assert_true(f->tasks[0].prepareds >= 2);
    f->acks_facts = true;
    assert_nothing_held(f);
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
    farm_shell(f, make_repo);
    farm_agent_start(f);
    farm_wait(f, is_welcome);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_started);
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    farm_wait(f, is_declined);
    assert_string_equal(f->tasks[1].reason, "no slot is free");
    farm_assign_again(f, t, f->session - 1); /* of a session that is over: no word */
    farm_assign_again(f, t, f->session);
    farm_wait(f, is_accepted_again);
    assert_int_equal(t->accepts, 2);
    farm_shell(f, arena_printf(&f->arena, "touch %s/go", t->workspace));
    f->n_tasks = 1;
    farm_wait(f, is_over);
    assert_string_equal(t->outcome, "succeeded");
}

static void test_stop(void **state)
{
    const struct msg_task_stop nothing = { .epoch = 6, .reason = "an old leader's word" };
    struct msg_task_stop m = nothing;
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_started);
    pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "cat %s/pid", t->workspace)));
    m.task_id = t->id;
    m.attempt = 1;
    farm_send(f, MSG_TASK_STOP, &m);
    farm_assign_again(f, t, f->session); /* it is still here: the stop did not count */
    farm_wait(f, is_accepted_again);
    m.epoch = f->epoch;
    farm_send(f, MSG_TASK_STOP, &m);
    assert_nothing_held(f);
    while (kill(pid, 0) == 0)
        usleep(10000);
    assert_int_equal(t->results, 0);
}

/* Asked to stop: the build ends, the attempt is given back, the log is whole. */
static void test_drain(void **state)
{
    struct farm *f = *state;

    start(f);
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_started);
    kill(f->agent, SIGTERM);
    farm_agent_wait(f);
    assert_true(WIFEXITED(f->wstatus));
    assert_int_equal(WEXITSTATUS(f->wstatus), 0);
    assert_string_equal(f->tasks[0].outcome, "lost");
    assert_string_equal(f->tasks[0].cause, "agent");
    assert_string_equal(f->tasks[0].message, "agent stopped");
    assert_log(&f->tasks[0]);
}

/* Killed: nothing of its builds survives, and the next one starts with nothing of them. */
static void test_death(void **state)
{
    struct farm *f = *state;
    pid_t pid;

    start(f);
    farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_started);
    pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "cat %s/pid", f->tasks[0].workspace)));
    kill(f->agent, SIGKILL);
    farm_agent_wait(f);
    f->hellos = 0;
    farm_agent_start(f);
    farm_wait(f, is_welcome);
    assert_int_not_equal(kill(pid, 0), 0);
    assert_int_equal(f->n_held, 0);
    assert_string_equal(farm_shell(f, "ls agent/spool agent/work | grep -c 1$ || true"), "0");
    farm_assign_again(f, &f->tasks[0], f->session); /* a scheduler that lost the acceptance with itself */
    farm_wait(f, is_declined);
    assert_string_equal(f->tasks[0].reason, "it was begun before the agent started again");
    farm_assign(f, "lib", (struct msg_task_assign){ 0 });
    buf_fini(&f->tasks[0].log);
    f->tasks[0] = f->tasks[1]; /* the first one is the scheduler's to run again */
    f->tasks[1] = (struct farm_task){ 0 };
    f->n_tasks = 1;
    farm_wait(f, is_over);
    assert_string_equal(f->tasks[0].outcome, "succeeded");
}

/* A runner that is killed takes its build with it; the log up to there stays. */
static void test_runner_death(void **state)
{
    struct farm_task *t;
    struct farm *f = *state;
    pid_t pid;

    start(f);
    t = farm_assign(f, "lib", (struct msg_task_assign){ .target = "slow" });
    farm_wait(f, is_started);
    pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "cat %s/pid", t->workspace)));
    kill((pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "pgrep -P %d orion-runner", (int)f->agent))), SIGKILL);
    farm_wait(f, is_over);
    assert_string_equal(t->outcome, "failed");
    assert_string_equal(t->cause, "infrastructure");
    assert_string_equal(t->message, "the runner was killed by signal 9");
    assert_log(t);
    while (kill(pid, 0) == 0)
        usleep(10000);
    assert_nothing_held(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_build, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lossy_way_to_the_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_facts_until_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slots_sessions_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_death, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runner_death, setup, teardown),
    };

    cmocka_set_test_filter(getenv("ORION_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
