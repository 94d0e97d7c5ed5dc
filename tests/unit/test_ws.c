/* test_ws.c - both ends of a WebSocket joined by two pipes in memory; raw bytes where a peer has to misbehave. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/ws.h"

enum { MESSAGE_MAX = 100000 };

/* One direction. */
struct pipe {
    struct buf bytes;
    size_t room;     /* what it takes before EAGAIN */
    size_t step;     /* what one read gives at most */
    bool is_ended, is_broken;
    unsigned writes;
};

struct end {
    struct ws *ws;
    struct pipe *in, *out;
    struct buf log;           /* "t:TEXT b:BYTES p " */
    size_t messages, bytes;
    const char *answer;       /* sent for every message */
    bool closes;              /* ws_close at every message */
};

struct pair {
    struct pipe up, down;
    struct end client, server;
};

static ssize_t pipe_recv(void *arg, void *data, size_t len)
{
    struct pipe *p = ((struct end *)arg)->in;

    if (p->bytes.len == 0) {
        errno = EAGAIN;
        return p->is_ended ? 0 : -1;
    }
    len = len < p->bytes.len ? len : p->bytes.len;
    len = len < p->step ? len : p->step;
    memcpy(data, p->bytes.data, len);
    buf_consume(&p->bytes, len);
    return (ssize_t)len;
}

static ssize_t pipe_send(void *arg, const void *data, size_t len)
{
    struct pipe *p = ((struct end *)arg)->out;

    errno = p->is_broken ? EPIPE : EAGAIN;
    if (p->is_broken || p->bytes.len >= p->room)
        return -1;
    len = len < p->room - p->bytes.len ? len : p->room - p->bytes.len;
    buf_append(&p->bytes, data, len);
    p->writes++;
    return (ssize_t)len;
}

static void on_message(void *arg, bool binary, const uint8_t *data, size_t len)
{
    struct end *e = arg;

    e->messages++;
    e->bytes += len;
    if (len < 100)
        buf_printf(&e->log, "%c:%.*s ", binary ? 'b' : 't', (int)len, (const char *)data);
    if (e->answer)
        ws_text(e->ws, e->answer, strlen(e->answer));
    if (e->closes)
        ws_close(e->ws, WS_CLOSE_POLICY, "enough");
}

static void on_pong(void *arg)
{
    buf_puts(&((struct end *)arg)->log, "p ");
}

static const struct ws_hooks hooks = { pipe_recv, pipe_send, on_message, on_pong };

static int setup(void **state)
{
    struct pair *p = mem_zalloc(sizeof(*p));

    p->up = p->down = (struct pipe){ .room = SIZE_MAX, .step = SIZE_MAX };
    p->client = (struct end){ .ws = ws_new(false, MESSAGE_MAX, &hooks, &p->client), .in = &p->down, .out = &p->up };
    p->server = (struct end){ .ws = ws_new(true, MESSAGE_MAX, &hooks, &p->server), .in = &p->up, .out = &p->down };
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    ws_free(&p->client.ws);
    ws_free(&p->server.ws);
    assert_null(p->client.ws);
    buf_fini(&p->client.log);
    buf_fini(&p->server.log);
    buf_fini(&p->up.bytes);
    buf_fini(&p->down.bytes);
    mem_free(&p);
    return 0;
}

/* A frame as a client sends it (mask 0, so that the payload stays legible) or as a server does. */
static void put_frame(struct pipe *p, uint8_t first, bool masked, const void *data, size_t len)
{
    const uint8_t mask[4] = { 0 };

    buf_putc(&p->bytes, (char)first);
    if (len < 126) {
        buf_putc(&p->bytes, (char)((masked ? 0x80 : 0) | len));
    } else {
        assert_true(len < 65536);
        buf_putc(&p->bytes, (char)((masked ? 0x80 : 0) | 126));
        for (int shift = 8; shift >= 0; shift -= 8)
            buf_putc(&p->bytes, (char)(len >> shift));
    }
    if (masked)
        buf_append(&p->bytes, mask, sizeof(mask));
    buf_append(&p->bytes, data, len);
}

/* The code of the close frame that the server wrote last; it is all there is in the pipe. */
static unsigned close_code_in(const struct pipe *p)
{
    const uint8_t *b = (const uint8_t *)p->bytes.data;

    assert_true(p->bytes.len >= 4);
    assert_int_equal(b[0], 0x88);
    assert_true(b[1] >= 2 && b[1] + 2u == p->bytes.len);
    return (unsigned)(b[2] << 8 | b[3]);
}

static void test_messages_go_both_ways(void **state)
{
    struct pair *p = *state;

    p->server.answer = "yes";
    ws_text(p->client.ws, "hello", 5);
    ws_text(p->client.ws, "", 0);
    assert_true(ws_wants_write(p->client.ws));
    assert_int_equal(ws_queued(p->client.ws), 5);
    assert_int_equal(ws_writable(p->client.ws), WS_OPEN);
    assert_false(ws_wants_write(p->client.ws));
    assert_int_equal(ws_queued(p->client.ws), 0);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_string_equal(p->server.log.data, "t:hello t: ");
    assert_int_equal(ws_readable(p->client.ws), WS_OPEN);
    assert_string_equal(p->client.log.data, "t:yes t:yes ");
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_ABNORMAL);
}

static void test_client_frames_are_masked_and_differ(void **state)
{
    struct pair *p = *state;

    ws_binary(p->client.ws, "same", 4);
    ws_binary(p->client.ws, "same", 4);
    ws_writable(p->client.ws);
    assert_int_equal(p->up.bytes.len, 20);
    assert_int_equal((uint8_t)p->up.bytes.data[1], 0x84);
    assert_memory_not_equal(p->up.bytes.data + 2, p->up.bytes.data + 12, 4);
    ws_readable(p->server.ws);
    assert_string_equal(p->server.log.data, "b:same b:same ");
}

static void test_input_may_come_byte_by_byte(void **state)
{
    static const char text[] = "Grüße \xE2\x82\xAC \xF0\x9F\x98\x80";
    struct pair *p = *state;

    p->up.step = 1;
    ws_text(p->client.ws, text, sizeof(text) - 1);
    ws_binary(p->client.ws, "\xff", 1);
    ws_ping(p->client.ws);
    ws_close(p->client.ws, 4008, "grün");
    ws_writable(p->client.ws);
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_string_equal(p->server.log.data, "t:Grüße \xE2\x82\xAC \xF0\x9F\x98\x80 b:\xff ");
    assert_int_equal(ws_close_code(p->server.ws), 4008);
    assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), 4008);
}

static void test_bytes_of_the_handshake_come_first(void **state)
{
    struct pair *p = *state;
    struct pipe early = { 0 };

    put_frame(&early, 0x81, true, "one two", 7);
    ws_feed(p->server.ws, early.bytes.data, 4);
    ws_feed(p->server.ws, early.bytes.data + 4, 3);
    buf_append(&p->up.bytes, early.bytes.data + 7, early.bytes.len - 7);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_string_equal(p->server.log.data, "t:one two ");
    buf_fini(&early.bytes);
}

static void test_text_overtakes_binary_and_a_close_overtakes_nothing(void **state)
{
    struct pair *p = *state;

    ws_binary(p->client.ws, "chunk 1", 7);
    ws_binary(p->client.ws, "chunk 2", 7);
    ws_text(p->client.ws, "control", 7);
    ws_close(p->client.ws, WS_CLOSE_NORMAL, "done");
    ws_text(p->client.ws, "too late", 8);
    ws_binary(p->client.ws, "too late", 8);
    assert_int_equal(ws_writable(p->client.ws), WS_OPEN);
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_string_equal(p->server.log.data, "t:control b:chunk 1 b:chunk 2 ");
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_NORMAL);
    assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_NORMAL);
}

static void test_a_close_waits_for_its_answer(void **state)
{
    struct pair *p = *state;

    ws_close(p->server.ws, WS_CLOSE_GOING_AWAY, "");
    ws_close(p->server.ws, WS_CLOSE_POLICY, "the first counts");
    assert_int_equal(ws_writable(p->server.ws), WS_OPEN);
    assert_false(ws_wants_write(p->server.ws));
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_ABNORMAL);
    put_frame(&p->up, 0x81, true, "ignored", 7);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_int_equal(p->server.messages, 0);
    assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_GOING_AWAY);
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_GOING_AWAY);
}

/* wslay itself would call these a protocol error. */
static void test_registered_close_codes_pass(void **state)
{
    static const uint16_t codes[] = { 1012, 1013, 1014, 3000, 4999 };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct pair *p;

        setup(state);
        p = *state;
        ws_close(p->server.ws, codes[i], "restart");
        ws_writable(p->server.ws);
        assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
        assert_int_equal(ws_close_code(p->client.ws), codes[i]);
        assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
        assert_int_equal(ws_close_code(p->server.ws), codes[i]);
        teardown(state);
    }
}

static void test_a_close_without_code(void **state)
{
    struct pair *p = *state;

    put_frame(&p->up, 0x88, true, "", 0);
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_NO_CODE);
}

static void test_a_long_reason_is_cut_between_characters(void **state)
{
    struct pair *p = *state;
    char reason[201];

    memset(reason, 'x', 122);
    for (size_t i = 122; i < 200; i += 2)
        memcpy(reason + i, "\xC3\xBC", 2);
    reason[200] = '\0';
    ws_close(p->server.ws, WS_CLOSE_NORMAL, reason);
    ws_writable(p->server.ws);
    assert_int_equal(p->down.bytes.len, 2 + 2 + 122);
    assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_NORMAL);
}

static void test_a_callback_may_close(void **state)
{
    struct pair *p = *state;

    p->server.closes = true;
    ws_text(p->client.ws, "a", 1);
    ws_text(p->client.ws, "b", 1);
    ws_writable(p->client.ws);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_string_equal(p->server.log.data, "t:a ");
    assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_POLICY);
}

static void test_pings_are_answered(void **state)
{
    struct pair *p = *state;

    ws_ping(p->server.ws);
    ws_writable(p->server.ws);
    ws_readable(p->client.ws);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_string_equal(p->server.log.data, "p ");
}

/* What each kind of misbehaviour is answered with, by a server. */
static void test_protocol_errors_have_their_codes(void **state)
{
    static const struct { const char *what, *bytes; size_t len; unsigned code; } rows[] = {
#define ROW(what, bytes, code) { what, bytes, sizeof(bytes) - 1, code }
        ROW("an unmasked frame", "\x81\x01x", WS_CLOSE_PROTOCOL),
        ROW("HTTP", "GET / HTTP/1.1\r\n\r\n", WS_CLOSE_PROTOCOL),
        ROW("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", WS_CLOSE_PROTOCOL),
        ROW("a reserved bit", "\xC1\x81\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a reserved opcode", "\x83\x81\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a continuation of nothing", "\x80\x81\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a message inside a message", "\x01\x81\0\0\0\0x\x81\x81\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a fragmented ping", "\x09\x81\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a ping of 126 bytes", "\x89\xFE\x00\x7E\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a length in too many bytes", "\x81\xFE\x00\x01\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a negative length", "\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0x", WS_CLOSE_PROTOCOL),
        ROW("a close code that must not be sent", "\x88\x82\0\0\0\0\x03\xEE", WS_CLOSE_PROTOCOL),
        ROW("invalid UTF-8", "\x81\x82\0\0\0\0\xC3\x28", WS_CLOSE_BAD_DATA),
        ROW("a cut UTF-8 character", "\x81\x82\0\0\0\0x\xC3", WS_CLOSE_BAD_DATA),
        ROW("a surrogate", "\x81\x83\0\0\0\0\xED\xA0\x80", WS_CLOSE_BAD_DATA),
        ROW("a frame over the limit", "\x82\xFF\x00\x00\x00\x00\x00\x01\x86\xA1\0\0\0\0x", WS_CLOSE_TOO_BIG),
        ROW("a huge frame", "\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0x", WS_CLOSE_TOO_BIG),
#undef ROW
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pair *p;
        enum ws_status status;

        setup(state);
        p = *state;
        buf_append(&p->up.bytes, rows[i].bytes, rows[i].len);
        status = ws_readable(p->server.ws);
        if (status != WS_CLOSED || close_code_in(&p->down) != rows[i].code)
            fail_msg("%s: status %d, %zu bytes", rows[i].what, (int)status, p->down.bytes.len);
        if (rows[i].code != WS_CLOSE_PROTOCOL || p->server.messages)
            assert_int_equal(ws_close_code(p->server.ws), rows[i].code);
        assert_int_equal(p->server.messages, 0);
        teardown(state);
    }
}

static void test_a_client_says_1002_too(void **state)
{
    struct pair *p = *state;

    buf_append(&p->down.bytes, "\x89\x7E\x00\x7Ex", 5);
    assert_int_equal(ws_readable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_PROTOCOL);
    assert_int_equal(p->up.bytes.len, 8);
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_PROTOCOL);
}

static void test_the_limit_holds_for_the_sum_of_fragments(void **state)
{
    struct pair *p = *state;
    char *half = mem_zalloc(60000);

    put_frame(&p->up, 0x02, true, half, 60000);
    put_frame(&p->up, 0x80, true, half, 40000);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_int_equal(p->server.bytes, MESSAGE_MAX);
    put_frame(&p->up, 0x02, true, half, 60000);
    put_frame(&p->up, 0x80, true, half, 40001);
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_int_equal(p->server.messages, 1);
    assert_int_equal(close_code_in(&p->down), WS_CLOSE_TOO_BIG);
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_TOO_BIG);
    mem_free(&half);
}

static void test_too_many_fragments_are_refused(void **state)
{
    struct pair *p = *state;

    put_frame(&p->up, 0x02, true, "x", 1);
    for (int i = 0; i < 5000; i++)
        put_frame(&p->up, 0x00, true, "x", 1);
    put_frame(&p->up, 0x80, true, "x", 1);
    while (ws_readable(p->server.ws) == WS_OPEN && p->up.bytes.len)
        ;
    assert_int_equal(p->server.messages, 0);
    assert_int_equal(close_code_in(&p->down), WS_CLOSE_TOO_BIG);
}

static void test_what_follows_an_error_is_thrown_away_until_the_close_is_out(void **state)
{
    struct pair *p = *state;

    p->down.room = 0;
    buf_puts(&p->up.bytes, "GET / HTTP/1.1");
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_true(ws_wants_write(p->server.ws));
    put_frame(&p->up, 0x81, true, "more", 4);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_int_equal(p->up.bytes.len, 0);
    assert_int_equal(p->server.messages, 0);
    p->down.room = SIZE_MAX;
    assert_int_equal(ws_writable(p->server.ws), WS_CLOSED);
    assert_int_equal(close_code_in(&p->down), WS_CLOSE_PROTOCOL);
}

static void test_a_peer_that_never_fetches_pongs_is_dropped(void **state)
{
    struct pair *p = *state;
    enum ws_status status = WS_OPEN;
    int pings = 0;

    p->down.room = 0;
    for (; pings < 20000 && status == WS_OPEN; pings++) {
        put_frame(&p->up, 0x89, true, "payload", 7);
        status = ws_readable(p->server.ws);
    }
    assert_int_equal(status, WS_CLOSED);
    assert_in_range(pings, 1000, 8000);
    assert_false(ws_wants_write(p->server.ws));
}

static void test_many_pings_at_once_are_all_answered(void **state)
{
    struct pair *p = *state;

    for (int i = 0; i < 5000; i++)
        put_frame(&p->up, 0x89, true, "x", 1);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_int_equal(p->down.bytes.len, 5000 * 3);
}

static void test_the_end_of_the_transport_is_1006(void **state)
{
    struct pair *p = *state;

    p->up.is_ended = true;
    buf_puts(&p->up.bytes, "\x81");
    assert_int_equal(ws_readable(p->server.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->server.ws), WS_CLOSE_ABNORMAL);
    assert_int_equal(p->down.bytes.len, 0);
    p->up.is_broken = true;
    ws_text(p->client.ws, "x", 1);
    assert_int_equal(ws_writable(p->client.ws), WS_CLOSED);
    assert_int_equal(ws_close_code(p->client.ws), WS_CLOSE_ABNORMAL);
}

static void test_ws_queued_counts_what_the_transport_has_not_taken(void **state)
{
    struct pair *p = *state;
    char *data = mem_zalloc(50000);
    size_t queued;

    p->down.room = 1000;
    ws_binary(p->server.ws, data, 50000);
    ws_binary(p->server.ws, data, 50000);
    assert_int_equal(ws_queued(p->server.ws), 100000);
    for (size_t i = 0; i < 110; i++) {
        size_t before = ws_queued(p->server.ws);

        assert_int_equal(ws_writable(p->server.ws), WS_OPEN);
        queued = ws_queued(p->server.ws);
        assert_true(queued <= before + 8); /* a header of four or ten bytes shows when it is made */
        assert_true(queued + p->down.bytes.len + 1000 * i <= 100000 + 8 || i >= 99);
        buf_reset(&p->down.bytes);
    }
    assert_int_equal(ws_queued(p->server.ws), 0);
    mem_free(&data);
}

/* 100 frames of 100 bytes leave in one write; a read is bounded and says so. */
static void test_writes_are_joined_and_reads_bounded(void **state)
{
    struct pair *p = *state;
    char *data = mem_zalloc(90000);

    for (int i = 0; i < 100; i++)
        ws_text(p->server.ws, data, 100);
    ws_writable(p->server.ws);
    assert_int_equal(p->down.writes, 1);

    for (int i = 0; i < 10; i++)
        ws_binary(p->client.ws, data, 90000);
    ws_writable(p->client.ws);
    assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_true(ws_has_more(p->server.ws));
    assert_int_equal(p->server.messages, 2);
    while (ws_has_more(p->server.ws))
        assert_int_equal(ws_readable(p->server.ws), WS_OPEN);
    assert_int_equal(p->server.messages, 10);
    mem_free(&data);
}

/* Random and half-right bytes: no crash, no leak, and always an end when the transport ends. */
static void test_garbage_ends(void **state)
{
    unsigned seed = 7;

    for (int round = 0; round < 2000; round++) {
        struct pair *p;

        setup(state);
        p = *state;
        p->up.step = 1 + (size_t)rand_r(&seed) % 50;
        if (round % 2)
            put_frame(&p->up, (uint8_t)(rand_r(&seed) % 256), true, "\x03\xE8payload", 9);
        for (int i = rand_r(&seed) % 300; i > 0; i--)
            buf_putc(&p->up.bytes, (char)rand_r(&seed));
        p->up.is_ended = true;
        while (ws_readable(p->server.ws) == WS_OPEN)
            ;
        (void)ws_close_code(p->server.ws);
        teardown(state);
    }
}

static void test_handshake_key(void **state)
{
    char out[WS_ACCEPT_SIZE], one[WS_KEY_SIZE], two[WS_KEY_SIZE];

    (void)state;
    ws_accept("dGhlIHNhbXBsZSBub25jZQ==", out); /* RFC 6455, 1.3 */
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ws_key(one);
    ws_key(two);
    assert_int_equal(strlen(one), 24);
    assert_string_not_equal(one, two);
}

int main(void)
{
#define WITH_PAIR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_PAIR(test_messages_go_both_ways),
        WITH_PAIR(test_client_frames_are_masked_and_differ),
        WITH_PAIR(test_input_may_come_byte_by_byte),
        WITH_PAIR(test_bytes_of_the_handshake_come_first),
        WITH_PAIR(test_text_overtakes_binary_and_a_close_overtakes_nothing),
        WITH_PAIR(test_a_close_waits_for_its_answer),
        cmocka_unit_test(test_registered_close_codes_pass),
        WITH_PAIR(test_a_close_without_code),
        WITH_PAIR(test_a_long_reason_is_cut_between_characters),
        WITH_PAIR(test_a_callback_may_close),
        WITH_PAIR(test_pings_are_answered),
        cmocka_unit_test(test_protocol_errors_have_their_codes),
        WITH_PAIR(test_a_client_says_1002_too),
        WITH_PAIR(test_the_limit_holds_for_the_sum_of_fragments),
        WITH_PAIR(test_too_many_fragments_are_refused),
        WITH_PAIR(test_what_follows_an_error_is_thrown_away_until_the_close_is_out),
        WITH_PAIR(test_a_peer_that_never_fetches_pongs_is_dropped),
        WITH_PAIR(test_many_pings_at_once_are_all_answered),
        WITH_PAIR(test_the_end_of_the_transport_is_1006),
        WITH_PAIR(test_ws_queued_counts_what_the_transport_has_not_taken),
        WITH_PAIR(test_writes_are_joined_and_reads_bounded),
        cmocka_unit_test(test_garbage_ends),
        cmocka_unit_test(test_handshake_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
