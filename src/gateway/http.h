/* http.h - the worker's HTTP server, as the worker sees it. */
#ifndef ORION_GATEWAY_HTTP_H
#define ORION_GATEWAY_HTTP_H

#include <stddef.h>

#include "lib/err.h"

struct gateway;
struct http;

struct http *http_open(struct gateway *g, int listen_fd, struct err *e);
void http_close(struct http **h);                     /* ends what is still open */
void http_drain(struct http *h);                      /* accept nothing more; connections close after their answer */
size_t http_connections(const struct http *h);
size_t http_requests(const struct http *h);           /* being served or still coming in */

#endif
