/* test_state.c - the state tables: every pair of state and event against the rows, and the names against the schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "proto/state.h"

/* The rows as a square, filled one by one: what task_next must answer. */
static void test_task_edges(void **state)
{
    int want[TASK_STATES][STATE_EVENTS];

    (void)state;
    memset(want, 0xff, sizeof(want));
#define TASK_EDGE(from, to, event)                                                                                     \
    assert_int_equal(want[TASK_##from][STATE_##event], -1);                                                            \
    want[TASK_##from][STATE_##event] = TASK_##to;
#include "proto/state.def"
    for (int s = 0; s < TASK_STATES; s++) {
        for (int ev = 0; ev < STATE_EVENTS; ev++) {
            assert_int_equal(task_next((enum task_state)s, (enum state_event)ev), want[s][ev]);
            if (task_is_terminal((enum task_state)s))
                assert_int_equal(want[s][ev], -1);
        }
    }
}

static void test_attempt_edges(void **state)
{
    int want[ATTEMPT_STATES][STATE_EVENTS];

    (void)state;
    memset(want, 0xff, sizeof(want));
#define ATTEMPT_EDGE(from, to, event)                                                                                  \
    assert_int_equal(want[ATTEMPT_##from][STATE_##event], -1);                                                         \
    want[ATTEMPT_##from][STATE_##event] = ATTEMPT_##to;
#include "proto/state.def"
    for (int s = 0; s < ATTEMPT_STATES; s++) {
        for (int ev = 0; ev < STATE_EVENTS; ev++) {
            assert_int_equal(attempt_next((enum attempt_state)s, (enum state_event)ev), want[s][ev]);
            if (attempt_is_terminal((enum attempt_state)s))
                assert_int_equal(want[s][ev], -1);
        }
    }
}

/* From every state that is not terminal some terminal one can be reached, and every state from the first. */
static void test_task_no_trap(void **state)
{
    bool reached[TASK_STATES] = { [TASK_WAITING] = true }, ends[TASK_STATES] = { 0 };

    (void)state;
    for (int s = 0; s < TASK_STATES; s++)
        ends[s] = task_is_terminal((enum task_state)s);
    for (int round = 0; round < TASK_STATES; round++) {
        for (int s = 0; s < TASK_STATES; s++) {
            for (int ev = 0; ev < STATE_EVENTS; ev++) {
                int to = task_next((enum task_state)s, (enum state_event)ev);

                if (to < 0)
                    continue;
                reached[to] |= reached[s];
                ends[s] |= ends[to];
            }
        }
    }
    for (int s = 0; s < TASK_STATES; s++)
        assert_true(reached[s] && ends[s]);
}

static void test_names(void **state)
{
    (void)state;
    for (int s = 0; s < TASK_STATES; s++)
        assert_int_equal(task_state_by_name(task_state_name((enum task_state)s)), s);
    for (int s = 0; s < ATTEMPT_STATES; s++)
        assert_int_equal(attempt_state_by_name(attempt_state_name((enum attempt_state)s)), s);
    assert_int_equal(task_state_by_name("stopping"), -1);
    assert_int_equal(task_state_by_name(""), -1);
    assert_int_equal(attempt_state_by_name("queued"), -1);
    assert_string_equal(task_state_seed_word(TASK_WAITING), "Pending");
    assert_string_equal(task_state_seed_word(TASK_RUNNING), "Building");
    assert_string_equal(task_state_seed_word(TASK_SUCCEEDED), "Completed");
    assert_string_equal(task_state_seed_word(TASK_FAILED), "Failed");
    assert_string_equal(task_state_seed_word(TASK_LOST), "Interrupted");
    assert_string_equal(state_event_name(STATE_SUBMIT), "submit");
    assert_string_equal(state_event_name(STATE_TIME_OUT), "time_out");
}

static char *schema_read(void)
{
    const char *top = getenv("top_srcdir");
    char *path = mem_printf("%s/sql/0001_init.sql", top ? top : ".");
    FILE *f = fopen(path, "r");
    char *text = mem_zalloc(1 << 20);

    if (!f)
        fail_msg("%s: cannot be read (set top_srcdir)", path);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    mem_free(&path);
    return text;
}

/* The words of the first `COLUMN ... CHECK (COLUMN IN ('a', 'b'))` of a table, blank-separated. */
static char *check_list(const char *schema, const char *table, const char *column)
{
    char *create = mem_printf("CREATE TABLE orion.%s (", table), *in = mem_printf("CHECK (%s IN (", column);
    const char *p = strstr(schema, create), *end;
    char *list = mem_zalloc(1024);

    assert_non_null(p);
    p = strstr(p, in);
    assert_non_null(p);
    end = strchr(p + strlen(in), ')');
    while ((p = strchr(p, '\'')) && p < end) {
        const char *close = strchr(p + 1, '\'');

        snprintf(list + strlen(list), 1024 - strlen(list), "%.*s ", (int)(close - p - 1), p + 1);
        p = close + 1;
    }
    mem_free(&create);
    mem_free(&in);
    return list;
}

static void assert_list(const char *schema, const char *table, const char *column, const char *want)
{
    char *list = check_list(schema, table, column);

    assert_string_equal(list, want);
    mem_free(&list);
}

static void test_schema(void **state)
{
    char tasks[1024] = "", attempts[1024] = "", *schema = schema_read(), *late, *save, *word;

    (void)state;
#define TASK_STATE(e, name, terminal, seed) strcat(tasks, name " ");
#define ATTEMPT_STATE(e, name, terminal) strcat(attempts, name " ");
#include "proto/state.def"
    assert_list(schema, "task", "state", tasks);
    assert_list(schema, "attempt", "state", attempts);
    late = check_list(schema, "attempt", "late_state");
    for (word = strtok_r(late, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        int s = attempt_state_by_name(word);

        assert_true(s >= 0 && attempt_is_terminal((enum attempt_state)s));
    }
    mem_free(&late);
    mem_free(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_edges), cmocka_unit_test(test_attempt_edges), cmocka_unit_test(test_task_no_trap),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
