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
};
struct fetch_response {
    long status;
    struct buf body;                  /* of an answer that was not streamed */
    bool stopped;                     /* on_data said false */
};
/* 0 with any HTTP status; -1 with ERR_UNAVAILABLE when nobody answered. fetch_response_fini afterwards. */
int fetch_http(const struct fetch_request *q, struct fetch_response *r, struct err *e);
void fetch_response_fini(struct fetch_response *r);

/* --- the way into a WebSocket, on the loop ---------------------------------------------------------- */

struct fetch_upgrade;
struct fetch_conn;   /* the upgraded connection: plain or TLS bytes */

/* http(s):// or ws(s):// URL. on_done gets the connection (ownership moves) or NULL and the reason; it is
 * called once, from the loop. Cancelling is fetch_upgrade_free before that. */
typedef void fetch_upgraded_fn(void *arg, struct fetch_conn *conn, const struct err *e);
struct fetch_upgrade *fetch_upgrade(struct loop *l, const char *url, const char *subprotocol, const char *ca_file,
                                    int64_t timeout_ms, fetch_upgraded_fn *fn, void *arg);
void fetch_upgrade_free(struct fetch_upgrade **u);   /* also after on_done */

int fetch_conn_fd(const struct fetch_conn *c);
ssize_t fetch_conn_recv(struct fetch_conn *c, void *data, size_t len);        /* as recv(2), non-blocking; bytes behind the 101 first */
ssize_t fetch_conn_send(struct fetch_conn *c, const void *data, size_t len);
void fetch_conn_free(struct fetch_conn **c);

#endif
