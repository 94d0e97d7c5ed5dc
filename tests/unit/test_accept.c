/* test_accept.c - which form a client would rather have, and whether it wants it packed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/accept.h"

static const char *const types[] = { "text/plain", "text/event-stream", "application/jsonl", NULL };

static void assert_best(const char *header, int best)
{
    assert_int_equal(accept_best(header, types), best);
}

static void test_names_and_families(void **state)
{
    (void)state;
    assert_best(NULL, 0);
    assert_best("", 0);
    assert_best(" , ", 0);
    assert_best("*/*", 0);
    assert_best("text/*", 0);
    assert_best("application/*", 2);
    assert_best("text/event-stream", 1);
    assert_best("TEXT/Event-Stream;charset=utf-8", 1);
    assert_best("image/png", -1);
    assert_best("text/plainer", -1);
    assert_best("text", -1);
}

static void test_weights(void **state)
{
    (void)state;
    assert_best("text/plain;q=0.5, application/jsonl", 2);
    assert_best("text/plain; q=0.501, application/jsonl; q=0.5", 0);
    assert_best("*/*;q=0.1, application/jsonl;q=0.2", 2);
    assert_best("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 0);
    assert_best("text/plain;q=0, */*", 1);            /* the closest one counts */
    assert_best("text/*;q=0.3, text/event-stream;q=0.2", 0);
    assert_best("text/plain;q=0.0", -1);
    assert_best("text/plain;q=", 0);                  /* not understood: weighs 1 */
    assert_best("text/plain;v=\"a,b;q=0\";q=0.2, application/jsonl;q=0.1", 0);
}

static void test_equals_go_by_the_clients_order(void **state)
{
    (void)state;
    assert_best("application/jsonl, text/plain", 2);
    assert_best("text/event-stream, text/plain", 1);
    assert_best("text/plain, text/event-stream", 0);
}

static void test_codings(void **state)
{
    (void)state;
    assert_false(accept_coding(NULL, "gzip"));
    assert_false(accept_coding("", "gzip"));
    assert_false(accept_coding("br, deflate", "gzip"));
    assert_true(accept_coding("gzip", "gzip"));
    assert_true(accept_coding("deflate, gzip;q=0.5, br", "gzip"));
    assert_true(accept_coding("*", "gzip"));
    assert_false(accept_coding("gzip;q=0, *", "gzip"));
    assert_false(accept_coding("identity, *;q=0", "gzip"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_families),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_equals_go_by_the_clients_order),
        cmocka_unit_test(test_codings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
