/* ws.h - WebSocket framing (RFC 6455) over any byte transport, both ends, with wslay.
 *
 * The owner supplies non-blocking recv/send and calls ws_readable / ws_writable when the transport is. Pings are
 * answered here. Order of writing: control frames (ping, pong, the answer to a close), then text, then binary, each
 * in the order given; so Orion's control messages go before log chunks that have not begun. A ws_close goes last:
 * what was queued before it is still written, what comes after it is dropped, and nothing is delivered any more.
 *
 * Callbacks may call everything here except ws_readable and ws_free (an assertion): leave by ws_close, or remember
 * and free when ws_readable has returned. */
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
    void (*on_message)(void *arg, bool binary, const uint8_t *data, size_t len); /* text is valid UTF-8 */
    void (*on_pong)(void *arg);                                /* NULL: not wanted */
};

/* Closed: by a close frame and its answer, an error or the end of the transport. Only freeing is left then. */
enum ws_status { WS_OPEN, WS_CLOSED };

#define WS_CLOSE_NORMAL 1000
#define WS_CLOSE_GOING_AWAY 1001
#define WS_CLOSE_PROTOCOL 1002
#define WS_CLOSE_UNSUPPORTED 1003
#define WS_CLOSE_NO_CODE 1005     /* never sent: the peer's close frame had none */
#define WS_CLOSE_ABNORMAL 1006    /* never sent: there was no close frame */
#define WS_CLOSE_BAD_DATA 1007
#define WS_CLOSE_POLICY 1008
#define WS_CLOSE_TOO_BIG 1009
#define WS_CLOSE_RESTART 1012
#define WS_CLOSE_TRY_LATER 1013

struct ws *ws_new(bool server, size_t message_max, const struct ws_hooks *hooks, void *arg);
void ws_free(struct ws **w);
enum ws_status ws_readable(struct ws *w);   /* reads until EAGAIN, at most 256 KiB a call, and writes what that made */
bool ws_has_more(const struct ws *w);       /* the last ws_readable ended at its bound: call it again, event or not */
enum ws_status ws_writable(struct ws *w);   /* writes what is queued until EAGAIN */
bool ws_wants_write(const struct ws *w);
size_t ws_queued(const struct ws *w);       /* bytes waiting to be written, without most frame headers */
void ws_feed(struct ws *w, const void *data, size_t len); /* bytes that came with the handshake; then ws_readable */

void ws_text(struct ws *w, const void *data, size_t len);    /* queued whole; the owner watches ws_queued */
void ws_binary(struct ws *w, const void *data, size_t len);
void ws_ping(struct ws *w);
/* Queued; WS_CLOSED follows when the peer answered, so the owner sets a deadline. The reason is cut at 123 bytes. */
void ws_close(struct ws *w, uint16_t code, const char *reason);
uint16_t ws_close_code(const struct ws *w);   /* what the peer (or our error) closed with; 1006: nothing */

#define WS_KEY_SIZE 25
#define WS_ACCEPT_SIZE 29
void ws_key(char out[WS_KEY_SIZE]);                          /* a fresh Sec-WebSocket-Key */
void ws_accept(const char *key, char out[WS_ACCEPT_SIZE]);   /* Sec-WebSocket-Accept of a Sec-WebSocket-Key */

#endif
