/* test_conf.c - precedence, limits, origins, and messages that name what to change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf.h"

struct settings {
    char *database;
    char *secret;
    char *name;
    int64_t port;
    int64_t lease_ms;
    int64_t spool_bytes;
    bool is_private;
    bool is_json;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_row rows[] = {
    { CONF_STR, AT(database), "database", "ORION_DATABASE_URL", "DATABASE_URL ORION_DB_PATH", NULL, 0, 0, "", "store" },
    { CONF_STR, AT(name), "name", "ORION_NAME", NULL, "orion", 0, 0, "", "name" },
    { CONF_INT, AT(port), "port", "ORION_PORT", NULL, "8004", 1, 65535, "", "port" },
    { CONF_MS, AT(lease_ms), "lease", "ORION_LEASE", NULL, "30s", 1000, 3600000, "ms", "lease" },
    { CONF_BYTES, AT(spool_bytes), "spool-max", "ORION_SPOOL_MAX", NULL, "256M", 0, 0, "bytes", "spool" },
    { CONF_BOOL, AT(is_private), "private", "ORION_PRIVATE", NULL, NULL, 0, 0, "", "private" },
    { CONF_STR, AT(secret), NULL, "ORION_TEST_SECRET", NULL, NULL, 0, 0, "", "secret" },
    { CONF_BOOL, AT(is_json), "json", NULL, NULL, NULL, 0, 0, "", "JSON" },
    CONF_END,
};

#define ARGS_MAX 12

struct fixture {
    struct settings settings;
    struct conf *conf;
    struct err e;
    char path[64];
    int argc;
    char *argv[ARGS_MAX];
};

static void file_write(struct fixture *f, const char *text)
{
    int fd;

    snprintf(f->path, sizeof(f->path), "/tmp/orion-test-conf-XXXXXX");
    fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Loads with the arguments up to NULL; argv[0] is added. */
static struct conf *load(struct fixture *f, const char *const *args)
{
    conf_free(&f->conf);
    f->settings = (struct settings){ 0 };
    err_clear(&f->e);
    f->argc = 1;
    f->argv[0] = (char *)(uintptr_t) "test";
    for (; args && *args; args++)
        f->argv[f->argc++] = (char *)(uintptr_t)*args;
    f->argv[f->argc] = NULL;
    f->conf = conf_load(rows, &f->settings, f->path[0] ? f->path : NULL, true, &f->argc, f->argv, &f->e);
    return f->conf;
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
    for (const struct conf_row *row = rows; row->help; row++) {
        if (row->env)
            unsetenv(row->env);
    }
    unsetenv("DATABASE_URL");
    unsetenv("ORION_DB_PATH");
    *state = calloc(1, sizeof(struct fixture));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    conf_free(&f->conf);
    if (f->path[0])
        unlink(f->path);
    free(f);
    return 0;
}

static void defaults(void **state)
{
    struct fixture *f = *state;

    assert_non_null(load(f, NULL));
    assert_null(f->settings.database);
    assert_string_equal(f->settings.name, "orion");
    assert_int_equal(f->settings.port, 8004);
    assert_int_equal(f->settings.lease_ms, 30000);
    assert_int_equal(f->settings.spool_bytes, 256 << 20);
    assert_false(f->settings.is_private);
    assert_string_equal(conf_origin(f->conf, "ORION_PORT"), "default");
    assert_null(conf_origin(f->conf, "ORION_NOWHERE"));
}

static void flag_over_environment_over_file(void **state)
{
    struct fixture *f = *state;
    char origin[96];

    file_write(f, "# settings\n\nORION_PORT=1001\n ORION_NAME = \"a \\\"b\\\" # c\" \nORION_LEASE=5s\nORION_LEASE=6s\n"
                  "ORION_OTHER_PROGRAM=1\nELSEWHERE=x\n");
    assert_non_null(load(f, NULL));
    assert_int_equal(f->settings.port, 1001);
    assert_string_equal(f->settings.name, "a \"b\" # c");
    assert_int_equal(f->settings.lease_ms, 6000);
    snprintf(origin, sizeof(origin), "%s:6", f->path);
    assert_string_equal(conf_origin(f->conf, "lease"), origin);
    setenv("ORION_PORT", "1002", 1);
    setenv("ORION_NAME", "", 1); /* empty: unset */
    assert_non_null(load(f, NULL));
    assert_int_equal(f->settings.port, 1002);
    assert_string_equal(f->settings.name, "a \"b\" # c");
    assert_string_equal(conf_origin(f->conf, "--port"), "ORION_PORT");
    assert_non_null(load(f, ARGS("--port", "1003", "--private")));
    assert_int_equal(f->settings.port, 1003);
    assert_true(f->settings.is_private);
    assert_string_equal(conf_origin(f->conf, "ORION_PORT"), "--port");
    assert_non_null(load(f, ARGS("--port=1004", "--private=off")));
    assert_int_equal(f->settings.port, 1004);
    assert_false(f->settings.is_private);
}

static void aliases_come_in_their_order(void **state)
{
    struct fixture *f = *state;

    file_write(f, "ORION_DB_PATH=/c\nDATABASE_URL=/b\n");
    assert_non_null(load(f, NULL));
    assert_string_equal(f->settings.database, "/b");
    setenv("ORION_DB_PATH", "/env-c", 1);
    assert_non_null(load(f, NULL));
    assert_string_equal(f->settings.database, "/env-c");
    assert_string_equal(conf_origin(f->conf, "ORION_DATABASE_URL"), "ORION_DB_PATH");
    setenv("ORION_DATABASE_URL", "/env-a", 1);
    assert_non_null(load(f, NULL));
    assert_string_equal(f->settings.database, "/env-a");
}

static void operands_stay(void **state)
{
    struct fixture *f = *state;

    assert_non_null(load(f, ARGS("submit", "--json", "repo", "-", "--port", "5", "--", "--target", "-x")));
    assert_int_equal(f->argc, 6);
    assert_string_equal(f->argv[0], "test");
    assert_string_equal(f->argv[1], "submit");
    assert_string_equal(f->argv[2], "repo");
    assert_string_equal(f->argv[3], "-");
    assert_string_equal(f->argv[4], "--target");
    assert_string_equal(f->argv[5], "-x");
    assert_null(f->argv[6]);
    assert_true(f->settings.is_json);
}

static void units(void **state)
{
    struct fixture *f = *state;

    assert_non_null(load(f, ARGS("--lease", "1h", "--spool-max", "64k")));
    assert_int_equal(f->settings.lease_ms, 3600000);
    assert_int_equal(f->settings.spool_bytes, 65536);
    assert_non_null(load(f, ARGS("--lease", "1500", "--spool-max", "2G")));
    assert_int_equal(f->settings.lease_ms, 1500);
    assert_int_equal(f->settings.spool_bytes, INT64_C(2) << 30);
    assert_non_null(load(f, ARGS("--lease=1500ms", "--spool-max=12")));
    assert_int_equal(f->settings.lease_ms, 1500);
    assert_int_equal(f->settings.spool_bytes, 12);
}

static void wrong_values_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        { "--port=0", "is not within 1..65535" },
        { "--port=65536", "is not within 1..65535" },
        { "--port=80x", "\"80x\" is not a whole number (from --port)" },
        { "--port=", "\"\" is not a whole number" },
        { "--port= 80", "\" 80\" is not a whole number" },
        { "--port=99999999999999999999", "is not a whole number" },
        { "--lease=5 s", "is not a time such as" },
        { "--lease=2h", "ORION_LEASE: 2h is not within 1000..3600000 ms" },
        { "--lease=9223372036854775807h", "is not a time" },
        { "--spool-max=1x", "is not a size such as" },
        { "--private=maybe", "is not yes or no" },
        { "--prot=80", "unknown option --prot; did you mean --port?" },
        { "--zzzzzzzz", "unknown option --zzzzzzzz" },
        { "--port", "--port needs a value" },
        { "-p", "unknown option -p" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(load(f, ARGS(wrong[i][0])));
        assert_int_equal(f->e.kind, ERR_INVALID);
        if (!strstr(f->e.text, wrong[i][1]))
            fail_msg("%s: \"%s\" lacks \"%s\"", wrong[i][0], f->e.text, wrong[i][1]);
    }
}

static void wrong_lines_are_named(void **state)
{
    static const char *const wrong[][2] = {
        { "ORION_PORT\n", ":1: a line must be NAME=value" },
        { "=5\n", ":1: a line must be NAME=value" },
        { "\nORION_NAME=\"open\n", ":2: ORION_NAME: the closing quote is missing" },
        { "ORION_NAME=\"a\"b\n", "not at the end" },
        { "ORION_PROT=1\n", ":1: unknown setting ORION_PROT; did you mean ORION_PORT?" },
        { "ORION_SPOOL_MAXX=1\n", "did you mean ORION_SPOOL_MAX?" },
        { "ORION_PORT=1\nORION_LEASE=x\n", "ORION_LEASE: \"x\" is not a time" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        file_write(f, wrong[i][0]);
        assert_null(load(f, NULL));
        if (!strstr(f->e.text, wrong[i][1]))
            fail_msg("%s: \"%s\" lacks \"%s\"", wrong[i][0], f->e.text, wrong[i][1]);
        unlink(f->path);
    }
    assert_null(load(f, NULL)); /* required, and gone */
    assert_int_equal(f->e.kind, ERR_SYSTEM);
    assert_non_null(strstr(f->e.text, "cannot read /tmp/"));
    f->conf = conf_load(rows, &f->settings, f->path, false, NULL, NULL, &f->e);
    assert_non_null(f->conf);
    f->path[0] = '\0';
}

/* Keys of other programs stand in the same file and may resemble ours from afar. */
static void neighbours_are_not_slips(void **state)
{
    struct fixture *f = *state;

    file_write(f, "ORION_HOST=::1\nORION_LABEL=x\nORION_SINK_NAME=a\nORION_LOG=info\nORION_SINKS=\n");
    assert_non_null(load(f, NULL));
}

static void passwords_are_not_printed(void **state)
{
    struct fixture *f = *state;
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    setenv("ORION_TEST_SECRET", "s3cret", 1);
    assert_non_null(load(f, ARGS("--database", "postgresql://orion:s3cret@db:5432/orion?password=s3cret&x=1", "--name",
                                 "host=/run password=s3cret port=1")));
    conf_print(f->conf, to);
    fclose(to);
    assert_null(strstr(text, "s3cret"));
    assert_non_null(
        strstr(text, "ORION_DATABASE_URL=postgresql://orion:***@db:5432/orion?password=***&x=1  (--database)\n"));
    assert_non_null(strstr(text, "ORION_NAME=host=/run password=*** port=1  (--name)\n"));
    assert_non_null(strstr(text, "ORION_TEST_SECRET=***  (ORION_TEST_SECRET)\n"));
    unsetenv("ORION_TEST_SECRET");
    assert_non_null(strstr(text, "ORION_LEASE=30s  (default)\n"));
    free(text);
}

static void usage_lists_the_flags(void **state)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    (void)state;
    conf_usage(rows, to);
    fclose(to);
    assert_non_null(strstr(text, "  --port N                 port (default 8004) [ORION_PORT]\n"));
    assert_non_null(strstr(text, "  --json                   JSON\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(flag_over_environment_over_file, setup, teardown),
        cmocka_unit_test_setup_teardown(aliases_come_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(operands_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(units, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_values_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_lines_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_are_not_slips, setup, teardown),
        cmocka_unit_test_setup_teardown(passwords_are_not_printed, setup, teardown),
        cmocka_unit_test(usage_lists_the_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
