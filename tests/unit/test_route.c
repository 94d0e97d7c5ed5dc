/* test_route.c - from method and path to the row of a routes table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/route.h"

static void nothing(struct gateway *g, struct request *r)
{
    (void)g;
    (void)r;
}

static const struct route table[] = {
    { HTTP_GET, "/", nothing, BODY_NONE },
    { HTTP_POST, "/task", nothing, BODY_JSON },
    { HTTP_GET, "/mr-task/{mr}", nothing, BODY_NONE },
    { HTTP_POST, "/v1/tasks", nothing, BODY_JSON },
    { HTTP_GET, "/v1/tasks", nothing, BODY_NONE },
    { HTTP_GET, "/v1/tasks/{id}", nothing, BODY_NONE },
    { HTTP_GET, "/v1/tasks/{id}/log", nothing, BODY_NONE },
    { HTTP_GET, "/v1/projects/{name}", nothing, BODY_NONE },
    { HTTP_PUT, "/v1/projects/{name}", nothing, BODY_JSON },
    { HTTP_DELETE, "/v1/projects/{name}", nothing, BODY_MAYBE },
    { HTTP_POST, "/v1/projects/{name}/pause", nothing, BODY_MAYBE },
};

static struct arena arena;

static enum route_end find(enum http_method method, const char *path, struct route_match *m)
{
    return route_find(table, ARRAY_LEN(table), method, path, &arena, m, NULL);
}

static int clean(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void test_found(void **state)
{
    struct route_match m;

    (void)state;
    assert_int_equal(find(HTTP_GET, "/", &m), ROUTE_FOUND);
    assert_ptr_equal(m.route, &table[0]);
    assert_null(m.param);
    assert_int_equal(find(HTTP_POST, "/v1/tasks", &m), ROUTE_FOUND);
    assert_ptr_equal(m.route, &table[3]);
    assert_int_equal(find(HTTP_GET, "/v1/tasks", &m), ROUTE_FOUND);
    assert_ptr_equal(m.route, &table[4]);
    assert_int_equal(find(HTTP_HEAD, "/v1/tasks/abc/log", &m), ROUTE_FOUND);
    assert_ptr_equal(m.route, &table[6]);
    assert_string_equal(m.param, "abc");
    assert_int_equal(find(HTTP_PUT, "/v1/projects/a%2Fb", &m), ROUTE_FOUND);
    assert_ptr_equal(m.route, &table[8]);
    assert_string_equal(m.param, "a/b");
    assert_int_equal(find(HTTP_DELETE, "/v1/projects/pause", &m), ROUTE_FOUND);
    assert_ptr_equal(m.route, &table[9]);
}

static void test_param_is_decoded_and_keeps_its_slashes(void **state)
{
    struct route_match m;

    (void)state;
    assert_int_equal(find(HTTP_GET, "/mr-task/feature%2Fa%20b", &m), ROUTE_FOUND);
    assert_string_equal(m.param, "feature/a b");
    assert_int_equal(find(HTTP_GET, "/v1/tasks/..%2f..%2fetc", &m), ROUTE_FOUND);
    assert_string_equal(m.param, "../../etc");
}

static void test_not_found(void **state)
{
    struct route_match m;

    (void)state;
    assert_int_equal(find(HTTP_GET, "/nowhere", &m), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/v1/tasks/", &m), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/v1/tasks/a/log/b", &m), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "//v1/tasks", &m), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/a/b/c/d/e/f/g/h/i/j/k", &m), ROUTE_NOT_FOUND);
}

static void test_wrong_method(void **state)
{
    struct route_match m;
    char allow[32];

    (void)state;
    assert_int_equal(find(HTTP_OTHER, "/task", &m), ROUTE_WRONG_METHOD);
    route_allow(m.allowed, allow);
    assert_string_equal(allow, "POST");
    assert_int_equal(find(HTTP_OTHER, "/v1/tasks", &m), ROUTE_WRONG_METHOD);
    route_allow(m.allowed, allow);
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_int_equal(find(HTTP_POST, "/v1/projects/a", &m), ROUTE_WRONG_METHOD);
    route_allow(m.allowed, allow);
    assert_string_equal(allow, "GET, HEAD, PUT, DELETE");
    route_allow(HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_PUT | HTTP_DELETE, allow);
    assert_string_equal(allow, "GET, HEAD, POST, PUT, DELETE");
    assert_int_equal(route_method("PUT"), HTTP_PUT);
    assert_string_equal(route_method_name(HTTP_DELETE), "DELETE");
    assert_int_equal(route_method("GET"), HTTP_GET);
    assert_int_equal(route_method("get"), HTTP_OTHER);
}

static void test_bad_path(void **state)
{
    struct route_match m;

    (void)state;
    assert_int_equal(find(HTTP_GET, "/v1/tasks/%00", &m), ROUTE_BAD_PATH);
    assert_int_equal(find(HTTP_GET, "/v1/tasks/%ff", &m), ROUTE_BAD_PATH);
    assert_int_equal(find(HTTP_GET, "*", &m), ROUTE_BAD_PATH);
    assert_int_equal(find(HTTP_GET, "", &m), ROUTE_BAD_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_found, clean),
        cmocka_unit_test_teardown(test_param_is_decoded_and_keeps_its_slashes, clean),
        cmocka_unit_test_teardown(test_not_found, clean),
        cmocka_unit_test_teardown(test_wrong_method, clean),
        cmocka_unit_test_teardown(test_bad_path, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
