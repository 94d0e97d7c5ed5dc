/* test_session.c - the address an agent dials. What it does there: test_agent.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/session.h"
#include "lib/mem.h"

static void test_url(void **state)
{
    static const char *const rows[][2] = {
        { "http://127.0.0.1:8004", "http://127.0.0.1:8004/ws" },
        { "http://127.0.0.1:8004/", "http://127.0.0.1:8004/ws" },
        { "ws://host/ws", "ws://host/ws" },
        { "wss://host/farm/ws", "wss://host/farm/ws" },
        { "host:8004", "host:8004/ws" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *url = session_url(rows[i][0]);

        assert_string_equal(url, rows[i][1]);
        mem_free(&url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_url) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
