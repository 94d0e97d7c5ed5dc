/* route.h - from method and path to the handler, by a table. */
#ifndef ORION_GATEWAY_ROUTE_H
#define ORION_GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/mem.h"

struct gateway;
struct request;

enum http_method { HTTP_GET = 1, HTTP_HEAD = 2, HTTP_POST = 4, HTTP_PUT = 8, HTTP_DELETE = 16, HTTP_OTHER = 32 };

/* Answers the request now, or waits for something that will (request_wait). */
typedef void route_fn(struct gateway *g, struct request *r);

enum route_body {
    BODY_NONE,                 /* is not looked at */
    BODY_JSON,                 /* application/json, and nothing else */
    BODY_MAYBE,                /* the same, or none at all */
};

struct route {
    enum http_method method;   /* a GET row also serves HEAD */
    const char *pattern;       /* "/v1/tasks/{id}/log": whole segments, at most one in braces */
    route_fn *fn;
    enum route_body body;
};

enum route_end { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_WRONG_METHOD, ROUTE_BAD_PATH };

struct route_match {
    const struct route *route;
    const char *param;         /* decoded, in the arena; NULL: the pattern has none */
    unsigned allowed;          /* http_method bits, for ROUTE_WRONG_METHOD */
};

/* `path` is raw, as it stood in the request line, without the query. ROUTE_BAD_PATH sets `e`. */
enum route_end route_find(const struct route *table, size_t n, enum http_method method, const char *path,
                          struct arena *a, struct route_match *m_r, struct err *e);
enum http_method route_method(const char *name);
const char *route_method_name(enum http_method method);
void route_allow(unsigned allowed, char out[32]);   /* "GET, HEAD" */

#endif
