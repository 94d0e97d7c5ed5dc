/* mem.h - memory that is never missing: every function here aborts when the system has none left.
 *
 * Arenas own what belongs to one request or message and release it at once. */
#ifndef ORION_LIB_MEM_H
#define ORION_LIB_MEM_H

#include <stdarg.h>
#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_array(size_t count, size_t size);            /* zeroed; aborts on overflow */
void *mem_resize(void *p, size_t count, size_t size);  /* like reallocarray */
void *mem_dup(const void *p, size_t size);
char *mem_strdup(const char *s);                       /* NULL stays NULL */
char *mem_strndup(const char *s, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *pointer_to_pointer);               /* frees *p and sets it to NULL */

struct arena_block;
struct arena {
    struct arena_block *head;
};

void *arena_alloc(struct arena *a, size_t size);       /* zeroed, aligned for any type */
void *arena_dup(struct arena *a, const void *p, size_t size);
char *arena_strdup(struct arena *a, const char *s);    /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_move(struct arena *to, struct arena *from); /* what lies in `from` lives as long as `to` from now on */
void arena_fini(struct arena *a);                      /* releases everything; the arena may be used again */

#endif
