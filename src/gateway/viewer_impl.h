/* viewer_impl.h - what viewer.c (beginning and end), viewer_fill.c (what stands between) and viewer_words.c share. */
#ifndef ORION_GATEWAY_VIEWER_IMPL_H
#define ORION_GATEWAY_VIEWER_IMPL_H

#include <sys/queue.h>
#include <sys/types.h>

#include "gateway/follow.h"
#include "gateway/track.h"
#include "gateway/viewer.h"
#include "lib/buf.h"

struct viewer {
    TAILQ_ENTRY(viewer) entry;
    struct viewers *all;
    struct follows *follows;
    struct request *request;
    struct viewer_spec spec;
    struct track_member track;
    struct follow_member follow;
    int64_t attempt;         /* being shown; 0: none yet */
    uint64_t offset;         /* everything before it was shown */
    uint64_t text_at, text_end; /* of the event being written; equal: none is */
    uint64_t text_next;      /* the offset behind it */
    struct buf pending;      /* heads and ends of events, not yet taken by the socket */
    uint64_t since_ms;
    uint64_t over_since_ms;  /* the attempt is over and nothing is left to show; 0: not so */
    int shown_state;         /* of the task, in a state event; -1: none yet */
    bool is_streaming;       /* the answer has begun */
    bool has_shown;          /* anything of a log */
    bool is_beat_due;        /* a comment, so that proxies do not give up */
    bool is_draining;
    bool is_over;            /* nothing comes behind `pending` */
    bool is_cut;             /* and the end is to be seen as a break */
};

ssize_t viewer_fill(void *arg, char *out, size_t room);   /* of struct stream_hooks */
/* Begins with the attempt; false: there are too many. */
bool viewer_attach(struct viewer *v, const struct log_attempt *a, uint64_t offset);

/* Into `pending`. */
void viewer_put_attempt(struct viewer *v, const struct log_attempt *a);
void viewer_put_state(struct viewer *v, const struct log_state *s);
void viewer_put_gap(struct viewer *v, uint64_t to, const char *reason);   /* from the viewer's place, which moves */
void viewer_put_absent(struct viewer *v);                                 /* the seed's line: there is no such log */
void viewer_put_end(struct viewer *v, const struct log_state *s);         /* nothing comes behind it */

#endif
