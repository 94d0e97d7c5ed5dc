/* test_lab_conf.c - lab.conf is read as it was written, agent.yaml follows from it, and bad names are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/lab_conf.h"

static void test_round_trip(void **state)
{
    struct arena a = { 0 };
    struct lab_conf c, again;
    struct buf text = { 0 }, text_again = { 0 };
    struct err e = { 0 };
    const struct lab_repo lua = { "lua", "file:///src/with blank", "make", NULL };
    const struct lab_repo zlib = { "org/zlib.git", "/src/zlib=x", NULL, "refs/merge-requests/{mr}/head" };

    (void)state;
    lab_conf_init(&c, &a);
    c.port = 9000;
    c.agents = 0;
    c.slots = 3;
    c.path = "/opt/my tools";
    c.sockets = "/tmp/orion-abcdef";
    assert_int_equal(lab_conf_repo(&c, &lua, &e), 0);
    assert_int_equal(lab_conf_repo(&c, &zlib, &e), 0);
    lab_conf_print(&c, &text);
    lab_conf_init(&again, &a);
    assert_int_equal(lab_conf_parse(&again, text.data, &a, &e), 0);
    assert_int_equal(again.port, 9000);
    assert_int_equal(again.agents, 0);
    assert_int_equal(again.workers, LAB_WORKERS);
    assert_string_equal(again.path, "/opt/my tools");
    assert_int_equal(again.n_repos, 2);
    assert_string_equal(again.repos[0].url, "file:///src/with blank");
    assert_null(again.repos[0].mr_ref);
    assert_string_equal(again.repos[1].mr_ref, "refs/merge-requests/{mr}/head");
    lab_conf_print(&again, &text_again);
    assert_string_equal(text.data, text_again.data);
    buf_fini(&text);
    buf_fini(&text_again);
    arena_fini(&a);
}

static void test_defaults(void **state)
{
    struct arena a = { 0 };
    struct lab_conf c;
    struct err e = { 0 };

    (void)state;
    lab_conf_init(&c, &a);
    assert_int_equal(lab_conf_parse(&c, "# nothing\n\npath=\n", &a, &e), 0);
    assert_int_equal(c.port, 8004);
    assert_int_equal(c.agents, 1);
    assert_int_equal(c.sinks, 1);
    assert_null(c.path);
    assert_int_equal(c.n_repos, 0);
    arena_fini(&a);
}

static void test_bad_lines(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "port=0\n", "line 1: port is not within 1 and 65535" },
        { "workers=2\nport=x\n", "line 2" },
        { "colour=red\n", "unknown key colour" },
        { "port\n", "not key=value" },
        { "repo=lua make\n", "NAME DRIVER MR_REF URL" },
        { "repo=-x - - /y\n", "not a repository's name" },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct lab_conf c;
        struct err e = { 0 };
        lab_conf_init(&c, &a);
        assert_int_equal(lab_conf_parse(&c, bad[i].text, &a, &e), -1);
        assert_non_null(strstr(e.text, bad[i].says));
    }
    arena_fini(&a);
}

static void test_repos(void **state)
{
    static const char *const good[] = { "me=/src/me", "a/b=https://example.org/a/b?x=y", "x.y_z-1+2=git@host:x" };
    static const char *const bad[] = { "me", "=x", "me=", "../x=/y", "a b=/y", "a/=/y", ".a=/y", "me=-x", "me=/x\ny" };
    struct arena a = { 0 };
    struct lab_conf c;
    struct err e = { 0 };

    (void)state;
    lab_conf_init(&c, &a);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(lab_conf_repo_word(&c, good[i], &a, &e), 0);
    assert_int_equal(c.n_repos, 3);
    assert_string_equal(c.repos[1].url, "https://example.org/a/b?x=y");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err why = { 0 };
        assert_int_equal(lab_conf_repo_word(&c, bad[i], &a, &why), -1);
        assert_int_equal(why.kind, ERR_INVALID);
    }
    assert_int_equal(lab_conf_repo_word(&c, "me=/elsewhere", &a, &e), 0); /* replaces */
    assert_int_equal(c.n_repos, 3);
    assert_string_equal(c.repos[0].url, "/elsewhere");
    arena_fini(&a);
}

static void test_agent_yaml(void **state)
{
    struct arena a = { 0 };
    struct lab_conf c;
    struct buf text = { 0 };
    struct err e = { 0 };
    const struct lab_repo r = { "lua", "file:///a \"b\"\\c", "make", "refs/pull/{mr}/head" };

    (void)state;
    lab_conf_init(&c, &a);
    lab_conf_agent_yaml(&c, &text);
    assert_non_null(strstr(text.data, "allow:\n  - \"file://*\"\n  - \"/*\"\nrepositories: []\n"));
    buf_reset(&text);
    assert_int_equal(lab_conf_repo(&c, &r, &e), 0);
    lab_conf_agent_yaml(&c, &text);
    assert_non_null(strstr(text.data, "repositories:\n  - name: \"lua\"\n    url: \"file:///a \\\"b\\\"\\\\c\"\n"
                                      "    driver: \"make\"\n    mr_ref: \"refs/pull/{mr}/head\"\n"));
    buf_fini(&text);
    arena_fini(&a);
}

/* Settings of the daemons: kept, replaced, taken away; never those that the lab says itself. */
static void test_sets(void **state)
{
    static const char *const bad[] = { "ORION_LEASE", "LEASE=1s", "ORION_lease=1s", "ORION_PORT=1", "ORION_SINKS=x",
                                       "ORION_LEASE=1s\n2s", "=x", "ORION_A B=1" };
    struct arena a = { 0 };
    struct lab_conf c, again;
    struct buf text = { 0 };
    struct err e = { 0 };

    (void)state;
    lab_conf_init(&c, &a);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err why = { 0 };
        assert_int_equal(lab_conf_set_word(&c, bad[i], &a, &why), -1);
        assert_int_equal(why.kind, ERR_INVALID);
    }
    assert_int_equal(lab_conf_set_word(&c, "ORION_LEASE=3s", &a, &e), 0);
    assert_int_equal(lab_conf_set_word(&c, "ORION_LOG=info,core=debug a=b", &a, &e), 0);
    assert_int_equal(lab_conf_set_word(&c, "ORION_TRIES=", &a, &e), 0); /* was not there */
    assert_int_equal(lab_conf_set_word(&c, "ORION_LEASE=4s", &a, &e), 0);
    lab_conf_print(&c, &text);
    lab_conf_init(&again, &a);
    assert_int_equal(lab_conf_parse(&again, text.data, &a, &e), 0);
    assert_int_equal(again.n_sets, 2);
    assert_string_equal(again.sets[0].name, "ORION_LEASE");
    assert_string_equal(again.sets[0].value, "4s");
    assert_string_equal(again.sets[1].value, "info,core=debug a=b");
    assert_int_equal(lab_conf_set_word(&again, "ORION_LEASE=", &a, &e), 0);
    assert_false(lab_conf_has_set(&again, "ORION_LEASE"));
    assert_true(lab_conf_has_set(&again, "ORION_LOG"));
    buf_fini(&text);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_defaults),   cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_repos),      cmocka_unit_test(test_agent_yaml),
        cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
