/* table.c - open addressing with linear probing; removal closes the gap, so that probes stay short for ever.
 *
 * Given keys and pointers; changes only the table. At most two thirds of the slots are used. */
#include "lib/table.h"

#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

/* Keys are often UUIDs of the same moment or small numbers: every bit must count. */
static size_t key_mix(const struct uuid *key)
{
    uint64_t high, low;

    memcpy(&high, key->b, 8);
    memcpy(&low, key->b + 8, 8);
    high = (high ^ (high >> 32)) * 0x9E3779B97F4A7C15u;
    low = (low ^ (low >> 29)) * 0xBF58476D1CE4E5B9u;
    high ^= low ^ (low >> 31);
    high *= 0x94D049BB133111EBu;
    return (size_t)(high ^ (high >> 30));
}

/* The slot of the key, or the free one where it would go. */
static size_t slot_find(const struct table *t, const struct uuid *key)
{
    size_t at = key_mix(key) & (t->size - 1);

    while (t->slots[at].value && memcmp(&t->slots[at].key, key, sizeof *key) != 0)
        at = (at + 1) & (t->size - 1);
    return at;
}

static void table_grow(struct table *t)
{
    struct table old = *t;

    t->size = old.size ? old.size * 2 : 16;
    t->slots = mem_array(t->size, sizeof *t->slots);
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].value)
            t->slots[slot_find(t, &old.slots[i].key)] = old.slots[i];
    mem_free(&old.slots);
}

void *table_get(const struct table *t, const struct uuid *key)
{
    return t->used ? t->slots[slot_find(t, key)].value : NULL;
}

void table_put(struct table *t, const struct uuid *key, void *value)
{
    size_t at;

    if ((t->used + 1) * 3 > t->size * 2)
        table_grow(t);
    at = slot_find(t, key);
    if (!t->slots[at].value)
        t->used++;
    t->slots[at] = (struct table_slot){ *key, value };
}

void *table_remove(struct table *t, const struct uuid *key)
{
    size_t mask = t->size - 1, hole, at;
    void *value;

    if (!t->used)
        return NULL;
    hole = slot_find(t, key);
    value = t->slots[hole].value;
    if (!value)
        return NULL;
    for (at = (hole + 1) & mask; t->slots[at].value; at = (at + 1) & mask) {
        size_t home = key_mix(&t->slots[at].key) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            t->slots[hole] = t->slots[at];
            hole = at;
        }
    }
    t->slots[hole].value = NULL;
    t->used--;
    return value;
}

void *table_next(const struct table *t, size_t *at)
{
    while (*at < t->size) {
        void *value = t->slots[(*at)++].value;
        if (value)
            return value;
    }
    return NULL;
}

void table_fini(struct table *t)
{
    mem_free(&t->slots);
    *t = (struct table){ 0 };
}

struct uuid table_key_number(uint64_t number)
{
    struct uuid key = { 0 };

    memcpy(key.b, &number, sizeof number);
    return key;
}

struct uuid table_key_text(const char *a, const char *b)
{
    const void *parts[2] = { a, b ? b : "" };
    const size_t lens[2] = { strlen(a) + 1, b ? strlen(b) : 0 };
    struct hash whole;
    struct uuid key;

    hash_parts(&whole, parts, lens, 2);
    memcpy(key.b, whole.b, sizeof key.b);
    return key;
}
