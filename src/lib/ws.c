/* ws.c - one WebSocket on top of wslay's event context, which reads, assembles, checks UTF-8, answers pings and
 * formats frames. What is added here (RFC 6455 unless said otherwise):
 *
 * - two queues of our own in front of wslay's, so that text overtakes binary and a close does not overtake either;
 * - an output buffer, so that many small frames are one write;
 * - bounds that wslay lacks: fragments per message, pongs that the peer does not fetch, bytes per ws_readable;
 * - close codes wslay does not know or does not send: 1012-1014 (IANA registry), 1002 for a malformed header.
 */
#include "lib/ws.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/mem.h"

enum {
    READ_MAX = 256 << 10,  /* bytes a ws_readable takes before others have their turn */
    OUT_MAX = 16 << 10,    /* bytes handed to the transport at once */
    FRAGMENTS_MAX = 4096,  /* frames of one message: each costs memory beside its bytes */
    PONGS_FLUSH = 64,      /* answers that wait before they are written in the middle of a read */
    PONGS_MAX = 1024,      /* answers a peer may leave unfetched */
    REASON_MAX = 123,
};

struct frame {
    struct frame *next;
    size_t len;
    uint8_t data[];
};

struct frame_queue {
    struct frame *head, *last;
    size_t bytes;
};

struct ws {
    wslay_event_context_ptr ctx;
    struct ws_hooks hooks;
    void *arg;
    bool is_dead;            /* the transport is gone, or the peer has to go */
    bool is_reading;
    bool is_closing;         /* ws_close was called */
    bool is_bad_frame;       /* wslay gave up on a header and queued an empty close */

    struct buf feed;
    size_t read_left;        /* of READ_MAX */
    bool is_drained;         /* the transport has no more for now */
    unsigned fragments;
    uint8_t peer_close[2];   /* the first bytes of the peer's close frame */
    size_t peer_close_len;
    bool is_close_frame;     /* the frame being read */

    struct frame_queue text, binary;
    struct buf out;
    uint64_t payload_left;   /* of the frame that wslay is writing */
    size_t payload_done;
    uint16_t close_code;
    char close_reason[REASON_MAX + 1];
};

/* --- queues of our own ------------------------------------------------------------------------------- */

static void queue_push(struct frame_queue *q, const void *data, size_t len)
{
    struct frame *f = mem_alloc(sizeof(*f) + len);

    f->next = NULL;
    f->len = len;
    if (len)
        memcpy(f->data, data, len);
    if (q->head)
        q->last->next = f;
    else
        q->head = f;
    q->last = f;
    q->bytes += len;
}

static void queue_drop(struct frame_queue *q)
{
    struct frame *f = q->head;

    q->head = f->next;
    q->bytes -= f->len;
    mem_free(&f);
}

static void queue_clear(struct frame_queue *q)
{
    while (q->head)
        queue_drop(q);
}

/* wslay fails for want of memory, or because a close is under way: then the bytes are of no more use. */
static void must_have_memory(int rc)
{
    if (rc == WSLAY_ERR_NOMEM)
        abort();
}

static void wslay_queue(struct ws *w, uint8_t opcode, const uint8_t *data, size_t len)
{
    must_have_memory(wslay_event_queue_msg(
        w->ctx, &(struct wslay_event_msg){ .opcode = opcode, .msg = data, .msg_length = len }));
}

/* wslay gets one message at a time, so that the next is chosen as late as possible. */
static void refill(struct ws *w)
{
    bool is_text = w->text.head != NULL;
    struct frame_queue *q = is_text ? &w->text : &w->binary;

    if (wslay_event_get_queued_msg_count(w->ctx) > 0)
        return;
    if (q->head) {
        wslay_queue(w, is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, q->head->data, q->head->len);
        queue_drop(q);
    } else if (w->is_closing) {
        must_have_memory(wslay_event_queue_close(w->ctx, w->close_code, (const uint8_t *)w->close_reason,
                                                 strlen(w->close_reason)));
    }
}

/* --- writing ----------------------------------------------------------------------------------------- */

static bool is_empty_close(const uint8_t *header)
{
    return header[0] == (0x80 | WSLAY_CONNECTION_CLOSE) && (header[1] & 0x7F) == 0;
}

/* For a malformed header wslay sends a close frame without a code; 1002 is what it means. */
static void bad_frame_put(struct ws *w, const uint8_t *header, size_t len)
{
    static const uint8_t code[2] = { WS_CLOSE_PROTOCOL >> 8, WS_CLOSE_PROTOCOL & 0xFF };
    const uint8_t *mask = len == 6 ? header + 2 : (const uint8_t[]){ 0, 0 };

    buf_putc(&w->out, (char)header[0]);
    buf_putc(&w->out, (char)(header[1] | sizeof(code)));
    buf_append(&w->out, header + 2, len - 2);
    for (size_t i = 0; i < sizeof(code); i++)
        buf_putc(&w->out, (char)(code[i] ^ mask[i]));
}

static uint64_t header_payload(const uint8_t *header)
{
    unsigned bytes = (header[1] & 0x7F) == 127 ? 8 : 2;
    uint64_t len = 0;

    if ((header[1] & 0x7F) < 126)
        return header[1] & 0x7F;
    for (unsigned i = 0; i < bytes; i++)
        len = len << 8 | header[2 + i];
    return len;
}

/* wslay's transport is the output buffer. A header comes whole and alone, then its payload in pieces. */
static ssize_t on_frame_bytes(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct ws *w = arg;

    (void)flags;
    if (w->out.len >= OUT_MAX) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (w->payload_left == 0) {
        w->payload_left = header_payload(data);
        if (w->is_bad_frame && is_empty_close(data))
            bad_frame_put(w, data, len);
        else
            buf_append(&w->out, data, len);
        return (ssize_t)len;
    }
    if (len > OUT_MAX)
        len = OUT_MAX;
    buf_append(&w->out, data, len);
    w->payload_left -= len;
    w->payload_done = w->payload_left ? w->payload_done + len : 0;
    return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *mask, size_t len, void *arg)
{
    (void)ctx;
    (void)arg;
    hash_random(mask, len);
    return 0;
}

/* Fills the output buffer as far as it goes. */
static void out_fill(struct ws *w)
{
    refill(w);
    while (w->out.len < OUT_MAX && wslay_event_want_write(w->ctx)) {
        must_have_memory(wslay_event_send(w->ctx));
        refill(w);
    }
}

static void flush(struct ws *w)
{
    if (w->is_dead)
        return;
    for (out_fill(w); w->out.len && !w->is_dead; out_fill(w)) {
        ssize_t n = w->hooks.send(w->arg, w->out.data, w->out.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            w->is_dead = errno != EAGAIN && errno != EWOULDBLOCK;
            break;
        }
        buf_consume(&w->out, (size_t)n);
    }
    if (w->out.len == 0)
        buf_fini(&w->out); /* thousands of connections are idle */
}

bool ws_wants_write(const struct ws *w)
{
    bool has_queued = w->text.head || w->binary.head || w->is_closing;

    return !w->is_dead && (w->out.len || wslay_event_want_write(w->ctx) ||
                           (has_queued && wslay_event_get_write_enabled(w->ctx)));
}

/* Over when both directions are: we said goodbye, and the peer did or is not worth listening to. */
static enum ws_status status(struct ws *w)
{
    if (!wslay_event_get_write_enabled(w->ctx)) {
        queue_clear(&w->text);
        queue_clear(&w->binary);
    }
    return w->is_dead || (!wslay_event_want_read(w->ctx) && !ws_wants_write(w)) ? WS_CLOSED : WS_OPEN;
}

enum ws_status ws_writable(struct ws *w)
{
    flush(w);
    return status(w);
}

size_t ws_queued(const struct ws *w)
{
    if (!wslay_event_get_write_enabled(w->ctx)) /* the close frame was the last; wslay goes on counting the dropped */
        return w->out.len;
    return w->text.bytes + w->binary.bytes + wslay_event_get_queued_msg_length(w->ctx) - w->payload_done + w->out.len;
}

/* --- reading ----------------------------------------------------------------------------------------- */

/* A peer that does not fetch the answers to its pings would make us hold them for ever. */
static void pongs_check(struct ws *w)
{
    if (wslay_event_get_queued_msg_count(w->ctx) > PONGS_FLUSH)
        flush(w);
    if (wslay_event_get_queued_msg_count(w->ctx) > PONGS_MAX)
        w->is_dead = true;
}

static ssize_t feed_take(struct ws *w, void *data, size_t len)
{
    if (len > w->feed.len)
        len = w->feed.len;
    memcpy(data, w->feed.data, len);
    buf_consume(&w->feed, len);
    if (w->feed.len == 0)
        buf_fini(&w->feed);
    return (ssize_t)len;
}

/* As recv(2), with the bound of ws_readable; the end of the transport and errors kill the connection. */
static ssize_t transport_read(struct ws *w, void *data, size_t len)
{
    ssize_t n;

    if (len > w->read_left)
        len = w->read_left;
    w->is_drained = w->is_dead || len == 0;
    if (w->is_drained)
        return -1;
    do
        n = w->feed.len ? feed_take(w, data, len) : w->hooks.recv(w->arg, data, len);
    while (n < 0 && errno == EINTR);
    w->is_drained = n <= 0;
    if (n > 0)
        w->read_left -= (size_t)n;
    else
        w->is_dead = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    return n > 0 ? n : -1;
}

static ssize_t on_want_bytes(wslay_event_context_ptr ctx, uint8_t *data, size_t len, int flags, void *arg)
{
    struct ws *w = arg;
    ssize_t n;

    (void)flags;
    pongs_check(w);
    n = transport_read(w, data, len);
    if (n < 0)
        wslay_event_set_error(ctx, w->is_dead ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
    return n;
}

static void on_frame_start(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *frame,
                           void *arg)
{
    struct ws *w = arg;

    w->is_close_frame = frame->opcode == WSLAY_CONNECTION_CLOSE;
    if (wslay_is_ctrl_frame(frame->opcode))
        return;
    w->fragments = frame->opcode == WSLAY_CONTINUATION_FRAME ? w->fragments + 1 : 1;
    if (w->fragments <= FRAGMENTS_MAX)
        return;
    wslay_event_shutdown_read(ctx);
    must_have_memory(wslay_event_queue_close(ctx, WS_CLOSE_TOO_BIG, NULL, 0));
}

/* Looks at the code of a close frame before wslay does: it refuses the registered 1012-1014 and would answer 1002. */
static void on_frame_chunk(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *chunk,
                           void *arg)
{
    struct ws *w = arg;
    unsigned code;

    if (!w->is_close_frame || w->peer_close_len == sizeof(w->peer_close))
        return;
    for (size_t i = 0; i < chunk->data_length && w->peer_close_len < sizeof(w->peer_close); i++)
        w->peer_close[w->peer_close_len++] = chunk->data[i];
    code = (unsigned)(w->peer_close[0] << 8 | w->peer_close[1]);
    if (w->peer_close_len == sizeof(w->peer_close) && code >= 1012 && code <= 1014)
        must_have_memory(wslay_event_queue_close(ctx, (uint16_t)code, NULL, 0));
}

static void on_wslay_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
    static const uint8_t nothing[1];
    struct ws *w = arg;

    if (w->is_closing || w->is_dead || !wslay_event_get_read_enabled(ctx))
        return;
    if (msg->opcode == WSLAY_PONG && w->hooks.on_pong)
        w->hooks.on_pong(w->arg);
    if (msg->opcode == WSLAY_TEXT_FRAME || msg->opcode == WSLAY_BINARY_FRAME)
        w->hooks.on_message(w->arg, msg->opcode == WSLAY_BINARY_FRAME, msg->msg ? msg->msg : nothing, msg->msg_length);
}

/* What comes behind a protocol error is thrown away, so that the descriptor does not stay readable. */
static void discard(struct ws *w)
{
    uint8_t bin[4096];

    while (transport_read(w, bin, sizeof(bin)) > 0)
        ;
}

/* wslay returns as soon as one read ends inside a header, though the transport may have more. */
static void receive(struct ws *w)
{
    int rc;

    do {
        rc = wslay_event_recv(w->ctx);
        must_have_memory(rc);
    } while (rc == 0 && !w->is_drained && wslay_event_want_read(w->ctx));
    w->is_bad_frame = rc < 0 && !w->is_dead;
}

enum ws_status ws_readable(struct ws *w)
{
    assert(!w->is_reading);
    w->read_left = READ_MAX;
    if (wslay_event_want_read(w->ctx)) {
        w->is_reading = true;
        receive(w);
        w->is_reading = false;
    } else {
        discard(w);
    }
    flush(w);
    return status(w);
}

bool ws_has_more(const struct ws *w)
{
    return !w->is_dead && w->read_left == 0;
}

void ws_feed(struct ws *w, const void *data, size_t len)
{
    buf_append(&w->feed, data, len);
}

/* --- the owner's side -------------------------------------------------------------------------------- */

struct ws *ws_new(bool server, size_t message_max, const struct ws_hooks *hooks, void *arg)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_want_bytes,
        .send_callback = on_frame_bytes,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_frame_chunk,
        .on_msg_recv_callback = on_wslay_message,
    };
    struct ws *w = mem_zalloc(sizeof(*w));

    w->hooks = *hooks;
    w->arg = arg;
    must_have_memory(server ? wslay_event_context_server_init(&w->ctx, &callbacks, w)
                            : wslay_event_context_client_init(&w->ctx, &callbacks, w));
    wslay_event_config_set_max_recv_msg_length(w->ctx, message_max);
    return w;
}

void ws_free(struct ws **w)
{
    if (!*w)
        return;
    assert(!(*w)->is_reading);
    wslay_event_context_free((*w)->ctx);
    queue_clear(&(*w)->text);
    queue_clear(&(*w)->binary);
    buf_fini(&(*w)->feed);
    buf_fini(&(*w)->out);
    mem_free(w);
}

static bool may_queue(const struct ws *w)
{
    return !w->is_dead && !w->is_closing && wslay_event_get_read_enabled(w->ctx);
}

void ws_text(struct ws *w, const void *data, size_t len)
{
    if (may_queue(w))
        queue_push(&w->text, data, len);
}

void ws_binary(struct ws *w, const void *data, size_t len)
{
    if (may_queue(w))
        queue_push(&w->binary, data, len);
}

void ws_ping(struct ws *w)
{
    if (may_queue(w))
        wslay_queue(w, WSLAY_PING, NULL, 0);
}

void ws_close(struct ws *w, uint16_t code, const char *reason)
{
    size_t len = strnlen(reason, REASON_MAX + 1);

    if (!may_queue(w))
        return;
    if (len > REASON_MAX) { /* cut between characters */
        len = REASON_MAX;
        while (len > 0 && ((unsigned char)reason[len] & 0xC0) == 0x80)
            len--;
    }
    snprintf(w->close_reason, sizeof(w->close_reason), "%.*s", (int)len, reason);
    w->close_code = code;
    w->is_closing = true;
}

uint16_t ws_close_code(const struct ws *w)
{
    if (w->peer_close_len == sizeof(w->peer_close))
        return (uint16_t)(w->peer_close[0] << 8 | w->peer_close[1]);
    if (wslay_event_get_close_received(w->ctx))
        return WS_CLOSE_NO_CODE;
    if (w->is_bad_frame)
        return WS_CLOSE_PROTOCOL;
    return w->is_closing ? WS_CLOSE_ABNORMAL : wslay_event_get_status_code_sent(w->ctx);
}
