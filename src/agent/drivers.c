/* drivers.c - the eight build tools in the order in which they are looked for. Everything about them stands in
 * two tables: what marks a repository as theirs, what they need, and their command lines. Pure.
 *
 * Words of a command line that begin with @ are replaced:
 *   @args        the task's arguments
 *   @targets     the task's targets
 *   @jobs        -jN
 *   @if:FLAG     FLAG, when there are targets
 *   @each:FLAG   FLAG and the target, for every target */
#include "agent/drivers.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t\r\n"

enum { MARKERS_MAX = 2, COMMANDS_MAX = 2, WORDS_MAX = 12 };

struct driver {
    const char *name;
    const char *markers[MARKERS_MAX + 1];
    bool marker_is_executable;
    struct drivers_tool tools[DRIVERS_TOOLS_MAX + 1];
    const char *commands[COMMANDS_MAX][WORDS_MAX];
};

static const struct driver drivers[] = {
    { "buck2",
      { ".buckconfig" },
      false,
      { { "buck2", "not in Debian; see https://buck2.build" } },
      { { "buck2", "build", "@args", "@targets" } } },
    { "bazel",
      { "MODULE.bazel", "WORKSPACE" },
      false,
      { { "bazel", "apt-get install bazel-bootstrap" } },
      { { "bazel", "build", "@args", "@targets" } } },
    { "cmake",
      { "CMakeLists.txt" },
      false,
      { { "cmake", "apt-get install cmake" }, { "ninja", "apt-get install ninja-build" } },
      { { "cmake", "-G", "Ninja", "-S", ".", "-B", ".orion-build", "@args" },
        { "cmake", "--build", ".orion-build", "@if:--target", "@targets" } } },
    { "meson",
      { "meson.build" },
      false,
      { { "meson", "apt-get install meson" }, { "ninja", "apt-get install ninja-build" } },
      { { "meson", "setup", ".orion-build", "@args" }, { "ninja", "-C", ".orion-build", "@targets" } } },
    { "cargo",
      { "Cargo.toml" },
      false,
      { { "cargo", "apt-get install cargo" } },
      { { "cargo", "build", "@jobs", "@args", "@each:-p" } } },
    { "ninja",
      { "build.ninja" },
      false,
      { { "ninja", "apt-get install ninja-build" } },
      { { "ninja", "@jobs", "@args", "@targets" } } },
    { "configure",
      { "configure" },
      true,
      { { "make", "apt-get install make" } },
      { { "./configure", "@args" }, { "make", "@jobs", "@targets" } } },
    { "make",
      { "Makefile" },
      false,
      { { "make", "apt-get install make" } },
      { { "make", "@jobs", "@args", "@targets" } } },
};

/* --- which one ------------------------------------------------------------------------------------- */

static const struct driver *driver_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (strcmp(drivers[i].name, name) == 0)
            return &drivers[i];
    }
    return NULL;
}

static const struct driver *driver_fitting(drivers_probe_fn *probe, void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        for (const char *const *marker = drivers[i].markers; *marker; marker++) {
            if (probe(arg, *marker, drivers[i].marker_is_executable))
                return &drivers[i];
        }
    }
    return NULL;
}

bool drivers_is_known(const char *name)
{
    return driver_named(name) != NULL;
}

const char *drivers_names(struct arena *a)
{
    const char *list = "";

    for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
        list = arena_printf(a, "%s%s%s", list, *list ? ", " : "", drivers[i].name);
    return list;
}

static const char *markers_all(struct arena *a)
{
    const char *list = "";

    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        for (const char *const *marker = drivers[i].markers; *marker; marker++)
            list = arena_printf(a, "%s%s%s", list, *list ? ", " : "", *marker);
    }
    return list;
}

static const struct driver *driver_choose(const struct drivers_order *order, drivers_probe_fn *probe, void *arg,
                                          struct arena *a, struct err *e)
{
    const struct driver *d;

    if (order->driver) {
        d = driver_named(order->driver);
        if (!d)
            err_set(e, ERR_NOT_FOUND, "there is no build driver \"%.32s\": known are %s", order->driver,
                    drivers_names(a));
        return d;
    }
    d = driver_fitting(probe, arg);
    if (!d)
        err_set(e, ERR_NOT_FOUND, "no build driver fits: none of %s is in the repository's root", markers_all(a));
    return d;
}

/* --- its command lines ----------------------------------------------------------------------------- */

/* A list of words that is filled once its length is known. */
struct words {
    const char **v;
    size_t n;
};

static void words_add(struct words *w, const char *word)
{
    w->v[w->n++] = word;
}

static struct words targets_split(const char *target, struct arena *a)
{
    struct words out = { 0 };
    size_t len = target ? strlen(target) : 0;

    out.v = arena_alloc(a, (len / 2 + 1) * sizeof(*out.v));
    for (const char *at = target; at && *at;) {
        size_t n;

        at += strspn(at, BLANKS);
        n = strcspn(at, BLANKS);
        if (n)
            words_add(&out, arena_strndup(a, at, n));
        at += n;
    }
    return out;
}

static void word_expand(struct words *argv, const char *word, const struct drivers_order *order,
                        const struct words *targets, struct arena *a)
{
    if (strcmp(word, "@args") == 0) {
        for (size_t i = 0; i < order->args.n; i++) {
            if (order->args.v[i][0])
                words_add(argv, order->args.v[i]);
        }
    } else if (strcmp(word, "@targets") == 0) {
        for (size_t i = 0; i < targets->n; i++)
            words_add(argv, targets->v[i]);
    } else if (strcmp(word, "@jobs") == 0) {
        words_add(argv, arena_printf(a, "-j%u", order->jobs ? order->jobs : 1));
    } else if (strncmp(word, "@if:", 4) == 0) {
        if (targets->n)
            words_add(argv, word + 4);
    } else if (strncmp(word, "@each:", 6) == 0) {
        for (size_t i = 0; i < targets->n; i++) {
            words_add(argv, word + 6);
            words_add(argv, targets->v[i]);
        }
    } else {
        words_add(argv, word);
    }
}

static struct msg_strs command_expand(const char *const *words, const struct drivers_order *order,
                                      const struct words *targets, struct arena *a)
{
    struct words argv = { 0 };

    argv.v = arena_alloc(a, (WORDS_MAX + order->args.n + 2 * targets->n) * sizeof(*argv.v));
    for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
        word_expand(&argv, words[i], order, targets, a);
    return (struct msg_strs){ .v = argv.v, .n = argv.n };
}

int drivers_plan(const struct drivers_order *order, drivers_probe_fn *probe, void *arg, struct arena *a,
                 struct drivers_plan *plan_r, struct err *e)
{
    const struct driver *d = driver_choose(order, probe, arg, a, e);
    struct msg_command *commands;
    struct words targets;
    size_t n = 0;

    if (!d)
        return -1;
    targets = targets_split(order->target, a);
    commands = arena_alloc(a, COMMANDS_MAX * sizeof(*commands));
    while (n < COMMANDS_MAX && d->commands[n][0]) {
        commands[n].argv = command_expand(d->commands[n], order, &targets, a);
        n++;
    }
    *plan_r = (struct drivers_plan){ .driver = d->name, .tools = d->tools, .commands = { commands, n } };
    return 0;
}
