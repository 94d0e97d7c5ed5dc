/* ws.h - WebSocket framing (RFC 6455) over any byte transport, both ends, with wslay.
 *
 * The owner supplies non-blocking recv/send and calls ws_readable / ws_writable when the transport is. Control
 * frames of the owner go before queued data. Pings are answered here. */
#ifndef ORION_LIB_WS_H
#define ORION_LIB_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ws;

struct ws_hooks {
    ssize_t (*recv)(void *arg, void *data, size_t len);        /* bytes; 0: end; -1 with errno (EAGAIN: later) */
    ssize_t (*send)(void *arg, const void *data, size_t len);  /* bytes; -1 with errno */
    void (*on_message)(void *arg, bool binary, const uint8_t *data, size_t len);
    void (*on_pong)(void *arg);                                /* NULL: not wanted */
};

enum ws_status { WS_OPEN, WS_CLOSED };   /* closed: by a close frame, an error or the end of the transport */

#define WS_CLOSE_NORMAL 1000
#define WS_CLOSE_GOING_AWAY 1001
#define WS_CLOSE_PROTOCOL 1002
#define WS_CLOSE_UNSUPPORTED 1003
#define WS_CLOSE_BAD_DATA 1007
#define WS_CLOSE_POLICY 1008
#define WS_CLOSE_TOO_BIG 1009
#define WS_CLOSE_RESTART 1012
#define WS_CLOSE_TRY_LATER 1013

struct ws *ws_new(bool server, size_t message_max, const struct ws_hooks *hooks, void *arg);
void ws_free(struct ws **w);
enum ws_status ws_readable(struct ws *w);   /* reads until EAGAIN, at most 256 KiB a call */
enum ws_status ws_writable(struct ws *w);   /* writes what is queued until EAGAIN */
bool ws_wants_write(const struct ws *w);
size_t ws_queued(const struct ws *w);       /* bytes waiting to be written */
void ws_feed(struct ws *w, const void *data, size_t len); /* bytes that came with the handshake, before any read */

void ws_text(struct ws *w, const void *data, size_t len);    /* queued whole; the owner watches ws_queued */
void ws_binary(struct ws *w, const void *data, size_t len);
void ws_ping(struct ws *w);
void ws_close(struct ws *w, uint16_t code, const char *reason); /* queued; WS_CLOSED follows when the peer answered */
uint16_t ws_close_code(const struct ws *w);                  /* what the peer (or our error) closed with; 1006: nothing */

#define WS_ACCEPT_SIZE 29
void ws_accept(const char *key, char out[WS_ACCEPT_SIZE]);   /* Sec-WebSocket-Accept of a Sec-WebSocket-Key */

#endif
