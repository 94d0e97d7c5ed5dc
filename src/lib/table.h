/* table.h - a hash table from a 16-byte key to a pointer: open addressing, linear probing, no tombstones.
 *
 * The table owns nothing that it points to. Anything can be a key: UUIDs as they are, numbers by table_key_number,
 * texts by their hash. A zeroed struct is an empty table. */
#ifndef ORION_LIB_TABLE_H
#define ORION_LIB_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/uuid.h"

struct table_slot {
    struct uuid key;
    void *value;       /* NULL: free */
};
struct table {
    struct table_slot *slots;
    size_t size;       /* power of two, 0 until something is put in */
    size_t used;
};

void *table_get(const struct table *t, const struct uuid *key);      /* NULL: not there */
void table_put(struct table *t, const struct uuid *key, void *value);/* replaces; value is not NULL */
void *table_remove(struct table *t, const struct uuid *key);         /* what was there, or NULL */
/* Walks in no order: start with *at = 0 until NULL. Put and remove nothing meanwhile. */
void *table_next(const struct table *t, size_t *at);
void table_fini(struct table *t);

struct uuid table_key_number(uint64_t number);
struct uuid table_key_text(const char *a, const char *b); /* of a pair of texts, by BLAKE2b; b may be NULL */

#endif
