/* test_log.c - lines as an operator sees them, read back through a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "lib/log.h"

struct capture {
    int saved, ends[2];
    char text[8192];
};

static void capture_start(struct capture *c)
{
    c->saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(c->ends), 0);
    dup2(c->ends[1], STDERR_FILENO);
    close(c->ends[1]);
}

/* The text behind the time stamp, whose form is test_clock's business. */
static const char *capture_end(struct capture *c)
{
    ssize_t n;

    dup2(c->saved, STDERR_FILENO);
    close(c->saved);
    n = read(c->ends[0], c->text, sizeof(c->text) - 1);
    close(c->ends[0]);
    c->text[n > 0 ? n : 0] = '\0';
    return c->text;
}

static void init(const char *process, const char *levels, const char *format)
{
    struct err e = { 0 };

    assert_int_equal(log_init(process, levels, format, &e), 0);
}

static void text_lines(void **state)
{
    struct capture c;
    const char *line;

    (void)state;
    init("scheduler", "info", "text");
    capture_start(&c);
    log_info("task assigned", log_str("task", "t-1"), log_int("attempt", -1), log_str("note", NULL),
             log_str("target", "a b=\"c\"\n\x1b[31m\\"), log_str("name", "Zo\xC3\xAB"), log_str("raw", "\xFFx"));
    line = capture_end(&c);
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24, " info scheduler: task assigned task=t-1 attempt=-1 note=\"\" "
                                   "target=\"a b=\\\"c\\\"\\n\\x1b[31m\\\\\" name=\"Zo\xC3\xAB\" raw=\"\\xffx\"\n");
}

static void json_lines(void **state)
{
    struct capture c;
    const char *line;

    (void)state;
    init("sink", NULL, "json");
    capture_start(&c);
    log_error("disk \"full\"", log_str("path", "/a\tb"), log_int("bytes", 12), log_str("raw", "\xC3("));
    line = capture_end(&c);
    assert_memory_equal(line, "{\"time\":\"", 9);
    assert_string_equal(
        strstr(line, ",\"level\""),
        ",\"level\":\"error\",\"process\":\"sink\",\"event\":\"disk \\\"full\\\"\",\"path\":\"/a\\u0009b\","
        "\"bytes\":12,\"raw\":\"\\ufffd(\"}\n");
}

static void a_line_without_pairs(void **state)
{
    struct capture c;
    const char *line;

    (void)state;
    init("agent", "debug", NULL);
    capture_start(&c);
    log_debug("idle");
    line = capture_end(&c);
    assert_string_equal(line + 24, " debug agent: idle\n");
}

static void levels_are_chosen_per_process(void **state)
{
    static const struct {
        const char *process, *levels;
        enum log_level highest;
    } rows[] = {
        { "gateway", "info", LOG_LEVEL_INFO },
        { "gateway", "error", LOG_LEVEL_ERROR },
        { "gateway", "info,gateway=debug", LOG_LEVEL_DEBUG },
        { "gateway", "gateway=debug,info", LOG_LEVEL_DEBUG },
        { "gateway/1", "warn,gateway=debug", LOG_LEVEL_DEBUG },
        { "scheduler", "warn,gateway=debug", LOG_LEVEL_WARN },
        { "gate", "warn,gateway=debug", LOG_LEVEL_WARN },
        { "scheduler", "gateway=debug", LOG_LEVEL_INFO },
        { "scheduler", "", LOG_LEVEL_INFO },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        init(rows[i].process, rows[i].levels, NULL);
        assert_true(log_enabled(rows[i].highest));
        assert_false(log_enabled(rows[i].highest + 1));
    }
}

static void a_quiet_level_writes_nothing(void **state)
{
    struct capture c;

    (void)state;
    init("agent", "warn", NULL);
    capture_start(&c);
    log_info("not wanted");
    assert_string_equal(capture_end(&c), "");
}

static void wrong_words_are_named(void **state)
{
    struct err e = { 0 };

    (void)state;
    assert_int_equal(log_init("agent", "info,gateway=loud", NULL, &e), -1);
    assert_non_null(strstr(e.text, "\"loud\""));
    err_clear(&e);
    assert_int_equal(log_init("agent", "info", "xml", &e), -1);
    assert_non_null(strstr(e.text, "\"xml\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(a_line_without_pairs),
        cmocka_unit_test(levels_are_chosen_per_process),
        cmocka_unit_test(a_quiet_level_writes_nothing),
        cmocka_unit_test(wrong_words_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
