/* heap.c - a binary heap in an array; nodes know their place, so any of them can be moved or taken out. */
#include "lib/heap.h"

#include "lib/mem.h"

static void node_set(struct heap *h, size_t place, struct heap_node *node)
{
    h->nodes[place - 1] = node;
    node->place = place;
}

static void sift_up(struct heap *h, struct heap_node *node)
{
    size_t place = node->place;

    while (place > 1 && h->less(node, h->nodes[place / 2 - 1])) {
        node_set(h, place, h->nodes[place / 2 - 1]);
        place /= 2;
    }
    node_set(h, place, node);
}

static void sift_down(struct heap *h, struct heap_node *node)
{
    size_t place = node->place;

    for (;;) {
        size_t child = place * 2;
        if (child > h->n)
            break;
        if (child < h->n && h->less(h->nodes[child], h->nodes[child - 1]))
            child++;
        if (!h->less(h->nodes[child - 1], node))
            break;
        node_set(h, place, h->nodes[child - 1]);
        place = child;
    }
    node_set(h, place, node);
}

void heap_init(struct heap *h, heap_less_fn *less)
{
    *h = (struct heap){ .less = less };
}

void heap_fini(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        h->nodes[i]->place = 0;
    mem_free(&h->nodes);
    h->n = h->cap = 0;
}

struct heap_node *heap_top(const struct heap *h)
{
    return h->n ? h->nodes[0] : NULL;
}

void heap_push(struct heap *h, struct heap_node *node)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 8;
        h->nodes = mem_resize(h->nodes, h->cap, sizeof *h->nodes);
    }
    h->n++;
    node_set(h, h->n, node);
    sift_up(h, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    struct heap_node *last = h->nodes[h->n - 1];
    size_t place = node->place;

    h->n--;
    node->place = 0;
    if (last == node)
        return;
    node_set(h, place, last);
    heap_moved(h, last);
}

void heap_moved(struct heap *h, struct heap_node *node)
{
    sift_up(h, node);
    sift_down(h, node);
}
