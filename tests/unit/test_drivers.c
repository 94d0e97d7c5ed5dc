/* test_drivers.c - every row of the driver table: what marks a repository, and the exact command lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/drivers.h"

struct tree {
    const char *files;   /* " a b c ": what the root holds; "*a" is executable */
};

static bool probe(void *arg, const char *name, bool is_executable)
{
    const struct tree *t = arg;
    struct arena a = { 0 };
    bool found = strstr(t->files, arena_printf(&a, " *%s ", name)) != NULL;

    found = found || (!is_executable && strstr(t->files, arena_printf(&a, " %s ", name)));
    arena_fini(&a);
    return found;
}

/* The commands as one text: words joined with blanks, commands with " && ". */
static const char *joined(const struct drivers_plan *p, struct arena *a)
{
    const char *text = "";

    for (size_t i = 0; i < p->commands.n; i++) {
        for (size_t w = 0; w < p->commands.v[i].argv.n; w++)
            text = arena_printf(a, "%s%s%s", text, !*text ? "" : w ? " " : " && ", p->commands.v[i].argv.v[w]);
    }
    return text;
}

static const struct {
    const char *files, *target, *driver, *commands;
} rows[] = {
    { " .buckconfig MODULE.bazel Makefile ", "//a:b //c", "buck2", "buck2 build -x --y=1 //a:b //c" },
    { " .buckconfig ", NULL, "buck2", "buck2 build -x --y=1" },
    { " MODULE.bazel CMakeLists.txt ", "//...", "bazel", "bazel build -x --y=1 //..." },
    { " WORKSPACE ", "", "bazel", "bazel build -x --y=1" },
    { " CMakeLists.txt *configure Makefile meson.build ", "a b", "cmake",
      "cmake -G Ninja -S . -B .orion-build -x --y=1 && cmake --build .orion-build --target a b" },
    { " CMakeLists.txt ", " ", "cmake", "cmake -G Ninja -S . -B .orion-build -x --y=1 && cmake --build .orion-build" },
    { " meson.build Cargo.toml ", "t", "meson", "meson setup .orion-build -x --y=1 && ninja -C .orion-build t" },
    { " Cargo.toml build.ninja ", "p q", "cargo", "cargo build -j3 -x --y=1 -p p -p q" },
    { " build.ninja *configure ", "t", "ninja", "ninja -j3 -x --y=1 t" },
    { " *configure Makefile ", "all check", "configure", "./configure -x --y=1 && make -j3 all check" },
    { " configure Makefile ", " all\tcheck ", "make", "make -j3 -x --y=1 all check" },
    { " Makefile ", NULL, "make", "make -j3 -x --y=1" },
};

static void test_rows(void **state)
{
    static const char *const args[] = { "-x", "", "--y=1", "" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct drivers_order order = { .target = rows[i].target, .args = { args, ARRAY_LEN(args) }, .jobs = 3 };
        struct tree tree = { rows[i].files };
        struct drivers_plan plan;
        struct arena a = { 0 };

        assert_int_equal(drivers_plan(&order, probe, &tree, &a, &plan, NULL), 0);
        assert_string_equal(plan.driver, rows[i].driver);
        assert_string_equal(joined(&plan, &a), rows[i].commands);
        arena_fini(&a);
    }
}

static void test_named_driver_wins(void **state)
{
    struct drivers_order order = { .driver = "make", .jobs = 0 };
    struct tree tree = { " CMakeLists.txt " };
    struct drivers_plan plan;
    struct arena a = { 0 };

    (void)state;
    assert_int_equal(drivers_plan(&order, probe, &tree, &a, &plan, NULL), 0);
    assert_string_equal(joined(&plan, &a), "make -j1");
    assert_string_equal(plan.tools[0].program, "make");
    assert_string_equal(plan.tools[0].hint, "apt-get install make");
    assert_null(plan.tools[1].program);
    arena_fini(&a);
}

static void test_cmake_needs_ninja(void **state)
{
    struct drivers_order order = { .driver = "cmake" };
    struct drivers_plan plan;
    struct arena a = { 0 };

    (void)state;
    assert_int_equal(drivers_plan(&order, probe, NULL, &a, &plan, NULL), 0);
    assert_string_equal(plan.tools[1].program, "ninja");
    assert_string_equal(plan.tools[1].hint, "apt-get install ninja-build");
    assert_null(plan.tools[2].program);
    arena_fini(&a);
}

static void test_refusals(void **state)
{
    struct drivers_order order = { .driver = "scons" };
    struct tree tree = { " README " };
    struct drivers_plan plan;
    struct arena a = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(drivers_plan(&order, probe, &tree, &a, &plan, &e), -1);
    assert_string_equal(e.text, "there is no build driver \"scons\": known are buck2, bazel, cmake, meson, cargo, "
                                "ninja, configure, make");
    err_clear(&e);
    order.driver = NULL;
    assert_int_equal(drivers_plan(&order, probe, &tree, &a, &plan, &e), -1);
    assert_string_equal(e.text, "no build driver fits: none of .buckconfig, MODULE.bazel, WORKSPACE, CMakeLists.txt, "
                                "meson.build, Cargo.toml, build.ninja, configure, Makefile is in the repository's "
                                "root");
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_named_driver_wins),
        cmocka_unit_test(test_cmake_needs_ninja),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
