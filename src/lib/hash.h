/* hash.h - BLAKE2b-256 (libsodium) for chains and names, CRC-32C (ISA-L) for records on disk. */
#ifndef ORION_LIB_HASH_H
#define ORION_LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash {
    uint8_t b[32];
};
#define HASH_TEXT_SIZE 65

void hash_bytes(struct hash *out, const void *data, size_t len);
void hash_parts(struct hash *out, const void *const *parts, const size_t *lens, size_t n); /* of the concatenation */
void hash_format(const struct hash *h, char out[HASH_TEXT_SIZE]);
uint32_t hash_crc32c(uint32_t crc, const void *data, size_t len); /* start with 0; continue with the last value */
void hash_random(void *out, size_t len);          /* from the kernel */

#endif
