/* test_msg_bin.c - the binary codec: the way there and back for every message, and frames that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/msg_impl.h"

static void assert_buf_equal(const struct buf *a, const struct buf *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

/* struct -> bytes -> struct -> JSON -> struct -> bytes: the same bytes. */
static void round_trip(enum msg_type type, unsigned seed)
{
    const struct msg_head head = { type, 7, UINT64_MAX - seed };
    struct msg_head head2;
    struct arena a = { 0 };
    struct buf bin = { 0 }, bin2 = { 0 }, json = { 0 };
    struct err e = { 0 };
    void *first, *second, *third = arena_alloc(&a, msg_struct_size(type));

    msg_sample(type, seed, &a, &first);
    msg_to_bin(&head, first, MSG_MINOR, &bin);
    if (msg_from_bin((const uint8_t *)bin.data, bin.len, &a, &head2, &second, &e))
        fail_msg("%s seed %u: %s", msg_wire_name(type), seed, e.text);
    assert_int_equal(head2.type, type);
    assert_int_equal(head2.epoch, 7);
    assert_true(head2.conn == UINT64_MAX - seed);
    msg_to_json(type, second, !((msg_senders(type) | msg_receivers(type)) & FROM_CLIENT), &json);
    if (msg_from_json(type, json.data, json.len, &a, third, &e))
        fail_msg("%s seed %u: %s: %s", msg_wire_name(type), seed, e.text, json.data);
    msg_to_bin(&head, third, MSG_MINOR, &bin2);
    assert_buf_equal(&bin, &bin2);
    buf_fini(&bin);
    buf_fini(&bin2);
    buf_fini(&json);
    arena_fini(&a);
}

static void test_round_trips(void **state)
{
    (void)state;
    for (unsigned t = MSG_NONE + 1; t < MSG_TYPES; t++) {
        for (unsigned seed = 0; seed < 60; seed++)
            round_trip((enum msg_type)t, seed);
    }
}

/* No cut and no flipped byte may do more than fail; where it is still a message it must be written as it was read. */
static void test_damaged(void **state)
{
    (void)state;
    for (unsigned t = MSG_NONE + 1; t < MSG_TYPES; t++) {
        const struct msg_head head = { (enum msg_type)t, 0, 0 };
        struct arena a = { 0 };
        struct buf bin = { 0 };
        void *m;

        msg_sample((enum msg_type)t, 0, &a, &m);
        msg_to_bin(&head, m, MSG_MINOR, &bin);
        for (size_t i = 0; i < bin.len; i++) {
            struct arena scratch = { 0 };
            uint8_t *copy = mem_dup(bin.data, bin.len);   /* its own block, so that ASan sees its ends */
            uint8_t *part = mem_dup(bin.data, i);
            struct msg_head h;

            assert_int_equal(msg_from_bin(part, i, &scratch, &h, &m, NULL), -1);
            copy[i] ^= (uint8_t)(1u << i % 8);
            msg_from_bin(copy, bin.len, &scratch, &h, &m, NULL);
            mem_free(&copy);
            mem_free(&part);
            arena_fini(&scratch);
        }
        buf_fini(&bin);
        arena_fini(&a);
    }
}

static void test_layout(void **state)
{
    static const uint8_t want[] = { 0xB7, 1, MSG_BUS_HELLO, 0, 14, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0,
                                    0, 0, 0, 0, 0, 0, 0, 0x80, 1, 2, 'g', 'w', 2, 3, 'g', '-', '0', 3, 1, 4, 0xe8, 7 };
    const struct msg_bus_hello m = { .role = "gw", .name = "g-0", .major = 1, .minor = 1000 };
    struct buf out = { 0 };

    (void)state;
    buf_puts(&out, "before");
    msg_to_bin(&(struct msg_head){ MSG_BUS_HELLO, 0x102, UINT64_C(0x80) << 56 }, &m, MSG_MINOR, &out);
    assert_int_equal(out.len, 6 + sizeof(want));
    assert_memory_equal(out.data + 6, want, sizeof(want));
    buf_fini(&out);
}

/* Decodes fields of `type` (the head is made here) and compares the sentence; NULL: must succeed. */
static void expect(enum msg_type type, const char *fields, size_t len, const char *text)
{
    uint8_t *frame = mem_zalloc(MSG_HEAD_SIZE + len);
    struct arena a = { 0 };
    struct err e = { 0 };
    struct msg_head head;
    void *m;

    frame[0] = 0xB7;
    frame[1] = MSG_MAJOR;
    frame[2] = (uint8_t)type;
    frame[4] = (uint8_t)len;
    frame[5] = (uint8_t)(len >> 8);
    frame[6] = (uint8_t)(len >> 16);
    memcpy(frame + MSG_HEAD_SIZE, fields, len);
    msg_from_bin(frame, MSG_HEAD_SIZE + len, &a, &head, &m, &e);
    assert_string_equal(e.text, text ? text : "");
    arena_fini(&a);
    mem_free(&frame);
}
#define EXPECT(type, fields, text) expect(type, fields, sizeof(fields) - 1, text)
#define ID "0123456789abcdef"
#define TEN "\xff\xff\xff\xff\xff\xff\xff\xff\xff"

static void test_refused_fields(void **state)
{
    (void)state;
    EXPECT(MSG_BUS_PING, "\x01\x05", NULL);
    EXPECT(MSG_BUS_PING, "", "bus.ping: token is missing");
    EXPECT(MSG_BUS_PING, "\x01", "bus.ping: token is cut short");
    EXPECT(MSG_BUS_PING, "\x01\x80", "bus.ping: token is cut short");
    EXPECT(MSG_BUS_PING, "\x01\x80\x00", "bus.ping: token has a malformed number");
    EXPECT(MSG_BUS_PING, "\x01" TEN "\x7f", "bus.ping: token has a malformed number");
    EXPECT(MSG_BUS_PING, "\x01" TEN "\x01", "bus.ping: token must be between 0 and 9223372036854775807");
    EXPECT(MSG_BUS_PING, "\x01\x05\x01\x05", "bus.ping: token is there twice or out of order");
    EXPECT(MSG_BUS_PING, "\x01\x05\x02\x05", "bus.ping: there is no field number 2");
    EXPECT(MSG_BUS_PING, "\x00\x05", "bus.ping: there is no field number 0");
    EXPECT(MSG_RUNNER_STOP, "\x01\x02" "ab", NULL);
    EXPECT(MSG_RUNNER_STOP, "\x01\x00", NULL);
    EXPECT(MSG_RUNNER_STOP, "\x01\x03" "ab", "runner.stop: reason is cut short");
    EXPECT(MSG_RUNNER_STOP, "\x01" TEN "\x01", "runner.stop: reason is cut short");
    EXPECT(MSG_RUNNER_STOP, "\x01\x03" "a\0b", "runner.stop: reason must not contain NUL");
    EXPECT(MSG_RUNNER_STOP, "\x01\x02" "a\xff", "runner.stop: reason must be valid UTF-8");
    EXPECT(MSG_AGENT_REHELLO, "\x01\x01\x01\x01", "agent.rehello: epoch is there twice or out of order");
    EXPECT(MSG_LOG_ACK, "\x01" ID "\x02\x01\x03\x00\x04\x00\x05\x01", NULL);
    EXPECT(MSG_LOG_ACK, "\x01" ID "\x02\x01\x03\x00\x04\x00\x05\x02", "log.ack: rewind must be true or false");
    EXPECT(MSG_LOG_ACK, "\x01" ID "\x02\x01\x03\x00\x04\x00\x05", "log.ack: rewind is cut short");
    EXPECT(MSG_LOG_ACK, "\x01short", "log.ack: task_id is cut short");
    EXPECT(MSG_TASK_ACCEPT, "\x01\x00\x02" ID "\x03\xc1\x84\x3d", "task.accept: attempt must be between 0 and 1000000");
}

static void test_refused_lists(void **state)
{
    char many[5000] = { 1, (char)0x81, 0x20 };   /* 4097 elements */

    (void)state;
    EXPECT(MSG_AGENT_ALIVE, "\x01\x00", NULL);
    EXPECT(MSG_AGENT_ALIVE, "\x01\x03\x05\x80\x01", NULL);
    EXPECT(MSG_AGENT_ALIVE, "\x01\x02\x05\x80", "agent.alive: sessions[1] is cut short");
    expect(MSG_AGENT_ALIVE, many, 3 + 4097, "agent.alive: sessions has 4097 elements; at most 4096 are allowed");
    EXPECT(MSG_COMMAND, "\x01\x04\x01" "a\x01" "b", NULL);
    EXPECT(MSG_COMMAND, "\x01\x04\x01" "a\x02" "b", "command: argv[1] is cut short");
    EXPECT(MSG_COMMAND, "\x01\x04\x01" "a\x01\x00", "command: argv[1] must not contain NUL");
    EXPECT(MSG_V1_AGENTS, "\x01\x02\x01\x00", "v1.agents: agents[0] is cut short");
    EXPECT(MSG_V1_TASKS, "\x01\x00", NULL);
#define HELD_HEAD "\x01\x01\x02\x00\x03" ID "\x04" ID "\x05\x00\x07\x01\x08\x01v"
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x00", NULL);
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x17\x16\x01" ID "\x02\x01\x03\x01r", NULL);
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x17\x16\x01" ID "\x02\x01\x02\x01r",
           "agent.hello: held[0].attempt is there twice or out of order");
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x15\x13\x01" ID "\x02\x01", "agent.hello: held is cut short");
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x13\x13\x01" ID "\x02", "agent.hello: held[0] is cut short");
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x03\x02\x02\x01", "agent.hello: held[0] is cut short");
    EXPECT(MSG_AGENT_HELLO, HELD_HEAD "\x09\x15\x14\x01" ID "\x02\x80\x01", "agent.hello: held[0].state is missing");
#define SUBMIT_HEAD "\x01" ID "\x02\x00\x03\x00"
    EXPECT(MSG_TASK_SUBMIT, SUBMIT_HEAD "\x0a\x04\x01" "A\x01" "1", NULL);
    EXPECT(MSG_TASK_SUBMIT, SUBMIT_HEAD "\x0a\x04\x01" "=\x01" "1", "task.submit: env[0] must not have '=' in a name");
    EXPECT(MSG_TASK_SUBMIT, SUBMIT_HEAD "\x0a\x02\x00\x00", "task.submit: env[0] must not have an empty name");
    EXPECT(MSG_TASK_SUBMIT, SUBMIT_HEAD "\x0a\x02\x01" "A", "task.submit: env[0] is cut short");
}

static void test_refused_heads(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *text;
    } rows[] = {
        { 0, 0xB8, "a frame that begins with byte 0xb8 is not a message" },
        { 1, 2, "protocol major 2 is not spoken here (this is 1): upgrade the older side" },
        { 2, 0, "there is no message number 0 in protocol 1.2" },
        { 3, 0xff, "there is no message number 65283 in protocol 1.2" },
        { 4, 9, "bus.ping: the frame has 2 bytes of fields and its head says 9" },
        { 7, 0x80, "bus.ping: the frame has 2 bytes of fields and its head says 2147483650" },
    };
    struct buf good = { 0 };

    (void)state;
    msg_to_bin(&(struct msg_head){ .type = MSG_BUS_PING }, &(struct msg_bus_ping){ 5, { true } }, 0, &good);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t frame[MSG_HEAD_SIZE + 2];
        struct msg_head head;
        struct err e = { 0 };

        memcpy(frame, good.data, sizeof(frame));
        frame[rows[i].at] = rows[i].value;
        assert_int_equal(msg_bin_head(frame, sizeof(frame), &head, &e), -1);
        assert_string_equal(e.text, rows[i].text);
    }
    buf_fini(&good);
}

/* A table of its own: the real one has no newer minor and no S64 yet. */
struct synthetic {
    int64_t delta;
    const char *note;
    bool flag;
    int64_t late;
    struct {
        bool delta, note, flag, late;
    } has;
};
#define AT(member) offsetof(struct synthetic, member), offsetof(struct synthetic, has.member)
static const struct msg_field synthetic_fields[] = {
    { "delta", KIND_S64, NULL, NEED_REQ, 1000, 0, AT(delta) },
    { "note", KIND_STR, NULL, NEED_OPT, 10, 1, AT(note) },
    { "flag", KIND_BOOL, NULL, NEED_OPT, 0, 0, AT(flag) },
    { "late", KIND_I64, NULL, NEED_NUL, 10, 2, AT(late) },
};
static const struct msg_desc synthetic = { "synthetic", 0, 0, true, synthetic_fields, 4, sizeof(struct synthetic) };

static void test_minors(void **state)
{
    const struct synthetic m = { -1000, "n", true, 0, { .late = true } };
    static const size_t lens[] = { 5, 8, 10 };

    (void)state;
    for (int minor = 0; minor < 3; minor++) {
        struct buf out = { 0 };
        struct arena a = { 0 };
        struct synthetic got;

        msg_bin_write(&synthetic, &m, minor, &out);
        assert_int_equal(out.len, lens[minor]);
        assert_int_equal(msg_bin_read(&synthetic, (uint8_t *)out.data, out.len, &a, &got, NULL), 0);
        assert_int_equal(got.delta, -1000);
        assert_true(got.flag && got.has.flag);
        assert_int_equal(got.has.note, minor >= 1);
        assert_int_equal(got.note != NULL, minor >= 1);
        assert_int_equal(got.has.late, minor >= 2);
        buf_fini(&out);
        arena_fini(&a);
    }
}

static void test_signed(void **state)
{
    static const int64_t in[] = { 0, 1, -1, 1000, -1000 }, out_of[] = { 1001, -1001, INT64_MAX, INT64_MIN };
    struct arena a = { 0 };
    struct synthetic got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        struct buf out = { 0 };

        msg_bin_write(&synthetic, &(struct synthetic){ .delta = in[i] }, 0, &out);
        assert_int_equal(msg_bin_read(&synthetic, (uint8_t *)out.data, out.len, &a, &got, NULL), 0);
        assert_int_equal(got.delta, in[i]);
        buf_fini(&out);
    }
    for (size_t i = 0; i < ARRAY_LEN(out_of); i++) {
        struct buf out = { 0 };
        struct err e = { 0 };

        msg_bin_write(&synthetic, &(struct synthetic){ .delta = out_of[i] }, 0, &out);
        assert_int_equal(msg_bin_read(&synthetic, (uint8_t *)out.data, out.len, &a, &got, &e), -1);
        assert_string_equal(e.text, "delta must be between -1000 and 1000");
        buf_fini(&out);
    }
    arena_fini(&a);
}

/* BYTES are not copied; what is not UTF-8 is replaced on the way out. */
static void test_borrow_and_repair(void **state)
{
    static const uint8_t data[] = "0123456789";
    const struct msg_log_data m = { .state = "open", .error = "bad \xff name \xe2\x82",
                                    .data = { data, sizeof(data) } };
    struct buf out = { 0 };
    struct arena a = { 0 };
    struct msg_head head;
    void *got;

    (void)state;
    msg_to_bin(&(struct msg_head){ .type = MSG_LOG_DATA }, &m, MSG_MINOR, &out);
    assert_int_equal(msg_from_bin((const uint8_t *)out.data, out.len, &a, &head, &got, NULL), 0);
    const struct msg_log_data *d = got;
    assert_string_equal(d->error, "bad \xEF\xBF\xBD name \xEF\xBF\xBD\xEF\xBF\xBD");
    assert_int_equal(d->data.len, sizeof(data));
    assert_ptr_equal(d->data.data, out.data + out.len - sizeof(data));
    buf_fini(&out);
    arena_fini(&a);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned t = MSG_NONE + 1; t < MSG_TYPES; t++) {
        const char *name = msg_wire_name((enum msg_type)t);

        assert_int_equal(msg_by_wire_name(name, strlen(name)), t);
        assert_int_not_equal(msg_by_wire_name(name, strlen(name) - 1), t);
        assert_int_equal(msg_senders((enum msg_type)t) == 0, msg_receivers((enum msg_type)t) == 0);
    }
    assert_int_equal(msg_by_wire_name("", 0), MSG_NONE);
    assert_int_equal(msg_senders(MSG_LOG_CHUNK), FROM_AGENT);
    assert_int_equal(msg_receivers(MSG_BUS_PING), FROM_SCHEDULER | FROM_LOGSINK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),     cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_layout),          cmocka_unit_test(test_refused_fields),
        cmocka_unit_test(test_refused_lists),   cmocka_unit_test(test_refused_heads),
        cmocka_unit_test(test_minors),          cmocka_unit_test(test_signed),
        cmocka_unit_test(test_borrow_and_repair), cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
