/* test_dispatch.c - the right handler, for the right sender, with a decoded message; everything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/dispatch.h"

struct seen {
    int pings, accepts;
    struct msg_from from;
    int64_t token;
};

static int handle_bus_ping(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_bus_ping *m = message;
    struct seen *seen = arg;

    seen->pings++;
    seen->from = *from;
    seen->token = m->token;
    return m->token == 13 ? err_set(e, ERR_CONFLICT, "not 13") : 0;
}

static int handle_task_accept(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct seen *seen = arg;

    (void)message;
    (void)e;
    seen->accepts++;
    seen->from = *from;
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_BUS_PING, FROM_GATEWAY | FROM_LOGSINK, handle_bus_ping },
    { MSG_TASK_ACCEPT, FROM_AGENT, handle_task_accept },
};

static int ping(struct seen *seen, unsigned role, int64_t token, struct err *e)
{
    struct buf b = { 0 };
    int rc;

    err_clear(e);
    msg_to_bin(&(struct msg_head){ MSG_BUS_PING, 3, 9 }, &(struct msg_bus_ping){ .token = token }, MSG_MINOR, &b);
    rc = msg_dispatch_bin(handlers, ARRAY_LEN(handlers), seen, role, "peer", (const uint8_t *)b.data, b.len, e);
    buf_fini(&b);
    return rc;
}

static void test_bin(void **state)
{
    struct seen seen = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(ping(&seen, FROM_LOGSINK, 42, &e), 0);
    assert_int_equal(seen.token, 42);
    assert_int_equal(seen.from.role, FROM_LOGSINK);
    assert_string_equal(seen.from.peer, "peer");
    assert_int_equal(seen.from.head.epoch, 3);
    assert_int_equal(seen.from.head.conn, 9);
    assert_int_equal(ping(&seen, FROM_GATEWAY, 13, &e), -1);
    assert_string_equal(e.text, "not 13");
    assert_int_equal(seen.pings, 2);
}

static void test_bin_refused(void **state)
{
    struct seen seen = { 0 };
    struct err e = { 0 };
    struct buf b = { 0 };

    (void)state;
    assert_int_equal(ping(&seen, FROM_AGENT, 1, &e), -1);
    assert_string_equal(e.text, "bus.ping may not come from this sender");
    assert_int_equal(e.kind, ERR_DENIED);
    assert_int_equal(ping(&seen, FROM_NOBODY, 1, &e), -1);
    assert_int_equal(ping(&seen, FROM_GATEWAY, -1, &e), -1);
    assert_string_equal(e.text, "bus.ping: token must be between 0 and 9223372036854775807");
    err_clear(&e);
    msg_to_bin(&(struct msg_head){ .type = MSG_BUS_PONG }, &(struct msg_bus_pong){ .token = 1 }, MSG_MINOR, &b);
    assert_int_equal(msg_dispatch_bin(handlers, ARRAY_LEN(handlers), &seen, FROM_GATEWAY, NULL, (const uint8_t *)b.data,
                                      b.len, &e), -1);
    assert_string_equal(e.text, "bus.pong is not a message for this process");
    err_clear(&e);
    assert_int_equal(msg_dispatch_bin(handlers, ARRAY_LEN(handlers), &seen, FROM_GATEWAY, NULL, (const uint8_t *)"x", 1,
                                      &e), -1);
    assert_int_equal(seen.pings, 0);
    buf_fini(&b);
}

static int json(struct seen *seen, unsigned role, const char *text, struct err *e)
{
    err_clear(e);
    return msg_dispatch_json(handlers, ARRAY_LEN(handlers), seen, role, NULL, text, strlen(text), e);
}

static void test_json(void **state)
{
    struct seen seen = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(json(&seen, FROM_AGENT, "{\"type\":\"task.accept\",\"session\":1,\"task_id\":"
                          "\"0192e4a0-7b3c-7def-8123-456789abcdef\",\"attempt\":1}", &e), 0);
    assert_int_equal(seen.accepts, 1);
    assert_int_equal(seen.from.head.type, MSG_TASK_ACCEPT);
    assert_int_equal(json(&seen, FROM_AGENT, "{\"type\":\"task.accept\",\"session\":1,\"attempt\":1}", &e), -1);
    assert_string_equal(e.text, "task.accept: task_id is missing");
    assert_string_equal(e.field, "task_id");
    assert_int_equal(json(&seen, FROM_AGENT, "{\"type\":\"bus.ping\",\"token\":1}", &e), -1);
    assert_string_equal(e.text, "bus.ping may not come from this sender");
    assert_int_equal(json(&seen, FROM_AGENT, "{\"type\":\"held\"}", &e), -1);
    assert_string_equal(e.text, "held is not a message for this process");
    assert_int_equal(json(&seen, FROM_AGENT, "{\"type\":\"no.such\"}", &e), -1);
    assert_int_equal(json(&seen, FROM_AGENT, "{", &e), -1);
    assert_int_equal(json(&seen, FROM_AGENT, "", &e), -1);
    assert_int_equal(seen.accepts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bin),
        cmocka_unit_test(test_bin_refused),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
