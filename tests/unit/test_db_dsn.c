/* test_db_dsn.c - the database's name in both forms of a DSN, read and replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/db_dsn.h"
#include "lib/mem.h"

static void test_name(void **state)
{
    static const struct {
        const char *dsn, *name;
    } rows[] = {
        { "postgresql://u:p@h1,h2:5/orion?host=/x", "orion" },
        { "postgres:///or%69on%20x", "orion x" },
        { "postgresql://h/a?dbname=b&x=y", "b" },
        { "postgresql://h", NULL },
        { "postgresql://h/?x=y", NULL },
        { "postgresql:///bad%2", "bad%2" },
        { "host=/x dbname=orion user=u", "orion" },
        { "dbname = 'it''s' ", "it" },
        { "dbname='a\\'b c' host=h", "a'b c" },
        { "dbname=a dbname=b", "b" },
        { "host='dbname=x'", NULL },
        { "dbname=''", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *name = db_dsn_name(rows[i].dsn);
        if (rows[i].name)
            assert_string_equal(name, rows[i].name);
        else
            assert_null(name);
        mem_free(&name);
    }
}

static void test_replace(void **state)
{
    static const struct {
        const char *dsn, *becomes;
    } rows[] = {
        { "postgresql://u@h/orion?host=/x", "postgresql://u@h/my%20db?host=/x" },
        { "postgresql://h?dbname=a&sslmode=off", "postgresql://h/my%20db?sslmode=off" },
        { "postgres://", "postgres:///my%20db" },
        { "host=/x dbname=orion", "host=/x dbname=orion dbname='my db'" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *dsn = db_dsn_with_name(rows[i].dsn, "my db"), *name = db_dsn_name(dsn);
        assert_string_equal(dsn, rows[i].becomes);
        assert_string_equal(name, "my db");
        mem_free(&dsn);
        mem_free(&name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_replace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
