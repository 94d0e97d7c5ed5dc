/* test_keep.c - which workspaces stay: the newest, and those in use; and that the trash is emptied. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "agent/trash.h"
#include "lib/mem.h"

enum { LIMIT_MS = 20000, FOLDERS = 6 };

static bool is_used(void *arg, const char *name)
{
    return strcmp(name, arg) == 0;
}

struct rig {
    char dir[40];
    struct loop *loop;
    struct timer *limit;
    struct hook *hook;
    struct helpers *helpers;
    struct trash *trash;
};

static void tick_limit(void *arg)
{
    (void)arg;
    fail_msg("the trash is not emptied");
}

static bool exists(const struct rig *r, const char *name)
{
    char *path = mem_printf("%s/%s", r->dir, name);
    bool found = access(path, F_OK) == 0;

    mem_free(&path);
    return found;
}

/* The trash is empty when its folder can be removed. */
static bool look_empty(void *arg)
{
    struct rig *r = arg;
    char *path = mem_printf("%s/trash", r->dir);

    if (rmdir(path) == 0)
        loop_stop(r->loop, 0);
    mem_free(&path);
    return false;
}

static void test_newest_stay(void **state)
{
    struct rig r = { 0 };
    char *work, *trash;

    (void)state;
    strcpy(r.dir, "/tmp/orion-keep-XXXXXX");
    assert_non_null(mkdtemp(r.dir));
    r.loop = loop_new();
    r.limit = loop_timer(r.loop, tick_limit, NULL);
    r.helpers = helpers_new(r.loop, "a test");
    work = mem_printf("%s/work", r.dir);
    trash = mem_printf("%s/trash", r.dir);
    r.trash = trash_new(r.helpers, trash);
    mkdir(work, 0755);
    for (int i = 1; i <= FOLDERS; i++) { /* 1 is the oldest */
        const struct timespec at[2] = { { .tv_sec = 1000 + i }, { .tv_sec = 1000 + i } };
        char *path = mem_printf("%s/%d", work, i), *file = mem_printf("%s/%d/file", work, i);

        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(mkdir(file, 0755), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, at, 0), 0);
        mem_free(&path);
        mem_free(&file);
    }
    keep_newest(work, 3, r.trash, is_used, "2");
    assert_false(exists(&r, "work/1"));
    assert_true(exists(&r, "work/2"));
    assert_false(exists(&r, "work/3"));
    assert_true(exists(&r, "work/4"));
    assert_true(exists(&r, "work/6"));
    r.hook = loop_hook(r.loop, look_empty, &r);
    timer_in(r.limit, LIMIT_MS);
    loop_run(r.loop);

    hook_free(&r.hook);
    trash_free(&r.trash);
    helpers_free(&r.helpers);
    timer_free(&r.limit);
    loop_free(&r.loop);
    for (int i = 1; i <= FOLDERS; i++) {
        char *path = mem_printf("%s/%d/file", work, i);

        rmdir(path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
        mem_free(&path);
    }
    rmdir(work);
    assert_int_equal(rmdir(r.dir), 0);
    mem_free(&work);
    mem_free(&trash);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_newest_stay) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
