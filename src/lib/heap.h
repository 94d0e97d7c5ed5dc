/* heap.h - a binary heap of nodes that live inside the caller's structs: the least first, removal from anywhere.
 *
 * A node is in at most one heap. A zeroed node is in none; a heap needs its order from heap_init. */
#ifndef ORION_LIB_HEAP_H
#define ORION_LIB_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
    size_t place;      /* 1..; 0: in no heap */
};
typedef bool heap_less_fn(const struct heap_node *a, const struct heap_node *b);

struct heap {
    struct heap_node **nodes;
    size_t n, cap;
    heap_less_fn *less;
};

#define HEAP_OWNER(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

void heap_init(struct heap *h, heap_less_fn *less);
void heap_fini(struct heap *h);                             /* the nodes left in it are forgotten */
struct heap_node *heap_top(const struct heap *h);           /* NULL: empty */
void heap_push(struct heap *h, struct heap_node *node);
void heap_remove(struct heap *h, struct heap_node *node);
void heap_moved(struct heap *h, struct heap_node *node);    /* its order changed */
static inline bool heap_has(const struct heap_node *node)   /* is it in a heap */
{
    return node->place != 0;
}

#endif
