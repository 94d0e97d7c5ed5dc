/* test_repos.c - agent.yaml: what it allows, and that what is wrong with it is told with line and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/repos.h"
#include "lib/mem.h"

static struct repos *parse(const char *text, struct err *e)
{
    return repos_parse("agent.yaml", text, strlen(text), e);
}

static void test_rows(void **state)
{
    struct err e = { 0 };
    struct repos_row row;
    struct repos *r = parse("repositories:\n"
                            "  - {name: zlib, url: 'file:///src/zlib', mr_ref: 'refs/merge-requests/{mr}/head'}\n"
                            "  - name: lua\n"
                            "    url: https://example.org/lua\n"
                            "    driver: make\n"
                            "allow:\n"
                            "  - file:///src/*\n",
                            &e);

    (void)state;
    assert_non_null(r);
    assert_int_equal(repos_find(r, "zlib", &row, &e), 0);
    assert_string_equal(row.url, "file:///src/zlib");
    assert_string_equal(row.mr_ref, "refs/merge-requests/{mr}/head");
    assert_null(row.driver);
    assert_int_equal(repos_find(r, "lua", &row, &e), 0);
    assert_string_equal(row.driver, "make");
    assert_int_equal(repos_find(r, "file:///src/a/b", &row, &e), 0);
    assert_string_equal(row.url, "file:///src/a/b");
    assert_string_equal(row.name, "file:///src/a/b");
    assert_int_equal(repos_find(r, "foo", &row, &e), -1);
    assert_string_equal(e.text, "repository \"foo\" is not in the agent's table (agent.yaml) and matches no allowed "
                                "pattern");
    repos_free(&r);
}

/* What looks allowed but would be fetched from elsewhere, or is no address. */
static void test_tricks(void **state)
{
    static const char *const tricks[] = { "file:///src/../etc", "file:///src/%2e%2E/etc", "file:///src/.",
                                          "-oProxy=/src/x",
                                          "file:///src/a\nb", "file:///other", "file:///src/.%2e/etc", "" };
    struct repos *r = parse("allow: ['file:///src/*', '-*', '*/src/*']\n", NULL);
    struct repos_row row;

    (void)state;
    assert_non_null(r);
    for (size_t i = 0; i < ARRAY_LEN(tricks); i++)
        assert_int_equal(repos_find(r, tricks[i], &row, NULL), -1);
    assert_int_equal(repos_find(r, "file:///src/..x", &row, NULL), 0);
    assert_int_equal(repos_find(r, "file:///src/.git", &row, NULL), 0);
    repos_free(&r);
}

static const struct {
    const char *text, *error;
} wrong[] = {
    { "repos: []\n", "agent.yaml:1:1: unknown key \"repos\"; known are repositories, allow" },
    { "allow: []\nrepositories:\n  - {nam: x, url: y}\n",
      "agent.yaml:3:6: unknown key \"nam\"; known are name, url, driver, mr_ref" },
    { "repositories:\n  - name: x\n", "agent.yaml:2:5: \"url\" is missing" },
    { "repositories:\n  - name: x\n    url: [y]\n", "agent.yaml:3:10: a text is expected here" },
    { "repositories: x\n", "agent.yaml:1:15: a list is expected here" },
    { "repositories: [x]\n", "agent.yaml:1:16: keys and values are expected here" },
    { "- x\n", "agent.yaml:1:1: keys and values are expected here" },
    { "repositories: [{name: x, url: y, driver: scons}]\n",
      "agent.yaml:1:42: unknown driver \"scons\"; known are buck2, bazel, cmake, meson, cargo, ninja, configure, "
      "make" },
    { "repositories: [{name: x, url: y}, {name: x, url: z}]\n", "agent.yaml:1:35: repository \"x\" stands here twice" },
    { "allow: [a]\nallow: [b]\n", "agent.yaml:2:1: \"allow\" stands here twice" },
    { "repositories: [{name: x, url: y, mr_ref: pull}]\n",
      "agent.yaml:1:42: mr_ref is a full ref, for example refs/merge-requests/{mr}/head" },
    { "repositories: [{name: x, url: -y}]\n", "agent.yaml:1:16: an address cannot begin with a dash" },
    { "allow: [''] \n", "agent.yaml:1:9: a text is expected here" },
};

static void test_errors(void **state)
{
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        err_clear(&e);
        assert_null(parse(wrong[i].text, &e));
        assert_string_equal(e.text, wrong[i].error);
    }
    err_clear(&e);
    assert_null(parse("repositories: [\n", &e));
    assert_memory_equal(e.text, "agent.yaml:", 11);
    err_clear(&e);
    assert_null(parse("a: \xff\n", &e));
}

static void test_empty(void **state)
{
    struct repos_row row;
    struct repos *r = parse("# nothing\n", NULL);

    (void)state;
    assert_non_null(r);
    assert_int_equal(repos_find(r, "x", &row, NULL), -1);
    repos_free(&r);
}

static void file_put(const char *path, const char *text)
{
    char *tmp = mem_printf("%s.new", path);
    FILE *f = fopen(tmp, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(tmp, path), 0);
    mem_free(&tmp);
}

/* A changed file counts from the next look; a wrong one leaves everything as it was, and is told once. */
static void test_file(void **state)
{
    char dir[] = "/tmp/orion-repos-XXXXXX";
    struct err e = { 0 };
    struct repos_row row;
    struct repos *r;
    char *path;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = mem_printf("%s/agent.yaml", dir);
    r = repos_open(path, &e);
    assert_non_null(r);
    assert_int_equal(repos_find(r, "x", &row, NULL), -1);
    file_put(path, "allow: [x]\n");
    assert_int_equal(repos_refresh(r, &e), 0);
    assert_int_equal(repos_find(r, "x", &row, NULL), 0);
    file_put(path, "allow: {}\n");
    assert_int_equal(repos_refresh(r, &e), -1);
    assert_non_null(strstr(e.text, "agent.yaml:1:8: a list is expected here"));
    assert_int_equal(repos_refresh(r, NULL), 0);
    assert_int_equal(repos_find(r, "x", &row, NULL), 0);
    unlink(path);
    assert_int_equal(repos_refresh(r, NULL), 0);
    assert_int_equal(repos_find(r, "x", &row, NULL), -1);
    repos_free(&r);
    rmdir(dir);
    mem_free(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_tricks), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_empty),  cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
