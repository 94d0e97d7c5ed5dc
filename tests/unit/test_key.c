/* test_key.c - Idempotency-Key: what it may hold, and which requests are the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/key.h"
#include "gateway/request.h"

static const char *header;   /* what the client sent */

const char *request_header(const struct request *r, const char *name)
{
    (void)r;
    assert_string_equal(name, "Idempotency-Key");
    return header;
}

static struct hash hash_of(enum http_method method, const char *path, const char *body, enum key_scope scope)
{
    struct request r = { .method = method, .path = path };
    struct hash hash = { 0 };
    struct err e = { 0 };
    struct key key;

    header = "k1";
    buf_puts(&r.body, body);
    assert_int_equal(key_read(&r, scope, &key, &e), 0);
    assert_string_equal(key.text, "k1");
    assert_int_equal(key.hash.len, sizeof(hash.b));
    memcpy(hash.b, key.hash.data, sizeof(hash.b));
    buf_fini(&r.body);
    arena_fini(&r.arena);
    return hash;
}

static bool is_same(struct hash a, struct hash b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static void test_what_it_may_hold(void **state)
{
    char text[257];
    struct err e = { 0 };

    (void)state;
    memset(text, 'k', sizeof(text));
    text[256] = '\0';
    assert_int_equal(key_check(text, &e), -1);
    assert_string_equal(e.field, "Idempotency-Key");
    text[255] = '\0';
    assert_int_equal(key_check(text, NULL), 0);
    assert_int_equal(key_check("", NULL), -1);
    assert_int_equal(key_check("a b", NULL), -1);
    assert_int_equal(key_check("a\xC3\xBC", NULL), -1);
    assert_int_equal(key_check("!~0", NULL), 0);
}

static void test_none(void **state)
{
    struct request r = { 0 };
    struct key key;

    (void)state;
    header = NULL;
    assert_int_equal(key_read(&r, KEY_CALL, &key, NULL), 0);
    assert_null(key.text);
    assert_int_equal(key.hash.len, 0);
}

static void test_which_calls_are_the_same(void **state)
{
    struct hash drain = hash_of(HTTP_POST, "/v1/agents/a/drain", "", KEY_CALL);

    (void)state;
    assert_true(is_same(drain, hash_of(HTTP_POST, "/v1/agents/a/drain", "", KEY_CALL)));
    assert_false(is_same(drain, hash_of(HTTP_POST, "/v1/agents/b/drain", "", KEY_CALL)));
    assert_false(is_same(drain, hash_of(HTTP_PUT, "/v1/agents/a/drain", "", KEY_CALL)));
    assert_false(is_same(drain, hash_of(HTTP_POST, "/v1/agents/a/drain", "{}", KEY_CALL)));
    assert_true(is_same(hash_of(HTTP_POST, "/v1/tasks", "{}", KEY_BODY), hash_of(HTTP_POST, "/", "{}", KEY_BODY)));
    assert_false(is_same(hash_of(HTTP_POST, "/v1/tasks", "{}", KEY_BODY), hash_of(HTTP_POST, "/", "{ }", KEY_BODY)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_may_hold),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_which_calls_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
