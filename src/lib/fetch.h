/* fetch.h - HTTP as a client, with libcurl: requests of the CLI, and the agent's upgrade to WebSocket.
 *
 * Proxies, NO_PROXY and TLS trust are libcurl's; ca_file adds to none and replaces the system's when set. */
#ifndef ORION_LIB_FETCH_H
#define ORION_LIB_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/loop.h"

/* --- one request, blocking ------------------------------------------------------------------------- */

struct fetch_request {
    const char *method;               /* NULL: GET */
    const char *url;
    const char *const *headers;       /* "Name: value", NULL-terminated; NULL: none */
    const void *body;
    size_t body_len;
    const char *ca_file;
    int64_t timeout_ms;               /* whole request; 0: none */
    bool (*on_data)(void *arg, const char *data, size_t len); /* streams a 2xx body; false stops; NULL: into body */
    void *arg;
    const char *header;               /* of the answer: its value is wanted; NULL: none */
};
struct fetch_response {
    long status;
    char header[128];                 /* the one that was wanted; empty: not there, or longer. Also of a broken answer */
    struct buf body;                  /* of an answer that was not streamed */
    bool stopped;                     /* on_data said false */
};
/* 0 with any HTTP status; -1 with ERR_UNAVAILABLE when nobody answered or the answer broke off (status is then set),
 * ERR_DENIED when the certificate is not trusted, ERR_INVALID for the URL, ERR_TOO_LARGE for a body over 64 MiB.
 * Redirects are not followed. Call fetch_response_fini afterwards, whatever the result. */
int fetch_http(const struct fetch_request *q, struct fetch_response *r, struct err *e);
void fetch_response_fini(struct fetch_response *r);

/* --- the way into a WebSocket, on the loop ---------------------------------------------------------- */

struct fetch_upgrade;
struct fetch_conn;   /* the upgraded connection: plain or TLS bytes */

/* http(s):// or ws(s):// URL. fn gets the connection (ownership moves) or NULL and the reason; it is called once,
 * from the loop, within timeout_ms. Cancelling is fetch_upgrade_free before that; it may also be called in fn.
 * The answer must be 101 with exactly this subprotocol, whose name must not be empty. */
typedef void fetch_upgraded_fn(void *arg, struct fetch_conn *conn, const struct err *e);
struct fetch_upgrade *fetch_upgrade(struct loop *l, const char *url, const char *subprotocol, const char *ca_file,
                                    int64_t timeout_ms, fetch_upgraded_fn *fn, void *arg);
void fetch_upgrade_free(struct fetch_upgrade **u);   /* also after fn */

/* As recv(2) and send(2) on a non-blocking socket; bytes that came behind the 101 are received first. TLS keeps bytes
 * that epoll does not know of: read until EAGAIN at every event, and once before the first. */
ssize_t fetch_conn_recv(struct fetch_conn *c, void *data, size_t len);
ssize_t fetch_conn_send(struct fetch_conn *c, const void *data, size_t len);
int fetch_conn_fd(const struct fetch_conn *c);       /* to watch; free the watch before the connection */
void fetch_conn_free(struct fetch_conn **c);

#endif
