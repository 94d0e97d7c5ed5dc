/* viewer.h - one reader of a task's log as server-sent events: an HTTP answer that replays, follows and ends. */
#ifndef ORION_GATEWAY_VIEWER_H
#define ORION_GATEWAY_VIEWER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/uuid.h"

struct gateway;
struct request;
struct viewers;

enum viewer_kind {
    VIEWER_SEED,   /* /task-output: events without names, of the latest attempt */
    VIEWER_V1,     /* text/event-stream: named events, all attempts */
};

struct viewer_spec {
    enum viewer_kind kind;
    struct uuid id;
    int64_t attempt;      /* where to begin; 0: the kind's own beginning */
    uint64_t offset;
    bool is_resumed;      /* attempt and offset are a Last-Event-ID: nothing left is 204 */
};

struct viewers *viewers_new(struct gateway *g);
void viewers_free(struct viewers **v);
void viewers_drain(struct viewers *v);   /* every stream ends, in a way that makes its client come again */
/* Answers the request, now or later. */
void viewer_open(struct viewers *v, struct request *r, const struct viewer_spec *spec);

#endif
