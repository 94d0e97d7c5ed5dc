/* http_stream.c - answers that come bit by bit: libmicrohttpd's content reader, suspended while there is nothing.
 *
 * Nothing is buffered per client here: the owner writes into MHD's own buffer when the socket has room. A client
 * that leaves while its connection is suspended is noticed by watching the descriptor for EPOLLRDHUP. */
#include <sys/epoll.h>

#include "gateway/http_impl.h"
#include "lib/log.h"

/* Allocated per response. What goes out in chunks does not use it. */
enum { BLOCK_UNUSED = 16, BLOCK_PLAIN = 4096, BLOCK_SIZED = 32768 };

static void on_left(void *arg, uint32_t events)
{
    struct http_request *q = arg;

    (void)events;
    q->has_left = true;
    watch_free(&q->left_watch);
    http_make_ready(q);
}

static void stream_suspend(struct http_request *q)
{
    if (!q->left_watch) {
        int fd = MHD_get_connection_info(q->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        q->left_watch = loop_watch(q->http->loop, fd, EPOLLRDHUP | EPOLLET, on_left, q);
    }
    http_suspend(q);
}

static ssize_t on_fill(void *cls, uint64_t pos, char *out, size_t room)
{
    struct http_request *q = cls;

    (void)pos;
    http_walk_done(q->http);
    if (q->has_left)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t n = q->hooks->fill(q->hooks_arg, out, room);
    if (n > 0)
        return n;
    if (n == STREAM_WAIT) {
        stream_suspend(q);
        return 0;
    }
    watch_free(&q->left_watch);
    return n == STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static size_t block_size(const struct http_request *q, bool is_sized)
{
    if (is_sized)
        return BLOCK_SIZED;
    return q->is_http_1_0 ? BLOCK_PLAIN : BLOCK_UNUSED;
}

/* The access log's line ends a request; that of a stream, which may be far away, comes when it begins as well, and what
 * was asked is not kept for it: many viewers are idle most of the time. */
static void note_begin(struct http_request *q, unsigned status)
{
    log_debug("stream", log_str("method", q->method_name), log_str("uri", q->uri), log_int("status", status));
    mem_free(&q->uri);
}

/* A stream may stand still for as long as its client likes: for want of bytes, or because nobody reads. Its connection
 * has no timeout from then on and is for nothing else. */
static void live_long(struct http_request *q, struct MHD_Response *response)
{
    MHD_set_connection_option(q->conn, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

void request_stream_as(struct request *r, const struct stream_head *head, const struct stream_hooks *hooks, void *arg)
{
    struct http_request *q = (struct http_request *)r;
    bool is_sized = head->size != STREAM_UNSIZED;
    struct MHD_Response *response = MHD_create_response_from_callback(is_sized ? head->size : MHD_SIZE_UNKNOWN,
                                                                      block_size(q, is_sized), on_fill, q, NULL);

    q->hooks = hooks;
    q->hooks_arg = arg;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, head->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    if (!is_sized)
        live_long(q, response);
    http_respond(q, head->status, response);
    http_forget_input(q);
    note_begin(q, head->status);
}

void request_stream(struct request *r, const char *type, const struct stream_hooks *hooks, void *arg)
{
    const struct stream_head head = { MHD_HTTP_OK, type, STREAM_UNSIZED };

    request_stream_as(r, &head, hooks, arg);
}

void stream_wake(struct request *r)
{
    http_make_ready((struct http_request *)r);
}

void http_stream_end(struct http_request *q)
{
    watch_free(&q->left_watch);
    if (q->hooks)
        q->hooks->gone(q->hooks_arg);
    q->hooks = NULL;
}
