/* fetch_impl.h - shared by the fetch*.c files only. */
#ifndef ORION_LIB_FETCH_IMPL_H
#define ORION_LIB_FETCH_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

/* --- fetch_handshake.c: pure ------------------------------------------------------------------------- */

/* The URL as it may be shown: without user and password. The caller frees it. */
char *fetch_shown(const char *url);

void fetch_handshake_request(struct buf *out, const char *host, const char *target, const char *key,
                             const char *subprotocol);
/* `head` is a response up to and including its empty line. */
int fetch_handshake_check(const char *head, size_t len, const char *key, const char *subprotocol, struct err *e);

/* --- fetch.c ----------------------------------------------------------------------------------------- */

/* A libcurl easy handle (CURL *) with what all our requests have in common. `detail` (CURL_ERROR_SIZE bytes) gets
 * libcurl's sentence when one fails. */
void *fetch_easy(const char *url, const char *ca_file, char *detail);
void fetch_easy_set(void *easy, const char *url, const char *ca_file, char *detail);   /* the same for a handle kept */
/* What a CURLcode means to us; -1. */
int fetch_fail(int code, const char *detail, const char *url, struct err *e);

#endif
