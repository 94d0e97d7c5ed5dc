/* http_impl.h - what the http*.c files share: the requests as libmicrohttpd sees them. */
#ifndef ORION_GATEWAY_HTTP_IMPL_H
#define ORION_GATEWAY_HTTP_IMPL_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "gateway/http.h"
#include "gateway/request.h"
#include "lib/loop.h"

TAILQ_HEAD(http_requests_list, http_request);

struct http_header {
    struct http_header *next;
    const char *name, *value;
};

struct http_request {
    struct request pub;                  /* first: handlers see only this */
    struct http *http;
    struct MHD_Connection *conn;
    TAILQ_ENTRY(http_request) all;
    TAILQ_ENTRY(http_request) ready;
    bool is_http_1_0;                    /* no chunks: pieces of a stream come in a buffer of its own */
    bool is_served;                      /* the handler was called */
    bool is_suspended;                   /* MHD leaves it alone until it is resumed */
    bool is_ready;                       /* in the list of those to resume */
    size_t body_seen;                    /* bytes of the body that came, kept or not */
    struct MHD_Response *response;       /* the answer, until it is handed to MHD */
    unsigned status;                     /* 0: not answered */
    struct ticket *ticket;
    uint64_t since_ns;
    uint64_t heard_ms;                   /* the last piece of the body came */
    /* streams */
    const struct stream_hooks *hooks;
    void *hooks_arg;
    struct watch *left_watch;            /* tells when the client of a suspended stream leaves */
    bool has_left;
    /* upgrades */
    upgraded_fn *upgrade_fn;
    void *upgrade_arg;
    struct http_header *headers;         /* of the answer, the newest first; in the request's arena */
    const char *method_name;
    char *uri;                           /* the request target, for the access log to the end */
};

struct http {
    struct gateway *g;
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct watch *watch;
    struct hook *hook;
    struct timer *timer;                 /* MHD's own timeouts */
    struct timer *tick;                  /* requests that wait too long */
    struct timer *walk_timer;            /* when suspended requests may be resumed again */
    bool needs_run;
    bool is_draining;
    bool is_closing;
    struct http_requests_list all;
    struct http_requests_list ready;
    uint64_t walk_began_ns;              /* of the processor's time; 0: no walk is being timed */
    uint64_t walk_cost_ns;
    uint64_t round_began_ns;             /* those that were ready were resumed; of the clock */
    uint64_t round_cost_ns;              /* running MHD since then */
};

/* http_request.c: what the daemon calls */
void http_on_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
                        enum MHD_ConnectionNotificationCode what);
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *conn);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                const char *version, const char *data, size_t *len, void **con_cls);
void http_on_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why);
size_t http_keep_escapes(void *cls, struct MHD_Connection *conn, char *text);
void http_respond(struct http_request *q, unsigned status, struct MHD_Response *response); /* consumes the response */
void http_forget_input(struct http_request *q);   /* a long answer has begun: what was asked is not needed any more */

/* http.c */
void http_suspend(struct http_request *q);
void http_make_ready(struct http_request *q);     /* resume it with the others, soon */
void http_walk_done(struct http *h);              /* MHD called back: the walk over its parked connections is over */

/* http_stream.c */
void http_stream_end(struct http_request *q);     /* the request is over: tells the stream's owner */

#endif
