/* test_heap.c - the heap gives the least first, whatever was pushed, moved or taken out of its middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/heap.h"

struct item {
    int value;
    struct heap_node node;
};

static bool item_before(const struct heap_node *a, const struct heap_node *b)
{
    return HEAP_OWNER(a, struct item, node)->value < HEAP_OWNER(b, struct item, node)->value;
}

static void test_sorted_out(void **state)
{
    static struct item items[1000];
    struct heap h;
    int last = -1;

    (void)state;
    srand(7);
    heap_init(&h, item_before);
    assert_null(heap_top(&h));
    for (size_t i = 0; i < 1000; i++) {
        items[i].value = rand() % 500;
        heap_push(&h, &items[i].node);
    }
    for (size_t i = 0; i < 1000; i += 3) {   /* some move, some leave */
        items[i].value = rand() % 500;
        heap_moved(&h, &items[i].node);
    }
    for (size_t i = 1; i < 1000; i += 3) {
        heap_remove(&h, &items[i].node);
        assert_false(heap_has(&items[i].node));
    }
    for (size_t left = h.n; left > 0; left--) {
        struct heap_node *top = heap_top(&h);
        assert_true(HEAP_OWNER(top, struct item, node)->value >= last);
        last = HEAP_OWNER(top, struct item, node)->value;
        heap_remove(&h, top);
    }
    assert_null(heap_top(&h));
    heap_fini(&h);
}

static void test_fini_forgets_nodes(void **state)
{
    struct item one = { 1, { 0 } };
    struct heap h;

    (void)state;
    heap_init(&h, item_before);
    heap_push(&h, &one.node);
    heap_fini(&h);
    assert_false(heap_has(&one.node));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sorted_out), cmocka_unit_test(test_fini_forgets_nodes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
