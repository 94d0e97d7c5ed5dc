/* test_loop.c - watches, timers, hooks, signals and children, above all when callbacks free them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/loop.h"

#define ALARM_S 20 /* a test that hangs ends here */

enum { PIPES = 300 };

struct fixture {
    struct loop *loop;
    struct watch *watches[PIPES];
    int ends[PIPES][2];
    int n_pipes, calls, rounds;
    struct timer *timer, *other;
    struct hook *hook, *second;
    struct child *child;
    int wstatus;
    pid_t pid;
};

static int setup(void **state)
{
    static struct fixture f; /* one test at a time */

    f = (struct fixture){ .loop = loop_new() };
    alarm(ALARM_S);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < f->n_pipes; i++) {
        watch_free(&f->watches[i]);
        close(f->ends[i][0]);
        close(f->ends[i][1]);
    }
    timer_free(&f->timer);
    timer_free(&f->other);
    hook_free(&f->hook);
    hook_free(&f->second);
    child_free(&f->child);
    loop_free(&f->loop);
    assert_null(f->loop);
    alarm(0);
    return 0;
}

static void stop(void *arg)
{
    struct fixture *f = arg;

    loop_stop(f->loop, 7);
}

/* Runs until everything that is ready now was handed out. */
static void run_for(struct fixture *f, uint64_t ms)
{
    struct timer *t = loop_timer(f->loop, stop, f);

    timer_in(t, ms);
    assert_int_equal(loop_run(f->loop), 7);
    timer_free(&t);
}

static void pipes_open(struct fixture *f, int n, watch_fn *fn)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(pipe2(f->ends[i], O_NONBLOCK | O_CLOEXEC), 0);
        f->watches[i] = loop_watch(f->loop, f->ends[i][0], EPOLLIN, fn, f);
    }
    f->n_pipes = n;
}

static void feed(struct fixture *f)
{
    for (int i = 0; i < f->n_pipes; i++)
        assert_int_equal(write(f->ends[i][1], "x", 1), 1);
}

/* --- watches ---------------------------------------------------------------------------------------- */

static void count(void *arg, uint32_t events)
{
    struct fixture *f = arg;

    assert_true(events & EPOLLIN);
    f->calls++;
}

static void read_all(void *arg, uint32_t events)
{
    struct fixture *f = arg;
    char data[16];

    count(arg, events);
    for (int i = 0; i < f->n_pipes; i++) {
        while (read(f->ends[i][0], data, sizeof(data)) > 0) {
        }
    }
    if (f->calls == 1)
        timer_in(f->timer, 20);
}

static void a_ready_descriptor_is_told(void **state)
{
    struct fixture *f = *state;

    pipes_open(f, 1, read_all);
    f->timer = loop_timer(f->loop, stop, f);
    feed(f);
    assert_int_equal(loop_run(f->loop), 7);
    assert_int_equal(f->calls, 1);
}

/* The first callback frees every watch: none of the others may be called, though all stand in the batch. */
static void free_all(void *arg, uint32_t events)
{
    struct fixture *f = arg;

    count(arg, events);
    for (int i = 0; i < f->n_pipes; i++)
        watch_free(&f->watches[i]);
}

static void freed_watches_stay_silent(void **state)
{
    struct fixture *f = *state;

    pipes_open(f, PIPES, free_all);
    feed(f);
    run_for(f, 20);
    assert_int_equal(f->calls, 1);
}

/* A freed watch's descriptor number comes back at once for something else: the old event is not the new one's. */
static void replace_others(void *arg, uint32_t events)
{
    struct fixture *f = arg;

    count(arg, events);
    for (int i = 0; i < f->n_pipes; i++) {
        watch_free(&f->watches[i]);
        close(f->ends[i][0]);
        close(f->ends[i][1]);
        assert_int_equal(pipe2(f->ends[i], O_NONBLOCK | O_CLOEXEC), 0);
        f->watches[i] = loop_watch(f->loop, f->ends[i][0], EPOLLIN, count, f);
    }
}

static void a_reused_descriptor_is_a_new_one(void **state)
{
    struct fixture *f = *state;

    pipes_open(f, 50, replace_others);
    feed(f);
    run_for(f, 20);
    assert_int_equal(f->calls, 1);
}

static void silence_others(void *arg, uint32_t events)
{
    struct fixture *f = arg;

    count(arg, events);
    for (int i = 0; i < f->n_pipes; i++)
        watch_events(f->watches[i], 0);
}

/* With no events asked for, not even a hang-up is told, within the batch and after it. */
static void no_events_means_none(void **state)
{
    struct fixture *f = *state;

    pipes_open(f, 50, silence_others);
    feed(f);
    run_for(f, 10);
    assert_int_equal(f->calls, 1);
    for (int i = 0; i < f->n_pipes; i++) {
        close(f->ends[i][1]);
        f->ends[i][1] = dup(f->ends[i][0]); /* for the teardown */
    }
    run_for(f, 10);
    assert_int_equal(f->calls, 1);
    watch_events(f->watches[3], EPOLLIN);
    run_for(f, 10);
    assert_int_equal(f->calls, 2);
}

/* Level triggered and never read: the descriptors are always ready, and a timer still gets its turn. */
static void busy_descriptors_starve_nobody(void **state)
{
    struct fixture *f = *state;
    const uint64_t from = clock_boot_ms();

    pipes_open(f, PIPES, count);
    feed(f);
    run_for(f, 30);
    assert_true(f->calls > PIPES);
    assert_true(clock_boot_ms() - from < 5000);
}

/* --- timers ----------------------------------------------------------------------------------------- */

static void a_timer_fires_once_and_in_time(void **state)
{
    struct fixture *f = *state;
    const uint64_t from = clock_boot_ns();

    f->timer = loop_timer(f->loop, stop, f);
    assert_false(timer_is_on(f->timer));
    timer_in(f->timer, 30);
    assert_true(timer_is_on(f->timer));
    assert_int_equal(loop_run(f->loop), 7);
    assert_true(clock_boot_ns() - from >= 30000000u);
    assert_true(clock_boot_ns() - from < 2000000000u);
    assert_false(timer_is_on(f->timer));
}

static void count_time(void *arg)
{
    struct fixture *f = arg;

    f->calls++;
    if (f->calls < 20)
        timer_in(f->timer, 1);
    else
        loop_stop(f->loop, 0);
}

/* Twenty timers of 1 ms one behind the other: with 250 ms of slack each this would take seconds. */
static void short_timers_are_short(void **state)
{
    struct fixture *f = *state;
    const uint64_t from = clock_boot_ms();

    f->timer = loop_timer(f->loop, count_time, f);
    timer_in(f->timer, 1);
    loop_run(f->loop);
    assert_int_equal(f->calls, 20);
    assert_true(clock_boot_ms() - from < 2000);
}

static void free_itself_and_other(void *arg)
{
    struct fixture *f = arg;

    f->calls++;
    timer_free(&f->timer);
    timer_free(&f->other);
}

static void a_timer_may_free_itself_and_another(void **state)
{
    struct fixture *f = *state;

    f->timer = loop_timer(f->loop, free_itself_and_other, f);
    f->other = loop_timer(f->loop, free_itself_and_other, f);
    timer_in(f->timer, 1);
    timer_in(f->other, 1);
    run_for(f, 20);
    assert_int_equal(f->calls, 1);
}

static void a_timer_can_be_moved_and_switched_off(void **state)
{
    struct fixture *f = *state;

    f->timer = loop_timer(f->loop, count_time, f);
    f->other = loop_timer(f->loop, stop, f);
    timer_in(f->timer, 1);
    timer_off(f->timer);
    assert_false(timer_is_on(f->timer));
    timer_in(f->other, UINT64_MAX); /* never */
    timer_in(f->other, 10);
    assert_int_equal(loop_run(f->loop), 7);
    assert_int_equal(f->calls, 0);
}

/* --- hooks ------------------------------------------------------------------------------------------ */

static bool hook_first(void *arg)
{
    struct fixture *f = arg;

    f->rounds++;
    if (f->rounds == 5)
        hook_free(&f->hook);
    return f->rounds < 5;
}

static bool hook_second(void *arg)
{
    struct fixture *f = arg;

    assert_true(f->rounds > 0); /* the first is called first */
    f->calls++;
    if (!f->hook)
        loop_stop(f->loop, 3);
    return false;
}

/* No source is ever ready: only a hook's "work left" keeps the loop going round. */
static void hooks_run_before_every_sleep(void **state)
{
    struct fixture *f = *state;

    f->hook = loop_hook(f->loop, hook_first, f);
    f->second = loop_hook(f->loop, hook_second, f);
    assert_int_equal(loop_run(f->loop), 3);
    assert_int_equal(f->rounds, 5);
    assert_int_equal(f->calls, 5);
}

static void a_stop_before_the_run_counts(void **state)
{
    struct fixture *f = *state;

    loop_stop(f->loop, 4);
    assert_int_equal(loop_run(f->loop), 4);
    run_for(f, 1);
}

/* --- signals and children --------------------------------------------------------------------------- */

static void signals_come_through_the_loop(void **state)
{
    struct fixture *f = *state;

    loop_signal(f->loop, SIGUSR1, count_time, f);
    loop_signal(f->loop, SIGUSR1, stop, f); /* replaces */
    kill(getpid(), SIGUSR1);
    assert_int_equal(loop_run(f->loop), 7);
    assert_int_equal(f->calls, 0);
}

static void on_child(void *arg, pid_t pid, int wstatus)
{
    struct fixture *f = arg;

    assert_int_equal(pid, f->pid);
    f->wstatus = wstatus;
    f->calls++;
    child_free(&f->child);
    timer_in(f->timer, 1);
}

static void child_run(struct fixture *f, int code, int signo)
{
    f->pid = fork();
    if (f->pid == 0) {
        if (signo) {
            signal(signo, SIG_DFL);
            raise(signo);
        }
        _exit(code);
    }
    f->child = loop_child(f->loop, f->pid, on_child, f);
    if (!f->timer)
        f->timer = loop_timer(f->loop, stop, f);
    assert_int_equal(loop_run(f->loop), 7);
    assert_int_equal(waitpid(f->pid, NULL, WNOHANG), -1); /* reaped by the loop */
    assert_int_equal(errno, ECHILD);
}

static void children_are_reaped_with_their_status(void **state)
{
    struct fixture *f = *state;

    child_run(f, 42, 0);
    assert_true(WIFEXITED(f->wstatus) && WEXITSTATUS(f->wstatus) == 42);
    child_run(f, 0, 0);
    assert_true(WIFEXITED(f->wstatus) && WEXITSTATUS(f->wstatus) == 0);
    child_run(f, 0, SIGKILL);
    assert_true(WIFSIGNALED(f->wstatus) && WTERMSIG(f->wstatus) == SIGKILL);
    assert_int_equal(f->calls, 3);
}

static void a_child_that_ended_long_ago_is_told(void **state)
{
    struct fixture *f = *state;
    siginfo_t info;

    f->pid = fork();
    if (f->pid == 0)
        _exit(9);
    assert_int_equal(waitid(P_PID, (id_t)f->pid, &info, WEXITED | WNOWAIT), 0);
    f->timer = loop_timer(f->loop, stop, f);
    f->child = loop_child(f->loop, f->pid, on_child, f);
    assert_int_equal(loop_run(f->loop), 7);
    assert_int_equal(WEXITSTATUS(f->wstatus), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ready_descriptor_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(freed_watches_stay_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reused_descriptor_is_a_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(no_events_means_none, setup, teardown),
        cmocka_unit_test_setup_teardown(busy_descriptors_starve_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_fires_once_and_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(short_timers_are_short, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_may_free_itself_and_another, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_can_be_moved_and_switched_off, setup, teardown),
        cmocka_unit_test_setup_teardown(hooks_run_before_every_sleep, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_before_the_run_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(signals_come_through_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(children_are_reaped_with_their_status, setup, teardown),
        cmocka_unit_test_setup_teardown(a_child_that_ended_long_ago_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
