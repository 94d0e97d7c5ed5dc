/* test_mem.c - allocation helpers and arenas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"

static void free_clears_the_pointer(void **state)
{
    char *text = mem_strdup("orion");
    int *numbers = mem_array(10, sizeof(*numbers));

    (void)state;
    assert_int_equal(numbers[9], 0);
    mem_free(&text);
    mem_free(&numbers);
    assert_null(text);
    assert_null(numbers);
    mem_free(&text); /* again is harmless */
}

static void strings_are_copied(void **state)
{
    char *a = mem_strndup("abcdef", 3), *b = mem_strndup("ab", 10), *c = mem_printf("%s-%d", "task", 7);
    char *d = mem_dup("xyz", 4);

    (void)state;
    assert_null(mem_strdup(NULL));
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "task-7");
    assert_string_equal(d, "xyz");
    a = mem_resize(a, 100, 2);
    assert_string_equal(a, "abc");
    mem_free(&a);
    mem_free(&b);
    mem_free(&c);
    mem_free(&d);
}

static void an_overflowing_array_aborts(void **state)
{
    int wstatus;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        mem_array(SIZE_MAX / 2, 3);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &wstatus, 0), pid);
    assert_true(WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGABRT);
}

static void arena_gives_zeroed_aligned_pieces(void **state)
{
    struct arena a = { 0 };

    (void)state;
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = arena_alloc(&a, size);

        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, size); /* the next piece must not see it */
    }
    arena_fini(&a);
    assert_null(a.head);
}

static void arena_keeps_small_and_large(void **state)
{
    struct arena a = { 0 };
    char *first = arena_strdup(&a, "first");
    char *large = arena_alloc(&a, 100000);
    char *second = arena_strndup(&a, "second-and-more", 6);
    char *third = arena_printf(&a, "%05d", 42);
    char *copy = arena_dup(&a, "bytes", 6);

    (void)state;
    memset(large, 'x', 100000);
    assert_string_equal(first, "first");
    assert_string_equal(second, "second");
    assert_string_equal(third, "00042");
    assert_string_equal(copy, "bytes");
    assert_null(arena_strdup(&a, NULL));
    arena_fini(&a);
    assert_string_equal(arena_strdup(&a, "again"), "again");
    arena_fini(&a);
}

static void arena_moves_into_another(void **state)
{
    struct arena a = { 0 }, b = { 0 }, empty = { 0 };
    char *ours = arena_strdup(&a, "ours");
    char *theirs = arena_strdup(&b, "theirs");
    char *large = memset(arena_alloc(&b, 100000), 'x', 100000);

    (void)state;
    arena_move(&a, &b);
    assert_null(b.head);
    arena_move(&a, &empty);
    assert_string_equal(arena_strdup(&a, "more"), "more");
    assert_string_equal(ours, "ours");
    assert_string_equal(theirs, "theirs");
    assert_int_equal(large[99999], 'x');
    arena_move(&b, &a);
    assert_null(a.head);
    assert_string_equal(theirs, "theirs");
    arena_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_clears_the_pointer),     cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(an_overflowing_array_aborts), cmocka_unit_test(arena_gives_zeroed_aligned_pieces),
        cmocka_unit_test(arena_keeps_small_and_large), cmocka_unit_test(arena_moves_into_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
