/* test_bus.c - ZeroMQ sockets on the loop: bounds, errors, lost peers, and above all that no message is stranded. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bus.h"
#include "lib/mem.h"

enum { QUEUE = 20000, DEADLINE_S = 60 };

struct seen {
    struct rig *rig;
    struct bus_socket *socket;
    struct bus_peer peer;
    size_t messages, wanted;   /* the loop stops at `wanted` */
    unsigned next;             /* number the next message must have */
    bool is_numbered;
    char topic[32], data[32];
    bool echoes, closes;
};

struct rig {
    char dir[32], endpoint[64];
    struct loop *loop;
    struct bus *bus;
    struct timer *poll;        /* for errors that show only in a send */
    struct seen router, dealer;
    int tries;
    int want_error, error;
};

/* No bus yet: a context would not survive a fork. */
static struct rig *rig_new(void)
{
    struct rig *r = mem_zalloc(sizeof(*r));

    snprintf(r->dir, sizeof(r->dir), "/tmp/orion-test-bus.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->endpoint, sizeof(r->endpoint), "ipc://%s/bus", r->dir);
    r->router.rig = r->dealer.rig = r;
    return r;
}

static void rig_start(struct rig *r)
{
    r->loop = loop_new();
    r->bus = bus_new(r->loop);
}

static int setup(void **state)
{
    struct rig *r = rig_new();

    rig_start(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    timer_free(&r->poll);
    bus_free(&r->bus);
    loop_free(&r->loop);
    unlink(r->endpoint + 6);
    assert_int_equal(rmdir(r->dir), 0);
    mem_free(&r);
    return 0;
}

static void on_message(void *arg, const struct bus_frame *f)
{
    struct seen *s = arg;
    unsigned number;

    s->messages++;
    if (f->peer)
        s->peer = *f->peer;
    snprintf(s->topic, sizeof(s->topic), "%.*s", (int)f->topic_len, f->topic ? (const char *)f->topic : "");
    snprintf(s->data, sizeof(s->data), "%.*s", (int)f->len, (const char *)f->data);
    if (s->is_numbered) {
        assert_int_equal(f->len, sizeof(number));
        memcpy(&number, f->data, sizeof(number));
        assert_int_equal(number, s->next++);
    }
    if (s->echoes)
        assert_int_equal(bus_send(s->socket, f->peer, f->data, f->len), 0);
    if (s->closes)
        bus_close(&s->socket);
    if (s->messages == s->wanted)
        loop_stop(s->rig->loop, 0);
}

static void run_until(struct seen *s, size_t messages)
{
    s->wanted = messages;
    if (s->messages < messages)
        loop_run(s->rig->loop);
    assert_int_equal(s->messages, messages);
}

static struct bus_socket *bind_router(struct rig *r)
{
    struct err e = { 0 };

    r->router.socket = bus_bind(r->bus, BUS_ROUTER, r->endpoint, QUEUE, on_message, &r->router, &e);
    if (!r->router.socket)
        fail_msg("%s", e.text);
    return r->router.socket;
}

static struct bus_socket *connect_dealer(struct rig *r)
{
    r->dealer.socket = bus_connect(r->bus, BUS_DEALER, r->endpoint, QUEUE, on_message, &r->dealer, NULL);
    assert_non_null(r->dealer.socket);
    return r->dealer.socket;
}

/* Sends until the answer is what is waited for. */
static void on_try(void *arg)
{
    struct rig *r = arg;
    int rc = r->dealer.socket ? bus_send(r->dealer.socket, NULL, "hello", 5)
                              : bus_send(r->router.socket, &r->router.peer, "anybody?", 8);

    r->error = rc < 0 ? errno : 0;
    r->tries++;
    if (r->error == r->want_error)
        loop_stop(r->loop, 0);
    else
        timer_in(r->poll, 5);
}

static void send_until(struct rig *r, int error)
{
    r->want_error = error;
    r->tries = 0;
    timer_free(&r->poll);
    r->poll = loop_timer(r->loop, on_try, r);
    timer_in(r->poll, 0);
    loop_run(r->loop);
    assert_int_equal(r->error, error);
}

/* Both ends are connected and have spoken. */
static void meet(struct rig *r)
{
    bind_router(r);
    connect_dealer(r);
    send_until(r, 0);
    run_until(&r->router, 1);
    assert_string_equal(r->router.data, "hello");
}

static void test_a_dealer_and_a_router_talk(void **state)
{
    struct rig *r = *state;
    struct stat st;

    meet(r);
    assert_int_not_equal(r->router.peer.id[0], 0);
    assert_int_equal(stat(r->endpoint + 6, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(bus_send(r->router.socket, &r->router.peer, "welcome", 7), 0);
    run_until(&r->dealer, 1);
    assert_string_equal(r->dealer.data, "welcome");
    assert_int_equal(bus_send(r->router.socket, &r->router.peer, "", 0), 0);
    run_until(&r->dealer, 2);
}

/* More than one bounded drain, behind one or few edges, and the receiver sends in between: each send may eat an
 * edge. */
static void test_ten_thousand_messages_arrive_in_order(void **state)
{
    enum { MESSAGES = 10000 };
    struct rig *r = *state;

    meet(r);
    r->router.is_numbered = r->router.echoes = r->dealer.is_numbered = true;
    for (unsigned i = 0; i < MESSAGES; i++)
        assert_int_equal(bus_send(r->dealer.socket, NULL, &i, sizeof(i)), 0);
    run_until(&r->dealer, MESSAGES);
    assert_int_equal(r->router.messages, MESSAGES + 1);
}

static bool on_late_hook(void *arg)
{
    struct rig *r = arg;

    if (r->tries++ < 1000)
        assert_int_equal(bus_send(r->router.socket, &r->router.peer, "tick", 4), 0);
    return false;
}

/* A hook behind the bus's own, as a service has it: what it sends and swallows must not wait for another event. */
static void test_a_hook_that_sends_strands_nothing(void **state)
{
    struct rig *r = *state;
    struct hook *hook;

    meet(r);
    r->tries = 0;
    r->dealer.echoes = true;
    hook = loop_hook(r->loop, on_late_hook, r);
    run_until(&r->router, 1001);
    hook_free(&hook);
}

static void test_sending_says_what_is_wrong(void **state)
{
    struct rig *r = *state;
    struct bus_peer nobody = { { 1, 2, 3 } };
    char *large = mem_zalloc(BUS_MESSAGE_MAX + 1);

    connect_dealer(r);
    assert_int_equal(bus_send(r->dealer.socket, NULL, "x", 1), -1);
    assert_int_equal(errno, EAGAIN);
    bind_router(r);
    assert_int_equal(bus_send(r->router.socket, &nobody, "x", 1), -1);
    assert_int_equal(errno, EHOSTUNREACH);
    send_until(r, 0);
    run_until(&r->router, 1);
    assert_int_equal(bus_send(r->dealer.socket, NULL, large, BUS_MESSAGE_MAX + 1), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(bus_send(r->dealer.socket, NULL, large, BUS_MESSAGE_MAX), 0);
    run_until(&r->router, 2);
    mem_free(&large);
}

static void test_a_paused_socket_fills_its_queues_and_loses_nothing(void **state)
{
    struct rig *r = *state;
    struct seen *in = &r->router;
    unsigned sent = 0;

    in->socket = bus_bind(r->bus, BUS_ROUTER, r->endpoint, 10, on_message, in, NULL);
    r->dealer.socket = bus_connect(r->bus, BUS_DEALER, r->endpoint, 10, on_message, &r->dealer, NULL);
    send_until(r, 0);
    run_until(in, 1);
    bus_pause(in->socket, true);
    in->is_numbered = true;
    /* the kernel's buffer takes some as well */
    while (bus_send(r->dealer.socket, NULL, &sent, sizeof(sent)) == 0)
        assert_true(++sent < 1000000);
    assert_int_equal(errno, EAGAIN);
    assert_true(sent >= 5); /* credit comes back in batches of half a queue */
    assert_int_equal(in->messages, 1);
    bus_pause(in->socket, false);
    run_until(in, 1 + sent);
}

static void test_a_closed_dealer_is_unreachable(void **state)
{
    struct rig *r = *state;

    meet(r);
    bus_close(&r->dealer.socket);
    assert_null(r->dealer.socket);
    send_until(r, EHOSTUNREACH);
}

static void test_a_killed_peer_is_unreachable_and_a_new_one_served(void **state)
{
    struct rig *r = rig_new();
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        alarm(DEADLINE_S);
        rig_start(r);
        connect_dealer(r);
        send_until(r, 0);
        loop_run(r->loop);
        _exit(0);
    }
    rig_start(r);
    bind_router(r);
    run_until(&r->router, 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    send_until(r, EHOSTUNREACH);
    connect_dealer(r);
    send_until(r, 0);
    run_until(&r->router, 2);
    *state = r;
    teardown(state);
}

static void test_a_dealer_finds_a_router_that_comes_back(void **state)
{
    struct rig *r = *state;
    struct bus_peer before;

    meet(r);
    before = r->router.peer;
    bus_close(&r->router.socket);
    send_until(r, EAGAIN);
    do { /* ZeroMQ's own thread closes the listener */
        sched_yield();
        r->router.socket = bus_bind(r->bus, BUS_ROUTER, r->endpoint, QUEUE, on_message, &r->router, NULL);
    } while (!r->router.socket);
    r->router.messages = 0;
    send_until(r, 0);
    run_until(&r->router, 1);
    assert_memory_equal(&before, &r->router.peer, sizeof(before));
}

static void test_subscriptions_are_seen_and_filter(void **state)
{
    struct rig *r = *state;
    struct seen *pub = &r->router, *sub = &r->dealer;
    struct bus_socket *second;
    struct seen seen_second = { .rig = r };

    pub->socket = bus_bind(r->bus, BUS_XPUB, r->endpoint, QUEUE, on_message, pub, NULL);
    sub->socket = bus_connect(r->bus, BUS_SUB, r->endpoint, QUEUE, on_message, sub, NULL);
    bus_subscribe(sub->socket, "log.1", 5);
    run_until(pub, 1);
    assert_string_equal(pub->topic, "log.1");
    assert_string_equal(pub->data, "1");
    assert_int_equal(bus_publish(pub->socket, "log.2", 5, "no", 2), 0);
    assert_int_equal(bus_publish(pub->socket, "log.1", 5, "yes", 3), 0);
    run_until(sub, 1);
    assert_string_equal(sub->topic, "log.1");
    assert_string_equal(sub->data, "yes");

    /* every subscription is seen, known topics included, and so is the end of a subscriber */
    second = bus_connect(r->bus, BUS_SUB, r->endpoint, QUEUE, on_message, &seen_second, NULL);
    bus_subscribe(second, "log.1", 5);
    run_until(pub, 2);
    assert_string_equal(pub->data, "1");
    bus_close(&second);
    run_until(pub, 3);
    assert_string_equal(pub->topic, "log.1");
    assert_string_equal(pub->data, "0");
    bus_unsubscribe(sub->socket, "log.1", 5);
    run_until(pub, 4);
    assert_string_equal(pub->data, "0");
}

static void test_a_callback_may_close_its_socket(void **state)
{
    struct rig *r = *state;

    meet(r);
    r->router.closes = true;
    for (int i = 0; i < 10; i++)
        bus_send(r->dealer.socket, NULL, "x", 1);
    run_until(&r->router, 2);
    assert_null(r->router.socket);
    send_until(r, EAGAIN);
}

static void refuse_bind(struct rig *r, const char *endpoint, enum err_kind kind, const char *text)
{
    struct err e = { 0 };

    assert_null(bus_bind(r->bus, BUS_ROUTER, endpoint, 1, on_message, NULL, &e));
    assert_int_equal(e.kind, kind);
    if (!strstr(e.text, text))
        fail_msg("%s", e.text);
}

static void test_endpoints_that_cannot_be(void **state)
{
    struct rig *r = *state;
    char path[160], expected[64];
    FILE *f;

    refuse_bind(r, "udp://x", ERR_INVALID, "neither ipc://PATH nor tcp://HOST:PORT");
    refuse_bind(r, "ipc://relative", ERR_INVALID, "must begin with /");
    snprintf(path, sizeof(path), "ipc://%s/%0*d", r->dir, (int)(107 - strlen(r->dir)), 0);
    refuse_bind(r, path, ERR_INVALID, "the path has 108 bytes; a socket's may have 107 at most");
    snprintf(path, sizeof(path), "ipc://%s/no/such/dir", r->dir);
    refuse_bind(r, path, ERR_SYSTEM, "No such file");
    refuse_bind(r, "tcp://127.0.0.1", ERR_SYSTEM, "Invalid argument");

    f = fopen(r->endpoint + 6, "w");
    fclose(f);
    refuse_bind(r, r->endpoint, ERR_CONFLICT, "is not a socket");
    unlink(r->endpoint + 6);
    bind_router(r);
    snprintf(expected, sizeof(expected), "is in use by process %d", (int)getpid());
    refuse_bind(r, r->endpoint, ERR_CONFLICT, expected);
}

static void test_a_stale_socket_file_is_replaced(void **state)
{
    struct rig *r = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", r->endpoint + 6);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    meet(r);
}

int main(void)
{
#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_killed_peer_is_unreachable_and_a_new_one_served),
        WITH_RIG(test_a_dealer_and_a_router_talk),
        WITH_RIG(test_ten_thousand_messages_arrive_in_order),
        WITH_RIG(test_a_hook_that_sends_strands_nothing),
        WITH_RIG(test_sending_says_what_is_wrong),
        WITH_RIG(test_a_paused_socket_fills_its_queues_and_loses_nothing),
        WITH_RIG(test_a_closed_dealer_is_unreachable),
        WITH_RIG(test_a_dealer_finds_a_router_that_comes_back),
        WITH_RIG(test_subscriptions_are_seen_and_filter),
        WITH_RIG(test_a_callback_may_close_its_socket),
        WITH_RIG(test_endpoints_that_cannot_be),
        WITH_RIG(test_a_stale_socket_file_is_replaced),
    };

    alarm(DEADLINE_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
