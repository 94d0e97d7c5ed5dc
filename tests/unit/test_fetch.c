/* test_fetch.c - libcurl against a small HTTP server in a thread on the loopback: requests, streams, upgrades. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/fetch.h"
#include "lib/fetch_impl.h"
#include "lib/mem.h"
#include "lib/ws.h"

enum { DEADLINE_S = 60 };

#define PROTOCOL "orion.agent.v1"
#define SWITCH   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"

/* --- the server: one connection, one answer ----------------------------------------------------------- */

struct server {
    int fd;
    pthread_t thread;
    const char *answer;     /* "%s" in it: the Sec-WebSocket-Accept that fits; NULL: none at all */
    size_t filler;          /* bytes of 'x' behind the answer */
    bool drips;             /* byte by byte */
    bool echoes;            /* then gives back what it gets until "bye" */
    bool holds;             /* keeps the connection open until the client closes */
    char request[4096];
};

static void write_all(int fd, const char *data, size_t len, bool drips)
{
    while (len) {
        ssize_t n = send(fd, data, drips ? 1 : len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void answer_send(struct server *s, int fd)
{
    char *key = strcasestr(s->request, "Sec-WebSocket-Key: "), accept[WS_ACCEPT_SIZE] = "", *text, filler[1024];
    const char *mark = strstr(s->answer, "%s");

    if (key) {
        key = mem_strndup(key + 19, 24);
        ws_accept(key, accept);
        mem_free(&key);
    }
    text = mark ? mem_printf("%.*s%s%s", (int)(mark - s->answer), s->answer, accept, mark + 2) : mem_strdup(s->answer);
    write_all(fd, text, strlen(text), s->drips);
    mem_free(&text);
    memset(filler, 'x', sizeof(filler));
    for (size_t left = s->filler; left;) {
        size_t n = left < sizeof(filler) ? left : sizeof(filler);

        write_all(fd, filler, n, false);
        left -= n;
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    size_t have = 0;
    ssize_t n = 1;
    char bytes[256];

    while (n > 0 && have < sizeof(s->request) - 1 && !strstr(s->request, "\r\n\r\n")) {
        n = recv(fd, s->request + have, sizeof(s->request) - 1 - have, 0);
        have += n > 0 ? (size_t)n : 0;
    }
    if (s->answer)
        answer_send(s, fd);
    while (s->echoes && (n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        if (n >= 3 && memcmp(bytes, "bye", 3) == 0)
            break;
        write_all(fd, bytes, (size_t)n, false);
    }
    while (s->holds && recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
    close(fd);
    return NULL;
}

static char *server_start(struct server *s, const char *scheme)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return mem_printf("%s://127.0.0.1:%u/ws?x=1", scheme, ntohs(address.sin_port));
}

static void server_end(struct server *s, char **url)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
    mem_free(url);
}

/* A port on which nobody listens. */
static char *dead_url(const char *scheme)
{
    struct server s = { .answer = "" };
    char *url = server_start(&s, scheme), *copy = mem_strdup(url);

    shutdown(s.fd, SHUT_RDWR); /* ends accept */
    server_end(&s, &url);
    return copy;
}

/* --- requests ------------------------------------------------------------------------------------------ */

static void test_a_request_goes_out_as_given_and_the_answer_comes_back(void **state)
{
    struct server s = { .answer = "HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n{\"a\":1}" };
    char *url = server_start(&s, "http");
    struct fetch_response r;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(fetch_http(&(struct fetch_request){ .method = "POST", .url = url, .body = "{}", .body_len = 2,
                                                         .headers = (const char *[]){ "Content-Type: application/json",
                                                                                      "X-Y: z", NULL },
                                                         .timeout_ms = 10000 }, &r, &e), 0);
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body.data, "{\"a\":1}");
    server_end(&s, &url);
    assert_non_null(strstr(s.request, "POST /ws?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(s.request, "User-Agent: orion/" PACKAGE_VERSION "\r\n"));
    assert_non_null(strstr(s.request, "X-Y: z\r\n"));
    assert_non_null(strstr(s.request, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(s.request, "Content-Length: 2\r\n"));
    assert_null(strstr(s.request, "Expect:"));
    fetch_response_fini(&r);
}

struct stream {
    size_t bytes, stop_at;
};

static bool on_data(void *arg, const char *data, size_t len)
{
    struct stream *s = arg;

    (void)data;
    s->bytes += len;
    return !s->stop_at || s->bytes < s->stop_at;
}

static int stream_fetch(struct server *s, struct stream *to, struct fetch_response *r, struct err *e)
{
    char *url = server_start(s, "http");
    const struct fetch_request q = { .url = url, .on_data = on_data, .arg = to, .timeout_ms = 10000,
                                     .header = "x-place" };
    int rc = fetch_http(&q, r, e);

    server_end(s, &url);
    return rc;
}

static void test_a_2xx_body_streams_and_may_be_stopped(void **state)
{
    struct server all = { .answer = "HTTP/1.1 200 OK\r\n\r\n", .filler = 300000 }, some = all;
    struct stream to = { 0 }, part = { .stop_at = 1000 };
    struct fetch_response r;

    (void)state;
    assert_int_equal(stream_fetch(&all, &to, &r, NULL), 0);
    assert_int_equal(to.bytes, 300000);
    assert_int_equal(r.body.len, 0);
    assert_false(r.stopped);
    fetch_response_fini(&r);
    assert_int_equal(stream_fetch(&some, &part, &r, NULL), 0);
    assert_true(r.stopped);
    assert_true(part.bytes >= 1000);
    fetch_response_fini(&r);
}

static void test_an_error_body_is_collected_not_streamed(void **state)
{
    struct server s = { .answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone" };
    struct stream to = { 0 };
    struct fetch_response r;

    (void)state;
    assert_int_equal(stream_fetch(&s, &to, &r, NULL), 0);
    assert_int_equal(r.status, 404);
    assert_int_equal(to.bytes, 0);
    assert_string_equal(r.body.data, "none");
    fetch_response_fini(&r);
}

static void test_an_answer_that_breaks_off_is_an_error_with_a_status(void **state)
{
    struct server s = { .answer = "HTTP/1.1 200 OK\r\nX-Place: 42\r\nContent-Length: 100\r\n\r\nshort" };
    struct stream to = { 0 };
    struct fetch_response r;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(stream_fetch(&s, &to, &r, &e), -1);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.header, "42");
    assert_int_equal(to.bytes, 5);
    fetch_response_fini(&r);
}

/* libcurl calls this a success without a body: a reader took it for the end of its log. */
static void test_an_answer_that_breaks_off_in_its_head_is_an_error(void **state)
{
    static const char *const heads[] = { "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX-Place: 42\r\n",
                                         "HTTP/1.1 200 OK\r\nX-Pl", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct server s = { .answer = heads[i] };
        struct stream to = { 0 };
        struct fetch_response r;
        struct err e = { 0 };
        assert_int_equal(stream_fetch(&s, &to, &r, &e), -1);
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
        fetch_response_fini(&r);
    }
}

static void test_a_collected_body_is_bounded(void **state)
{
    struct server s = { .answer = "HTTP/1.1 200 OK\r\n\r\n", .filler = (64 << 20) + 1 };
    char *url = server_start(&s, "http");
    struct fetch_response r;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(fetch_http(&(struct fetch_request){ .url = url }, &r, &e), -1);
    assert_int_equal(e.kind, ERR_TOO_LARGE);
    fetch_response_fini(&r);
    server_end(&s, &url);
}

static void test_nobody_there(void **state)
{
    char *url = dead_url("http"), *with_user = mem_printf("http://u:secret@%s", url + 7);
    struct fetch_response r;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(fetch_http(&(struct fetch_request){ .url = with_user }, &r, &e), -1);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, url));
    assert_null(strstr(e.text, "secret"));
    assert_int_equal(r.status, 0);
    fetch_response_fini(&r);
    err_clear(&e);
    assert_int_equal(fetch_http(&(struct fetch_request){ .url = "ftp://x/" }, &r, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    fetch_response_fini(&r);
    mem_free(&url);
    mem_free(&with_user);
}

static void test_a_silent_server_times_out(void **state)
{
    struct server s = { .holds = true };
    char *url = server_start(&s, "http");
    struct fetch_response r;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(fetch_http(&(struct fetch_request){ .url = url, .timeout_ms = 100 }, &r, &e), -1);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    fetch_response_fini(&r);
    server_end(&s, &url);
}

/* --- the answer to a handshake, without a network ------------------------------------------------------- */

static void test_the_handshake_is_checked_strictly(void **state)
{
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define AGREE  "sec-websocket-protocol:\t" PROTOCOL " \r\n"
    static const struct { const char *head, *refusal; enum err_kind kind; } rows[] = {
        { SWITCH ACCEPT AGREE "\r\n", NULL, ERR_NONE },
        { "HTTP/1.0 101\r\n" "upgrade: WebSocket\r\nconnection: UPGRADE\r\n" ACCEPT AGREE "\r\n", NULL, ERR_NONE },
        { "HTTP/1.1 200 OK\r\n\r\n", "answered 200 OK", ERR_UNAVAILABLE },
        { "HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403 Forbidden", ERR_DENIED },
        { "HTTP/1.1 404 \r\n\r\n", "answered 404", ERR_NOT_FOUND },
        { "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "not HTTP", ERR_SYSTEM },
        { "HTTP/2 101\r\n\r\n", "not HTTP", ERR_SYSTEM },
        { "HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT AGREE "\r\n", "Upgrade: websocket", ERR_SYSTEM },
        { "HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT AGREE "\r\n", "Upgrade: websocket",
          ERR_SYSTEM },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: close\r\n" ACCEPT AGREE "\r\n", "Connection: Upgrade",
          ERR_SYSTEM },
        { SWITCH AGREE "\r\n", "Sec-WebSocket-Accept", ERR_SYSTEM },
        { SWITCH "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" AGREE "\r\n", "Sec-WebSocket-Accept",
          ERR_SYSTEM },
        { SWITCH ACCEPT ACCEPT AGREE "\r\n", "Sec-WebSocket-Accept", ERR_SYSTEM },
        { SWITCH ACCEPT "\r\n", "subprotocol", ERR_SYSTEM },
        { SWITCH ACCEPT "Sec-WebSocket-Protocol: orion.agent.v2\r\n\r\n", "subprotocol", ERR_SYSTEM },
        { SWITCH ACCEPT AGREE "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "permessage-deflate",
          ERR_SYSTEM },
        { SWITCH "no colon\r\n" ACCEPT AGREE "\r\n", "malformed", ERR_SYSTEM },
        { SWITCH " folded: x\r\n" ACCEPT AGREE "\r\n", "malformed", ERR_SYSTEM },
        { SWITCH ": x\r\n" ACCEPT AGREE "\r\n", "malformed", ERR_SYSTEM },
        { "\r\n\r\n", "not HTTP", ERR_SYSTEM },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };
        int rc = fetch_handshake_check(rows[i].head, strlen(rows[i].head), KEY, PROTOCOL, &e);

        if (rc != (rows[i].refusal ? -1 : 0) || e.kind != rows[i].kind ||
            (rows[i].refusal && !strstr(e.text, rows[i].refusal)))
            fail_msg("row %zu: %d %s", i, rc, e.text);
    }
    assert_int_equal(fetch_handshake_check("HTTP/1.1 101 \0\r\n\r\n", 18, KEY, PROTOCOL, NULL), -1);
}

static void test_passwords_are_not_shown(void **state)
{
    static const char *const rows[][2] = {
        { "http://u:p@h:1/a?b", "http://h:1/a?b" }, { "http://h/@x", "http://h/@x" },
        { "ws://a@b@c", "ws://c" },                 { "u:p@h", "h" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *shown = fetch_shown(rows[i][0]);

        assert_string_equal(shown, rows[i][1]);
        mem_free(&shown);
    }
}

/* --- upgrades ------------------------------------------------------------------------------------------ */

struct rig {
    struct loop *loop;
    struct fetch_upgrade *upgrade;
    struct fetch_conn *conn;
    struct watch *watch;
    struct err why;
    unsigned calls;
    struct buf got;
    size_t wanted;
};

static void on_upgraded(void *arg, struct fetch_conn *conn, const struct err *e)
{
    struct rig *r = arg;

    r->calls++;
    r->conn = conn;
    if (e)
        r->why = *e;
    fetch_upgrade_free(&r->upgrade);
    loop_stop(r->loop, 0);
}

static void rig_run(struct rig *r, const char *url, int64_t timeout_ms)
{
    *r = (struct rig){ .loop = loop_new() };
    r->upgrade = fetch_upgrade(r->loop, url, PROTOCOL, NULL, timeout_ms, on_upgraded, r);
    assert_int_equal(r->calls, 0);
    loop_run(r->loop);
    assert_int_equal(r->calls, 1);
    assert_null(r->upgrade);
}

static void rig_end(struct rig *r)
{
    watch_free(&r->watch);
    fetch_conn_free(&r->conn);
    fetch_upgrade_free(&r->upgrade);
    buf_fini(&r->got);
    loop_free(&r->loop);
}

/* Until EAGAIN, as the owner must. */
static void on_readable(void *arg, uint32_t events)
{
    struct rig *r = arg;
    char bytes[64];
    ssize_t n;

    (void)events;
    while ((n = fetch_conn_recv(r->conn, bytes, sizeof(bytes))) > 0)
        buf_append(&r->got, bytes, (size_t)n);
    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    if (n == 0 || r->got.len >= r->wanted)
        loop_stop(r->loop, 0);
}

static void read_until(struct rig *r, size_t bytes)
{
    r->wanted = bytes;
    if (!r->watch)
        r->watch = loop_watch(r->loop, fetch_conn_fd(r->conn), EPOLLIN, on_readable, r);
    loop_run(r->loop);
}

static void upgrade_works(struct server *s, const char *scheme)
{
    char *url = server_start(s, scheme);
    struct rig r;
    char bytes[8];

    rig_run(&r, url, 10000);
    if (!r.conn)
        fail_msg("%s", r.why.text);
    assert_int_equal(fetch_conn_recv(r.conn, bytes, 3), 3); /* came behind the 101 */
    assert_memory_equal(bytes, "ear", 3);
    assert_int_equal(fetch_conn_recv(r.conn, bytes, 8), 2);
    assert_memory_equal(bytes, "ly", 2);
    assert_int_equal(fetch_conn_recv(r.conn, bytes, 8), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(fetch_conn_send(r.conn, "echo", 4), 4);
    read_until(&r, 4);
    assert_string_equal(r.got.data, "echo");
    assert_int_equal(fetch_conn_send(r.conn, "bye", 3), 3);
    read_until(&r, 99); /* the end: recv says 0 */
    assert_int_equal(r.got.len, 4);
    rig_end(&r);
    server_end(s, &url);
    assert_non_null(strstr(s->request, "GET /ws?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_non_null(strstr(s->request, "Sec-WebSocket-Protocol: " PROTOCOL "\r\n"));
    assert_non_null(strstr(s->request, "Sec-WebSocket-Version: 13\r\n"));
}

#define WELCOME SWITCH "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " PROTOCOL "\r\n\r\nearly"

static void test_an_upgrade_gives_a_connection(void **state)
{
    (void)state;
    upgrade_works(&(struct server){ .answer = WELCOME, .echoes = true }, "http");
    upgrade_works(&(struct server){ .answer = WELCOME, .echoes = true }, "ws");
}

static void upgrade_fails(struct server *s, int64_t timeout_ms, const char *text)
{
    char *url = server_start(s, "ws");
    struct rig r;

    rig_run(&r, url, timeout_ms);
    assert_null(r.conn);
    if (!strstr(r.why.text, text) || !strstr(r.why.text, url))
        fail_msg("%s", r.why.text);
    rig_end(&r);
    server_end(s, &url);
}

static void test_an_upgrade_that_is_refused_says_why(void **state)
{
    (void)state;
    upgrade_fails(&(struct server){ .answer = "HTTP/1.1 503 Service Unavailable\r\n\r\n" }, 10000, "503 Service");
    upgrade_fails(&(struct server){ .answer = "HTTP/1.1 101 x\r\n\r\n", .drips = true }, 10000, "Upgrade: websocket");
    upgrade_fails(&(struct server){ .answer = "HTTP/1.1 101 x\r\n" }, 10000, "closed before the answer");
    upgrade_fails(&(struct server){ .answer = "HTTP/1.1 101 x\r\n", .filler = 9000, .holds = true }, 10000, "8 KiB");
    upgrade_fails(&(struct server){ .holds = true }, 100, "in time");
}

static void test_an_upgrade_to_nobody_fails(void **state)
{
    char *url = dead_url("ws");
    struct rig r;

    (void)state;
    rig_run(&r, url, 10000);
    assert_null(r.conn);
    assert_int_equal(r.why.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(r.why.text, url + 2)); /* libcurl's scheme is http */
    rig_end(&r);
    mem_free(&url);
}

static void test_urls_that_cannot_be(void **state)
{
    static const char *const rows[][2] = {
        { "ftp://h/", "must begin with http://" },
        { "::", "not a URL" },
        { "ws://u:secret@h/", "user name" },
        { "ws://h/a b\r\nX: y", "not a URL" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;

        rig_run(&r, rows[i][0], 1000);
        assert_null(r.conn);
        assert_int_equal(r.why.kind, ERR_INVALID);
        if (!strstr(r.why.text, rows[i][1]) || strstr(r.why.text, "secret"))
            fail_msg("%s", r.why.text);
        rig_end(&r);
    }
}

static void test_an_upgrade_may_be_cancelled(void **state)
{
    struct server s = { .holds = true };
    char *url = server_start(&s, "ws");
    struct rig r = { .loop = loop_new() };

    (void)state;
    r.upgrade = fetch_upgrade(r.loop, url, PROTOCOL, NULL, 1000, on_upgraded, &r);
    fetch_upgrade_free(&r.upgrade);
    assert_null(r.upgrade);
    shutdown(s.fd, SHUT_RDWR);
    server_end(&s, &url);
    assert_int_equal(r.calls, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_goes_out_as_given_and_the_answer_comes_back),
        cmocka_unit_test(test_a_2xx_body_streams_and_may_be_stopped),
        cmocka_unit_test(test_an_error_body_is_collected_not_streamed),
        cmocka_unit_test(test_an_answer_that_breaks_off_is_an_error_with_a_status),
        cmocka_unit_test(test_an_answer_that_breaks_off_in_its_head_is_an_error),
        cmocka_unit_test(test_a_collected_body_is_bounded),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_a_silent_server_times_out),
        cmocka_unit_test(test_the_handshake_is_checked_strictly),
        cmocka_unit_test(test_passwords_are_not_shown),
        cmocka_unit_test(test_an_upgrade_gives_a_connection),
        cmocka_unit_test(test_an_upgrade_that_is_refused_says_why),
        cmocka_unit_test(test_an_upgrade_to_nobody_fails),
        cmocka_unit_test(test_urls_that_cannot_be),
        cmocka_unit_test(test_an_upgrade_may_be_cancelled),
    };

    alarm(DEADLINE_S);
    setenv("NO_PROXY", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
