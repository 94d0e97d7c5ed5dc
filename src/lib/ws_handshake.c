/* ws_handshake.c - the two values of the WebSocket handshake (RFC 6455, 4.1 and 4.2.2). SHA-1 and base64 are
 * OpenSSL's libcrypto, which libcurl brings into the agent anyway; it is used nowhere else. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/ws.h"

void ws_key(char out[WS_KEY_SIZE])
{
    uint8_t random[16];

    hash_random(random, sizeof(random));
    EVP_EncodeBlock((unsigned char *)out, random, sizeof(random));
}

void ws_accept(const char *key, char out[WS_ACCEPT_SIZE])
{
    char *text = mem_printf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key); /* the GUID of RFC 6455, 1.3 */
    unsigned char digest[SHA_DIGEST_LENGTH];

    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
    mem_free(&text);
}
