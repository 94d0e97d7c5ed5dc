/* test_proc.c - what a started program finds: descriptors, environment, folder, session, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/proc.h"

static char *read_end(int fd)
{
    char *text = mem_zalloc(65536);
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, text + len, 65535 - len)) > 0)
        len += (size_t)n;
    close(fd);
    return text;
}

static int wait_for(pid_t pid)
{
    int wstatus;

    assert_int_equal(waitpid(pid, &wstatus, 0), pid);
    return wstatus;
}

/* Runs a shell script with the spec's other fields; its standard output is returned. */
static char *script_output(struct proc_spec spec, const char *script)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    struct proc_fd fds[8];
    struct err e = { 0 };
    int ends[2];
    pid_t pid;
    char *text;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (unsigned i = 0; i < spec.n_fds; i++)
        fds[i] = spec.fds[i];
    fds[spec.n_fds] = (struct proc_fd){ 1, ends[1] };
    spec.argv = argv;
    spec.fds = fds;
    spec.n_fds++;
    alarm(20);
    if (proc_spawn(&spec, &pid, &e))
        fail_msg("%s", e.text);
    close(ends[1]);
    text = read_end(ends[0]);
    assert_int_equal(wait_for(pid), 0);
    alarm(0);
    return text;
}

static void only_named_descriptors_exist(void **state)
{
    int leak = open("/dev/zero", O_RDONLY); /* without close-on-exec: it must not get through all the same */
    int high = fcntl(leak, F_DUPFD, 200);
    const struct proc_fd fds[] = { { 5, leak } };
    char *text = script_output((struct proc_spec){ .fds = fds, .n_fds = 1 },
                               "for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && "
                               "echo $fd $(readlink /proc/$$/fd/$fd); done; [ -e /proc/$$/fd/200 ] && echo 200; true");

    (void)state;
    assert_memory_equal(text, "0 /dev/null\n1 pipe:", 19);
    assert_non_null(strstr(text, "]\n2 /dev/null\n5 /dev/zero\n"));
    assert_null(strstr(text, "\n3 "));
    assert_null(strstr(text, "\n6 "));
    assert_null(strstr(text, "200"));
    mem_free(&text);
    close(leak);
    close(high);
}

/* Two descriptors trade places: each one's number is the other's target. */
static void numbers_may_cross(void **state)
{
    int a[2], b[2];
    char *text;

    (void)state;
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    assert_int_equal(write(a[1], "from-a\n", 7), 7);
    assert_int_equal(write(b[1], "from-b\n", 7), 7);
    {
        const struct proc_fd fds[] = { { b[0], a[0] }, { a[0], b[0] }, { 0, a[0] } };
        char script[64];

        snprintf(script, sizeof(script), "read x <&%d; read y <&%d; echo $x $y", b[0], a[0]);
        text = script_output((struct proc_spec){ .fds = fds, .n_fds = 3 }, script);
    }
    assert_string_equal(text, "from-a from-b\n");
    mem_free(&text);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void environment_and_folder(void **state)
{
    const char *const env[] = { "PATH=/usr/bin:/bin", "COLOUR=blue", NULL };
    char *text;

    (void)state;
    setenv("ORION_TEST_SECRET", "1", 1);
    text = script_output((struct proc_spec){ .env = env, .cwd = "/usr" }, "echo $COLOUR $ORION_TEST_SECRET; pwd");
    assert_string_equal(text, "blue\n/usr\n");
    mem_free(&text);
    text = script_output((struct proc_spec){ 0 }, "echo $ORION_TEST_SECRET");
    assert_string_equal(text, "1\n");
    mem_free(&text);
    unsetenv("ORION_TEST_SECRET");
}

static void sessions_and_groups(void **state)
{
    const char *script = "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo group; [ $6 = $$ ] && echo session; true";
    char *text = script_output((struct proc_spec){ .new_session = true }, script);

    (void)state;
    assert_string_equal(text, "group\nsession\n");
    mem_free(&text);
    text = script_output((struct proc_spec){ .new_group = true }, script);
    assert_string_equal(text, "group\n");
    mem_free(&text);
    text = script_output((struct proc_spec){ 0 }, script);
    assert_string_equal(text, "");
    mem_free(&text);
}

static void signals_are_as_new(void **state)
{
    sigset_t set, old;
    unsigned long blocked, ignored;
    char *text;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGPIPE, SIG_IGN);
    text = script_output((struct proc_spec){ 0 }, "grep -E '^Sig(Blk|Ign)' /proc/self/status");
    assert_int_equal(sscanf(text, "SigBlk: %lx SigIgn: %lx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & 0x7FFFFFFF, 0); /* above are signals that glibc keeps for its threads */
    mem_free(&text);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void failures_are_named(void **state)
{
    const char *const nowhere[] = { "orion-no-such-program", NULL };
    const char *const missing[] = { "/no/such/program", NULL };
    const char *const folder[] = { "/usr", NULL };
    const char *const fine[] = { "true", NULL };
    struct err e = { 0 };
    pid_t pid;

    (void)state;
    assert_int_equal(proc_spawn(&(struct proc_spec){ .argv = nowhere }, &pid, &e), -1);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_string_equal(e.text, "orion-no-such-program: not found");
    err_clear(&e);
    assert_int_equal(proc_spawn(&(struct proc_spec){ .argv = missing }, &pid, &e), -1);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    err_clear(&e);
    assert_int_equal(proc_spawn(&(struct proc_spec){ .argv = folder }, &pid, &e), -1);
    assert_int_equal(e.kind, ERR_SYSTEM);
    err_clear(&e);
    assert_int_equal(proc_spawn(&(struct proc_spec){ .argv = fine, .cwd = "/no/such/folder" }, &pid, &e), -1);
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_string_equal(e.text, "cannot enter /no/such/folder: No such file or directory");
}

static void programs_are_found_in_order(void **state)
{
    char dir[] = "/tmp/orion-test-proc-XXXXXX";
    char *tool, *plain, *path, *found;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    tool = mem_printf("%s/tool", dir);
    plain = mem_printf("%s/plain", dir);
    path = mem_printf("relative::/no/such:%s:/bin", dir);
    fd = open(tool, O_WRONLY | O_CREAT, 0755);
    close(fd);
    fd = open(plain, O_WRONLY | O_CREAT, 0644);
    close(fd);
    found = proc_find("tool", path);
    assert_string_equal(found, tool);
    mem_free(&found);
    found = proc_find("sh", path);
    assert_string_equal(found, "/bin/sh");
    mem_free(&found);
    found = proc_find(tool, NULL);
    assert_string_equal(found, tool);
    mem_free(&found);
    assert_null(proc_find("plain", path)); /* not executable */
    assert_null(proc_find("tool", "/bin"));
    assert_null(proc_find("", path));
    unlink(tool);
    unlink(plain);
    rmdir(dir);
    mem_free(&tool);
    mem_free(&plain);
    mem_free(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_named_descriptors_exist), cmocka_unit_test(numbers_may_cross),
        cmocka_unit_test(environment_and_folder),       cmocka_unit_test(sessions_and_groups),
        cmocka_unit_test(signals_are_as_new),           cmocka_unit_test(failures_are_named),
        cmocka_unit_test(programs_are_found_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
