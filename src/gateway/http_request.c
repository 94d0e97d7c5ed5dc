/* http_request.c - one request, from its first header byte to its handler's answer, as libmicrohttpd calls it.
 *
 * Given pieces of headers and body, makes a struct request of them, refuses what is too large, calls
 * gateway/routes.c once it is complete, and hands the answer over: at once, or when its ticket comes back. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"
#include "gateway/http_impl.h"
#include "lib/clock.h"
#include "lib/log.h"

enum {
    BODY_MAX = MSG_JSON_MAX,
    BODY_DRAIN_MAX = 16 * 1024 * 1024, /* a larger body is not read to its end for the sake of a polite answer */
};

/* --- requests -------------------------------------------------------------------------------------------------- */

/* The way back to a request that is answered later. */
struct ticket {
    struct http_request *q;   /* NULL: over */
};

/* Lies with each connection: the target of the request whose headers are coming in. A request proper is made when
 * they are complete, because MHD tells of the end of no other. */
struct target {
    char *uri;
};

void http_on_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
                        enum MHD_ConnectionNotificationCode what)
{
    struct target *target = *socket_context;

    (void)cls;
    (void)conn;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = mem_zalloc(sizeof(*target));
    } else if (target) {
        mem_free(&target->uri);
        mem_free(socket_context);
    }
}

static struct target *target_of(struct MHD_Connection *conn)
{
    return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* MHD calls this with the whole request target before it parses anything. */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct target *target = target_of(conn);

    (void)cls;
    mem_free(&target->uri);
    target->uri = mem_strdup(uri);
    return NULL;
}

static struct http_request *request_new(struct http *h, struct MHD_Connection *conn)
{
    struct http_request *q = mem_zalloc(sizeof(*q));
    struct target *target = target_of(conn);

    q->http = h;
    q->conn = conn;
    q->since_ns = clock_boot_ns();
    q->heard_ms = q->since_ns / 1000000;
    q->uri = target->uri;
    target->uri = NULL;
    TAILQ_INSERT_TAIL(&h->all, q, all);
    return q;
}

static void request_free(struct http_request *q)
{
    struct http *h = q->http;

    TAILQ_REMOVE(&h->all, q, all);
    if (q->is_ready)
        TAILQ_REMOVE(&h->ready, q, ready);
    http_stream_end(q);
    if (q->ticket)
        q->ticket->q = NULL;
    if (q->response)
        MHD_destroy_response(q->response);
    http_forget_input(q);
    mem_free(&q->uri);
    mem_free(&q);
}

void http_forget_input(struct http_request *q)
{
    buf_fini(&q->pub.body);
    arena_fini(&q->pub.arena);
    q->pub.path = q->pub.param = NULL;
    q->pub.query = (struct query){ 0 };
    q->headers = NULL;
}

void http_on_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
    struct http_request *q = *con_cls;

    (void)cls;
    (void)conn;
    (void)why;
    *con_cls = NULL;
    if (!q)
        return;
    log_debug("request", log_str("method", q->method_name), log_str("uri", q->uri), log_int("status", q->status),
              log_int("us", (int64_t)((clock_boot_ns() - q->since_ns) / 1000)));
    request_free(q);
}

const char *request_header(const struct request *r, const char *name)
{
    const struct http_request *q = (const struct http_request *)r;

    return MHD_lookup_connection_value(q->conn, MHD_HEADER_KIND, name);
}

void request_add_header(struct request *r, const char *name, const char *value)
{
    struct http_request *q = (struct http_request *)r;
    struct http_header header = { q->headers, arena_strdup(&r->arena, name), arena_strdup(&r->arena, value) };

    q->headers = arena_dup(&r->arena, &header, sizeof(header));
}

void http_respond(struct http_request *q, unsigned status, struct MHD_Response *response)
{
    for (const struct http_header *header = q->headers; header; header = header->next)
        MHD_add_response_header(response, header->name, header->value);
    if (q->http->is_draining && status != MHD_HTTP_SWITCHING_PROTOCOLS)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (q->response)
        MHD_destroy_response(q->response);
    q->response = response;
    q->status = status;
    if (q->ticket) {
        q->ticket->q = NULL;
        q->ticket = NULL;
    }
    http_make_ready(q);
}

void request_answer(struct request *r, unsigned status, const char *type, struct buf *body)
{
    struct http_request *q = (struct http_request *)r;
    size_t len = body ? body->len : 0;
    char *data = body ? buf_take(body) : NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);

    if (type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    http_respond(q, status, response);
}

struct ticket *request_wait(struct request *r)
{
    struct http_request *q = (struct http_request *)r;

    q->ticket = mem_zalloc(sizeof(*q->ticket));
    q->ticket->q = q;
    return q->ticket;
}

struct request *ticket_request(struct ticket **t)
{
    struct http_request *q = (*t)->q;

    mem_free(t);
    if (!q)
        return NULL;
    q->ticket = NULL;
    return &q->pub;
}

/* --- from the first header byte to the handler ----------------------------------------------------------------- */

static void refuse_body(struct http_request *q)
{
    reply_error(&q->pub, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 1 MiB (%d bytes)", BODY_MAX);
}

/* Where the path begins: behind scheme and host, if a proxy's form of target was used (RFC 9112, 3.2.2). */
static const char *path_of(const char *uri)
{
    static const char scheme[] = "http://";

    if (strncasecmp(uri, scheme, sizeof(scheme) - 1) != 0)
        return uri;
    const char *host = uri + sizeof(scheme) - 1;
    return host[strcspn(host, "/")] ? host + strcspn(host, "/") : "/";
}

/* Divides the target; what is wrong with it is answered when the body is in. */
static void request_begin(struct http_request *q, const char *method)
{
    const char *path = path_of(q->uri);

    q->pub.method = route_method(method);
    q->method_name = route_method_name(q->pub.method);
    q->pub.path = arena_strndup(&q->pub.arena, path, strcspn(path, "?"));
    q->pub.is_v1 = strcmp(q->pub.path, "/v1") == 0 || strncmp(q->pub.path, "/v1/", 4) == 0;
    const char *length = request_header(&q->pub, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long announced = length ? strtoull(length, NULL, 10) : 0;
    bool is_asking = request_header(&q->pub, MHD_HTTP_HEADER_EXPECT) != NULL;
    if (announced > BODY_DRAIN_MAX || (announced > BODY_MAX && is_asking))
        refuse_body(q);
}

static enum MHD_Result body_take(struct http_request *q, const char *data, size_t *len)
{
    q->heard_ms = clock_boot_ms();
    q->body_seen += *len;
    if (q->body_seen > BODY_DRAIN_MAX)
        return MHD_NO;
    if (q->body_seen <= BODY_MAX)
        buf_append(&q->pub.body, data, *len);
    else
        buf_fini(&q->pub.body);
    *len = 0;
    return MHD_YES;
}

static void request_serve(struct http_request *q)
{
    struct err e = { 0 };
    const char *question = strchr(q->uri, '?');

    q->is_served = true;
    if (q->body_seen > BODY_MAX)
        refuse_body(q);
    else if (query_parse(question ? question + 1 : "", &q->pub.arena, &q->pub.query, &e) < 0)
        reply_err(&q->pub, MHD_HTTP_BAD_REQUEST, &e);
    else
        routes_serve(q->http->g, &q->pub);
}

/* Hands the answer to MHD, or lets the request wait for it. */
static enum MHD_Result request_settle(struct http_request *q)
{
    if (!q->response) {
        http_suspend(q);
        return MHD_YES;
    }
    enum MHD_Result result = MHD_queue_response(q->conn, q->status, q->response);
    MHD_destroy_response(q->response);
    q->response = NULL;
    return result;
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                const char *version, const char *data, size_t *len, void **con_cls)
{
    struct http *h = cls;
    struct http_request *q = *con_cls;

    (void)url;
    http_walk_done(h);
    if (h->is_closing)
        return MHD_NO;
    if (!q) {
        *con_cls = q = request_new(h, conn);
        q->is_http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
        request_begin(q, method);
        return q->response ? request_settle(q) : MHD_YES;
    }
    if (*len > 0)
        return body_take(q, data, len);
    if (!q->is_served)
        request_serve(q);
    return request_settle(q);
}

/* Escapes stay as they are: decoding is query.c's, which knows about NUL and slashes. */
size_t http_keep_escapes(void *cls, struct MHD_Connection *conn, char *text)
{
    (void)cls;
    (void)conn;
    return strlen(text);
}
