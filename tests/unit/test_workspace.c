/* test_workspace.c - mirrors and checkouts against repositories made here with git: what a ref resolves to, what is
 * fetched again and what is not, and what a task is told when something is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/workspace.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/proc.h"

enum { LIMIT_MS = 30000, OPS_MAX = 8 };

struct result {
    char *commit, *cause, *message, *output;
};

struct rig {
    char dir[48];
    char *url, *src;
    struct loop *loop;
    struct timer *limit;
    struct helpers *helpers;
    struct trash *trash;
    struct workspaces *workspaces;
    struct arena arena;
    unsigned left, made;
};

/* --- outside programs, in order -------------------------------------------------------------------- */

static char *shell(struct rig *r, const char *script)
{
    const char *argv[] = { "sh", "-ec", script, NULL };
    int fds[2], wstatus;
    struct buf out = { 0 };
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    const struct proc_fd child[] = { { 1, fds[1] }, { 2, 2 } };
    const struct proc_spec spec = { .argv = argv, .cwd = r->dir, .fds = child, .n_fds = 2 };
    assert_int_equal(proc_spawn(&spec, &pid, NULL), 0);
    close(fds[1]);
    while ((n = read(fds[0], buf_reserve(&out, 4096), 4096)) > 0)
        buf_commit(&out, (size_t)n);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &wstatus, 0), pid);
    assert_int_equal(wstatus, 0);
    if (out.len && out.data[out.len - 1] == '\n')
        out.data[out.len - 1] = '\0';
    char *text = arena_strdup(&r->arena, out.len ? out.data : "");
    buf_fini(&out);
    return text;
}

static void tick_limit(void *arg)
{
    (void)arg;
    fail_msg("no answer");
}

static void rig_init(struct rig *r)
{
    char *path;

    *r = (struct rig){ 0 };
    strcpy(r->dir, "/tmp/orion-workspace-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    path = arena_printf(&r->arena, "%s/gitconfig", r->dir);
    setenv("GIT_CONFIG_GLOBAL", path, 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    shell(r, "mkdir mirror work;"
             "printf '[safe]\\n directory = *\\n[user]\\n name = t\\n email = t@t\\n[gc]\\n auto = 0\\n' >gitconfig;"
             "git init -q -b trunk src; cd src;"
             "echo one >file; mkdir sub; echo x >sub/y; git add .; git commit -qm one;"
             "git tag -a v1 -m v1; echo two >file; git commit -qam two; git branch side;"
             "echo mr >file; git commit -qam mr; git update-ref refs/merge-requests/7/head HEAD;"
             "git reset -q --hard HEAD~1;"
             "cd ..; git clone -q --mirror src remote.git");
    r->url = arena_printf(&r->arena, "file://%s/remote.git", r->dir);
    r->loop = loop_new();
    r->limit = loop_timer(r->loop, tick_limit, r);
    r->helpers = helpers_new(r->loop, "a test");
    r->trash = trash_new(r->helpers, arena_printf(&r->arena, "%s/trash", r->dir));
    r->workspaces = workspaces_new(r->helpers, r->trash, r->dir);
}

static void rig_fini(struct rig *r)
{
    workspaces_free(&r->workspaces);
    trash_free(&r->trash);
    helpers_free(&r->helpers);
    timer_free(&r->limit);
    loop_free(&r->loop);
    shell(r, arena_printf(&r->arena, "rm -rf %s", r->dir));
    arena_fini(&r->arena);
}

struct wait {
    struct rig *rig;
    struct result *to;
};

static void on_end(void *arg, const struct workspace_end *end)
{
    struct wait *w = arg;
    struct arena *a = &w->rig->arena;

    *w->to = (struct result){ arena_strdup(a, end->commit), arena_strdup(a, end->cause), arena_strdup(a, end->message),
                              arena_strdup(a, end->output) };
    if (--w->rig->left == 0)
        loop_stop(w->rig->loop, 0);
}

static struct workspace_op *begin(struct rig *r, struct workspace_order order, struct result *to)
{
    struct wait *w = arena_alloc(&r->arena, sizeof(*w));

    *w = (struct wait){ r, to };
    order.repo = order.repo ? order.repo : "zlib";
    order.url = order.url ? order.url : r->url;
    order.path = order.path ? order.path : arena_printf(&r->arena, "%s/work/%u", r->dir, ++r->made);
    r->left++;
    return workspace_prepare(r->workspaces, &order, on_end, w);
}

static void wait_all(struct rig *r)
{
    timer_in(r->limit, LIMIT_MS);
    loop_run(r->loop);
    timer_off(r->limit);
}

static struct result prepare(struct rig *r, struct workspace_order order)
{
    struct result result = { 0 };

    begin(r, order, &result);
    wait_all(r);
    return result;
}

/* The last workspace has this in `file`, at a commit that is the same as `rev` in the source. */
static void assert_built(struct rig *r, const struct result *got, const char *text, const char *rev)
{
    if (!got->commit)
        fail_msg("%s: %s", got->cause, got->message);
    assert_string_equal(shell(r, arena_printf(&r->arena, "cat work/%u/file", r->made)), text);
    assert_string_equal(got->commit, shell(r, arena_printf(&r->arena, "git -C src rev-parse '%s^{commit}'", rev)));
    assert_string_equal(got->commit, shell(r, arena_printf(&r->arena, "git -C work/%u rev-parse HEAD", r->made)));
    assert_string_equal(shell(r, arena_printf(&r->arena, "git -C work/%u status --porcelain", r->made)), "");
}

/* --- tests ----------------------------------------------------------------------------------------- */

static void test_refs(void **state)
{
    static const struct {
        const char *ref, *text, *rev;
    } rows[] = {
        { NULL, "two", "trunk" },  { "trunk", "two", "trunk" },          { "side", "two", "side" },
        { "v1", "one", "v1" },     { "refs/heads/side", "two", "side" }, { "refs/tags/v1", "one", "v1" },
        { "HEAD", "two", "trunk" }, { "refs/merge-requests/7/head", "mr", "refs/merge-requests/7/head" },
    };
    struct rig r;

    (void)state;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct result got = prepare(&r, (struct workspace_order){ .ref = rows[i].ref });

        assert_built(&r, &got, rows[i].text, rows[i].rev);
    }
    rig_fini(&r);
}

static void test_commit_ids(void **state)
{
    struct rig r;
    struct result got;
    char *id;

    (void)state;
    rig_init(&r);
    id = shell(&r, "git -C src rev-parse 'v1^{commit}'");
    got = prepare(&r, (struct workspace_order){ .ref = id });
    assert_built(&r, &got, "one", "v1");
    got = prepare(&r, (struct workspace_order){ .ref = arena_strndup(&r.arena, id, 9) });
    assert_built(&r, &got, "one", "v1");
    got = prepare(&r, (struct workspace_order){ .ref = "trunk", .commit = id }); /* pinned wins */
    assert_built(&r, &got, "one", "v1");
    /* what is in the mirror is built without asking anybody */
    shell(&r, "mv remote.git gone.git");
    got = prepare(&r, (struct workspace_order){ .commit = id });
    assert_built(&r, &got, "one", "v1");
    rig_fini(&r);
}

static void test_not_there(void **state)
{
    static const struct {
        const char *ref, *commit, *message;
    } rows[] = {
        { "nope", NULL, "nope: not found in zlib" },
        { "refs/merge-requests/8/head", NULL, "refs/merge-requests/8/head: not found in zlib" },
        { "abcdef1234", NULL, "abcdef1234: not found in zlib" },
        { "0123456789012345678901234567890123456789", NULL,
          "commit 0123456789012345678901234567890123456789: not found in zlib" },
        { "trunk", "0123456789012345678901234567890123456789",
          "commit 0123456789012345678901234567890123456789: not found in zlib" },
    };
    struct rig r;

    (void)state;
    rig_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct result got = prepare(&r, (struct workspace_order){ .ref = rows[i].ref, .commit = rows[i].commit });

        assert_null(got.commit);
        assert_string_equal(got.cause, "setup");
        assert_string_equal(got.message, rows[i].message);
    }
    rig_fini(&r);
}

static void test_remote_that_is_not_there(void **state)
{
    struct rig r;
    struct result got;

    (void)state;
    rig_init(&r);
    got = prepare(&r, (struct workspace_order){ .url = "file:///nowhere/x.git" });
    assert_string_equal(got.cause, "infrastructure");
    assert_non_null(strstr(got.message, "cannot read zlib: fatal: '/nowhere/x.git' does not appear to be a git "
                                        "repository"));
    assert_non_null(strstr(got.output, "fatal:"));
    /* a transport that would run a command does not */
    got = prepare(&r, (struct workspace_order){ .url = arena_printf(&r.arena, "ext::sh -c touch%% %s/pwned", r.dir) });
    assert_string_equal(got.cause, "infrastructure");
    assert_non_null(strstr(got.message, "'ext' not allowed"));
    rig_fini(&r);
}

/* The remote goes on: new commits, a moved and a deleted branch, another HEAD. */
static void test_remote_that_changes(void **state)
{
    struct rig r;
    struct result got;

    (void)state;
    rig_init(&r);
    got = prepare(&r, (struct workspace_order){ 0 });
    assert_built(&r, &got, "two", "trunk");
    shell(&r, "cd src; echo three >file; git commit -qam three; git branch -D -q side; git branch side/deep v1;"
              "git push -q --mirror ../remote.git");
    got = prepare(&r, (struct workspace_order){ 0 });
    assert_built(&r, &got, "three", "trunk");
    got = prepare(&r, (struct workspace_order){ .ref = "side/deep" });
    assert_built(&r, &got, "one", "v1");
    got = prepare(&r, (struct workspace_order){ .ref = "side" });
    assert_string_equal(got.message, "side: not found in zlib");
    shell(&r, "cd src; git checkout -q --orphan main; echo fresh >file; git add .; git commit -qm fresh;"
              "git push -q --mirror ../remote.git; git -C ../remote.git symbolic-ref HEAD refs/heads/main");
    got = prepare(&r, (struct workspace_order){ 0 });
    assert_built(&r, &got, "fresh", "main");
    rig_fini(&r);
}

/* A pinned commit that no ref of the remote leads to any more, on an agent that never saw it. */
static void test_commit_without_ref(void **state)
{
    struct rig r;
    struct result got;
    char *id;

    (void)state;
    rig_init(&r);
    id = shell(&r, "git -C src rev-parse refs/merge-requests/7/head");
    shell(&r, "cd src; git push -q ../remote.git :refs/merge-requests/7/head");
    got = prepare(&r, (struct workspace_order){ .commit = id });
    assert_built(&r, &got, "mr", "refs/merge-requests/7/head");
    rig_fini(&r);
}

/* Many at once, of one repository and of another name for it: all get their own tree. */
static void test_at_once(void **state)
{
    struct result got[OPS_MAX] = { 0 };
    struct rig r;

    (void)state;
    rig_init(&r);
    for (int i = 0; i < OPS_MAX; i++)
        begin(&r, (struct workspace_order){ .ref = i % 2 ? "trunk" : "v1", .repo = i % 3 ? "a" : "b" }, &got[i]);
    wait_all(&r);
    for (int i = 0; i < OPS_MAX; i++)
        assert_non_null(got[i].commit);
    assert_string_equal(shell(&r, "cat work/1/file work/2/file work/7/file work/8/file | tr '\\n' ' '"),
                        "one two one two ");
    assert_string_equal(shell(&r, "ls mirror | wc -l"), "2");
    /* a commit was once found by a probe while the fetch still unpacked its trees: mirrors hold whole packs only */
    assert_string_equal(shell(&r, "find mirror -path '*/objects/[0-9a-f][0-9a-f]/*' -type f | wc -l"), "0");
    rig_fini(&r);
}

/* What a build does in its repository is nobody else's: not the mirror's, not the next build's. */
static void test_builds_are_apart(void **state)
{
    struct rig r;
    struct result got;

    (void)state;
    rig_init(&r);
    got = prepare(&r, (struct workspace_order){ 0 });
    shell(&r, "cd work/1; git checkout -q -b trunk2; git tag mine; echo z >file; git commit -qam z; git branch -f side;"
              "git gc -q --prune=now");
    got = prepare(&r, (struct workspace_order){ .ref = "side" });
    assert_built(&r, &got, "two", "side");
    got = prepare(&r, (struct workspace_order){ .ref = "mine" });
    assert_null(got.commit);
    rig_fini(&r);
}

/* A killed agent leaves halves behind: of a mirror, of a workspace. */
static void test_leftovers(void **state)
{
    struct rig r;
    struct result got;

    (void)state;
    rig_init(&r);
    got = prepare(&r, (struct workspace_order){ 0 });
    assert_non_null(got.commit);
    shell(&r, "mv mirror/* kept; m=$(ls -d kept); mkdir work/2 work/2/.git; echo junk >work/2/file");
    r.made = 1;
    got = prepare(&r, (struct workspace_order){ 0 });
    assert_built(&r, &got, "two", "trunk");
    shell(&r, "n=$(ls mirror); rm -rf mirror/$n; mkdir mirror/$n.new; echo junk >mirror/$n.new/HEAD");
    got = prepare(&r, (struct workspace_order){ 0 });
    assert_built(&r, &got, "two", "trunk");
    rig_fini(&r);
}

static void test_cancel(void **state)
{
    struct workspace_op *op[3];
    struct result got[4] = { 0 };
    struct rig r;

    (void)state;
    rig_init(&r);
    for (int i = 0; i < 3; i++)
        op[i] = begin(&r, (struct workspace_order){ 0 }, &got[i]);
    begin(&r, (struct workspace_order){ 0 }, &got[3]);
    for (int i = 0; i < 3; i++)
        workspace_cancel(&op[i]);
    r.left -= 3;
    wait_all(&r);
    assert_null(got[0].commit);
    assert_non_null(got[3].commit);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refs),
        cmocka_unit_test(test_commit_ids),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_remote_that_is_not_there),
        cmocka_unit_test(test_remote_that_changes),
        cmocka_unit_test(test_commit_without_ref),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_builds_are_apart),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
