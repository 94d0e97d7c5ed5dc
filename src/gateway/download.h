/* download.h - a task's log in the forms that programs and files want: plain text, JSON lines, asciicast, chunks. */
#ifndef ORION_GATEWAY_DOWNLOAD_H
#define ORION_GATEWAY_DOWNLOAD_H

#include "gateway/log_query.h"
#include "lib/uuid.h"

struct downloads;
struct gateway;
struct request;

struct downloads *downloads_new(struct gateway *g);
void downloads_free(struct downloads **all);
void downloads_drain(struct downloads *all);   /* those that wait are answered 503, those that follow are cut */
/* Answers the request, now or later. Not for FORM_SSE. */
void download_open(struct downloads *all, struct request *r, const struct uuid *id, const struct log_query *query);

#endif
