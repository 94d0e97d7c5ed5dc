/* test_peers.c - the lists of schedulers and sinks: what they mean, and the sentence for what they cannot mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/peers.h"

static void test_schedulers(void **state)
{
    struct arena a = { 0 };
    const char *const *v;
    size_t n;

    (void)state;
    assert_int_equal(peers_schedulers(" ipc:///run/a.sock,tcp://[::1]:7001\n tcp://host:1 ", &a, &v, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_string_equal(v[0], "ipc:///run/a.sock");
    assert_string_equal(v[1], "tcp://[::1]:7001");
    assert_string_equal(v[2], "tcp://host:1");
    assert_int_equal(peers_schedulers("", &a, &v, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(peers_schedulers(NULL, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 0);
    arena_fini(&a);
}

static void test_sinks(void **state)
{
    struct arena a = { 0 };
    const struct peers_sink *v;
    size_t n;

    (void)state;
    assert_int_equal(peers_sinks("sink-1=ipc:///run/s+1.sock+ipc:///run/s.live b=tcp://h:1+tcp://h:2", &a, &v, &n,
                     NULL),
                     0);
    assert_int_equal(n, 2);
    assert_string_equal(v[0].name, "sink-1");
    assert_string_equal(v[0].control, "ipc:///run/s+1.sock");
    assert_string_equal(v[0].live, "ipc:///run/s.live");
    assert_string_equal(v[1].name, "b");
    assert_string_equal(v[1].control, "tcp://h:1");
    assert_string_equal(v[1].live, "tcp://h:2");
    assert_int_equal(peers_sinks(NULL, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 0);
    arena_fini(&a);
}

static void refuse_schedulers(const char *text, const char *want)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    const char *const *v;
    size_t n;

    assert_int_equal(peers_schedulers(text, &a, &v, &n, &e), -1);
    assert_string_equal(e.text, want);
    assert_string_equal(e.field, "ORION_SCHEDULERS");
    arena_fini(&a);
}

static void refuse_sinks(const char *text, const char *want)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    const struct peers_sink *v;
    size_t n;

    assert_int_equal(peers_sinks(text, &a, &v, &n, &e), -1);
    assert_string_equal(e.text, want);
    assert_string_equal(e.field, "ORION_SINKS");
    arena_fini(&a);
}

static void test_refused(void **state)
{
    static const char *const ports[] = { "tcp://h", "tcp://:1", "tcp://", "tcp://h:", "tcp://h:0", "tcp://h:65536",
                                         "tcp://h:1x", "tcp://h:999999999999999999999" };
    char long_path[200] = "ipc:///", *want;

    (void)state;
    refuse_schedulers("/run/a.sock", "ORION_SCHEDULERS: \"/run/a.sock\" must be ipc:///PATH or tcp://HOST:PORT");
    refuse_schedulers("ipc://a", "ORION_SCHEDULERS: \"ipc://a\" must be ipc:///PATH or tcp://HOST:PORT");
    refuse_schedulers("ipc:///", "ORION_SCHEDULERS: \"ipc:///\" must be ipc:///PATH or tcp://HOST:PORT");
    refuse_schedulers("ipc:///a ipc:///a", "ORION_SCHEDULERS: ipc:///a is there twice");
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        want = mem_printf("ORION_SCHEDULERS: \"%s\" must be tcp://HOST:PORT with a port from 1 to 65535", ports[i]);
        refuse_schedulers(ports[i], want);
        mem_free(&want);
    }
    memset(long_path + 7, 'x', 107);
    want = mem_printf("ORION_SCHEDULERS: the path of \"%s\" is longer than the 107 bytes a socket may have", long_path);
    refuse_schedulers(long_path, want);
    mem_free(&want);
#define EXAMPLE "must be NAME=CONTROL+LIVE, such as sink-1=ipc:///run/orion/sink-1.sock+ipc:///run/orion/sink-1.live"
    refuse_sinks("sink-1", "ORION_SINKS: \"sink-1\" " EXAMPLE);
    refuse_sinks("a=ipc:///b", "ORION_SINKS: \"a=ipc:///b\" " EXAMPLE);
    refuse_sinks("a=/b+ipc:///c", "ORION_SINKS: \"/b\" must be ipc:///PATH or tcp://HOST:PORT");
    refuse_sinks("=ipc:///b+ipc:///c", "ORION_SINKS: the name \"\" must have 1 to 64 letters, digits, '.', '_' or '-'");
    refuse_sinks("a/b=ipc:///b+ipc:///c",
                 "ORION_SINKS: the name \"a/b\" must have 1 to 64 letters, digits, '.', '_' or '-'");
    refuse_sinks("a=ipc:///b+ipc:///c a=ipc:///d+ipc:///e", "ORION_SINKS: a is there twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedulers),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
