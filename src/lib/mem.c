/* mem.c - allocation that cannot fail, and arenas: chains of blocks that are released together.
 *
 * A process without memory has no useful way on: it says so and aborts, and whoever supervises it starts it
 * again. That removes the error path of every allocation from all other files (HOUSE, error handling). */
#include "lib/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK_SIZE = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char data[];
};

static _Noreturn void mem_missing(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes asked for\n", size);
    abort();
}

static size_t size_times(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        mem_missing(SIZE_MAX);
    return bytes;
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        mem_missing(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    if (!p)
        mem_missing(size);
    return p;
}

void *mem_array(size_t count, size_t size)
{
    return mem_zalloc(size_times(count, size));
}

void *mem_resize(void *p, size_t count, size_t size)
{
    size_t bytes = size_times(count, size);
    void *moved = realloc(p, bytes ? bytes : 1);

    if (!moved)
        mem_missing(bytes);
    return moved;
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);

    if (size)
        memcpy(copy, p, size);
    return copy;
}

char *mem_strdup(const char *s)
{
    return s ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t len)
{
    size_t n = strnlen(s, len);
    char *copy = mem_alloc(n + 1);

    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        mem_missing(0);
    return text;
}

/* The argument is a `struct x **`; memcpy reads and writes it, because no pointer type may alias another. */
void mem_free(void *pointer_to_pointer)
{
    void *p;

    memcpy(&p, pointer_to_pointer, sizeof(p));
    free(p);
    p = NULL;
    memcpy(pointer_to_pointer, &p, sizeof(p));
}

/* A large request gets a block of its own behind the head, so that the head's free room is not lost. */
static struct arena_block *arena_grow(struct arena *a, size_t size)
{
    size_t room = size > ARENA_BLOCK_SIZE / 4 ? size : ARENA_BLOCK_SIZE;
    size_t bytes;
    struct arena_block *b;

    if (__builtin_add_overflow(sizeof(*b), room, &bytes))
        mem_missing(SIZE_MAX);
    b = mem_zalloc(bytes);
    b->size = room;
    if (a->head && room == size) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    struct arena_block *b = a->head;
    size_t bytes;
    void *p;

    if (__builtin_add_overflow(size, align - 1, &bytes))
        mem_missing(size);
    bytes = bytes / align * align;
    if (!b || b->size - b->used < bytes)
        b = arena_grow(a, bytes);
    p = b->data + b->used;
    b->used += bytes;
    return p;
}

void *arena_dup(struct arena *a, const void *p, size_t size)
{
    void *copy = arena_alloc(a, size);

    if (size)
        memcpy(copy, p, size);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_dup(a, s, strlen(s) + 1) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    size_t n = strnlen(s, len);
    char *copy = arena_alloc(a, n + 1);

    memcpy(copy, s, n);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *text, *copy;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        mem_missing(0);
    copy = arena_dup(a, text, (size_t)n + 1);
    free(text);
    return copy;
}

/* Behind the head of `to`, which goes on filling its own block. */
void arena_move(struct arena *to, struct arena *from)
{
    struct arena_block *last = from->head;

    if (!last)
        return;
    while (last->next)
        last = last->next;
    if (to->head) {
        last->next = to->head->next;
        to->head->next = from->head;
    } else {
        to->head = from->head;
    }
    from->head = NULL;
}

void arena_fini(struct arena *a)
{
    struct arena_block *b = a->head;

    while (b) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
    a->head = NULL;
}
