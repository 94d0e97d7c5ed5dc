/* hash.c - BLAKE2b-256 and random bytes from libsodium, CRC-32C from ISA-L. The only file that knows either. */
#include "lib/hash.h"

#include <isa-l/crc.h>
#include <sodium.h>
#include <stdlib.h>

/* libsodium picks its implementations for this processor once, before any thread exists. */
__attribute__((constructor)) static void hash_setup(void)
{
    if (sodium_init() < 0)
        abort();
}

void hash_bytes(struct hash *out, const void *data, size_t len)
{
    crypto_generichash(out->b, sizeof(out->b), data, len, NULL, 0);
}

void hash_parts(struct hash *out, const void *const *parts, const size_t *lens, size_t n)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof(out->b));
    for (size_t i = 0; i < n; i++)
        crypto_generichash_update(&state, parts[i], lens[i]);
    crypto_generichash_final(&state, out->b, sizeof(out->b));
}

void hash_format(const struct hash *h, char out[HASH_TEXT_SIZE])
{
    sodium_bin2hex(out, HASH_TEXT_SIZE, h->b, sizeof(h->b));
}

/* ISA-L leaves the inversions before and after to its caller and counts bytes in an int. */
uint32_t hash_crc32c(uint32_t crc, const void *data, size_t len)
{
    const size_t most = 1u << 30;
    unsigned char *at = (unsigned char *)(uintptr_t)data; /* its prototype lacks the const; it only reads */

    crc = ~crc;
    while (len > 0) {
        size_t n = len < most ? len : most;

        crc = crc32_iscsi(at, (int)n, crc);
        at += n;
        len -= n;
    }
    return ~crc;
}

void hash_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}
