/* request.h - one HTTP request, from its headers to the end of its answer. What lies below is http_impl.h's. */
#ifndef ORION_GATEWAY_REQUEST_H
#define ORION_GATEWAY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/query.h"
#include "gateway/route.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "proto/msg.h"

struct request {
    enum http_method method;
    const char *path;          /* raw */
    struct query query;
    const char *param;         /* what stood in the braces of the route, decoded */
    struct buf body;
    bool is_v1;                /* errors are problem+json; else the seed's {"message"} */
    struct arena arena;        /* lives as long as the request */
    void *ctx;                 /* the handler's own, in the arena */
};

/* --- answering (http_request.c) -------------------------------------------------------------------------------- */

const char *request_header(const struct request *r, const char *name);   /* NULL: not there */
void request_add_header(struct request *r, const char *name, const char *value); /* of the answer; before it */
/* Consumes the body; NULL: none. */
void request_answer(struct request *r, unsigned status, const char *type, struct buf *body);

/* An answer that comes later. A handler that has not answered when it returns leaves the request waiting; the
 * ticket leads back to it, unless it is over by then. */
struct ticket;
struct ticket *request_wait(struct request *r);
struct request *ticket_request(struct ticket **t);   /* gives the ticket back; NULL: nobody waits any more */

/* --- streaming (http_stream.c) --------------------------------------------------------------------------------- */

#define STREAM_WAIT 0      /* nothing now: stream_wake when there is */
#define STREAM_END (-1)
#define STREAM_ABORT (-2)  /* the answer is cut short, visibly */

struct stream_hooks {
    ssize_t (*fill)(void *arg, char *out, size_t room);   /* bytes written, or one of the above */
    void (*gone)(void *arg);                              /* the answer is over, whoever ended it; called once */
};
/* Answers 200 with what `fill` gives, bit by bit. */
void request_stream(struct request *r, const char *type, const struct stream_hooks *hooks, void *arg);
/* The same with another status, or with a length that is known: `fill` then gives as many bytes, or aborts. */
#define STREAM_UNSIZED UINT64_MAX
struct stream_head {
    unsigned status;
    const char *type;
    uint64_t size;
};
void request_stream_as(struct request *r, const struct stream_head *head, const struct stream_hooks *hooks, void *arg);
void stream_wake(struct request *r);

/* --- upgrading (http_upgrade.c) -------------------------------------------------------------------------------- */

struct upgraded;   /* the socket behind a 101 */
/* `extra`: bytes that came behind the handshake, valid during the call. */
typedef void upgraded_fn(void *arg, struct upgraded *u, const void *extra, size_t extra_len);
void request_upgrade(struct request *r, upgraded_fn *fn, void *arg);   /* headers are the caller's, before it */
int upgraded_fd(const struct upgraded *u);
void upgraded_close(struct upgraded **u);

/* --- what answers look like (reply.c) -------------------------------------------------------------------------- */

void reply_message(struct request *r, unsigned status, enum msg_type type, const void *message);
void reply_text(struct request *r, unsigned status, const char *text);
/* {"message"} or a problem, whichever the route speaks. */
void reply_error(struct request *r, unsigned status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void reply_err(struct request *r, unsigned status, const struct err *e);   /* with its field */
void reply_task_error(struct request *r, unsigned status, const struct uuid *task_id, const char *text);
void reply_undecodable(struct request *r, const struct err *e);            /* what a body's decoder said */

#endif
