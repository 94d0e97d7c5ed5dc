/* test_opts.c - command lines against a table of options: values, lists, "--", and what is said of mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/opts.h"

struct options {
    bool force, json;
    const char *ref;
    struct opt_int limit, timeout;
    struct opt_list args;
};

#define AT(member) offsetof(struct options, member)
static const struct opt rows[] = {
    { OPT_FLAG, 'f', "force", AT(force), NULL, "force it", 0, 0 },
    { OPT_FLAG, 0, "json", AT(json), NULL, "print JSON", 0, 0 },
    { OPT_STR, 0, "ref", AT(ref), "REF", "what", 0, 0 },
    { OPT_INT, 'n', "limit", AT(limit), "N", "how many", 1, 100 },
    { OPT_MS, 0, "timeout", AT(timeout), "TIME", "how long", 0, 0 },
    { OPT_LIST, 'a', "arg", AT(args), "ARG", "argument", 0, 0 },
    { OPT_END, 0, NULL, 0, NULL, NULL, 0, 0 },
};

struct fixture {
    struct arena arena;
    struct options o;
    struct opts_args args;
    struct err e;
    int rc;
};

/* Words are divided by blanks. */
static void parse(struct fixture *f, const char *line)
{
    char *words[32], *text = arena_strdup(&f->arena, line);
    int n = 0;

    for (char *w = strtok(text, " "); w && n < 32; w = strtok(NULL, " "))
        words[n++] = w;
    f->o = (struct options){ 0 };
    f->e = (struct err){ 0 };
    f->rc = opts_parse(rows, &f->o, &f->arena, n, words, &f->args, &f->e);
}

static void test_values(void **state)
{
    struct fixture f = { 0 };

    (void)state;
    parse(&f, "repo --ref main -n7 -a x target --arg=y -fa z --timeout 5m -- -a --ref");
    assert_int_equal(f.rc, 0);
    assert_true(f.o.force);
    assert_false(f.o.json);
    assert_string_equal(f.o.ref, "main");
    assert_true(f.o.limit.is_given);
    assert_int_equal(f.o.limit.value, 7);
    assert_int_equal(f.o.timeout.value, 300000);
    assert_int_equal(f.o.args.n, 3);
    assert_string_equal(f.o.args.v[2], "z");
    assert_int_equal(f.args.operands.n, 2);
    assert_string_equal(f.args.operands.v[1], "target");
    assert_int_equal(f.args.rest.n, 2);
    assert_string_equal(f.args.rest.v[0], "-a");
    arena_fini(&f.arena);
}

/* A value may look like an option; a lone dash is an operand. */
static void test_odd_words(void **state)
{
    struct fixture f = { 0 };

    (void)state;
    parse(&f, "-a -- - --ref= -a-O2");
    assert_int_equal(f.rc, 0);
    assert_string_equal(f.o.args.v[0], "--");
    assert_string_equal(f.o.args.v[1], "-O2");
    assert_string_equal(f.o.ref, "");
    assert_string_equal(f.args.operands.v[0], "-");
    assert_int_equal(f.args.rest.n, 0);
    arena_fini(&f.arena);
}

static void test_long_lists(void **state)
{
    struct fixture f = { 0 };
    char *words[200], text[] = "-ax";

    (void)state;
    for (int i = 0; i < 200; i++)
        words[i] = text;
    assert_int_equal(opts_parse(rows, &f.o, &f.arena, 200, words, &f.args, &f.e), 0);
    assert_int_equal(f.o.args.n, 200);
    assert_string_equal(f.o.args.v[199], "x");
    arena_fini(&f.arena);
}

static void test_times(void **state)
{
    static const struct {
        const char *line;
        int64_t ms;
    } rows_of_times[] = { { "--timeout 3", 3000 }, { "--timeout 3s", 3000 }, { "--timeout 20ms", 20 },
                          { "--timeout=2h", 7200000 } };
    struct fixture f = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows_of_times); i++) {
        parse(&f, rows_of_times[i].line);
        assert_int_equal(f.rc, 0);
        assert_int_equal(f.o.timeout.value, rows_of_times[i].ms);
    }
    arena_fini(&f.arena);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *line, *says;
    } mistakes[] = {
        { "--rf x", "did you mean --ref?" },
        { "--frce", "did you mean --force?" },
        { "--something", "unknown option --something" },
        { "-x", "unknown option -x" },
        { "--ref", "--ref needs a value (REF)" },
        { "-n", "--limit needs a value (N)" },
        { "-n 0", "within 1 and 100" },
        { "-n 1x", "not a number" },
        { "--limit=99999999999999999999", "not a number" },
        { "--force=yes", "takes no value" },
        { "--timeout soon", "not a time" },
        { "--timeout -1", "not a time" },
        { "--timeout 1d", "not a time" },
    };
    struct fixture f = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        parse(&f, mistakes[i].line);
        assert_int_equal(f.rc, -1);
        assert_int_equal(f.e.kind, ERR_INVALID);
        assert_non_null(strstr(f.e.text, mistakes[i].says));
    }
    arena_fini(&f.arena);
}

static void test_nearest(void **state)
{
    static const char *const names[] = { "submit", "status", "agents" };

    (void)state;
    assert_string_equal(opts_nearest("submix", names, 3), "submit");
    assert_string_equal(opts_nearest("statux", names, 3), "status");
    assert_string_equal(opts_nearest("agent", names, 3), "agents");
    assert_null(opts_nearest("xyz", names, 3));
    assert_null(opts_nearest("", names, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_odd_words), cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_times),  cmocka_unit_test(test_mistakes),  cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
