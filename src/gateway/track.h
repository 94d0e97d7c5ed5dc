/* track.h - followed tasks: what SQL says about them, read again after each notification, once for all viewers. */
#ifndef ORION_GATEWAY_TRACK_H
#define ORION_GATEWAY_TRACK_H

#include <sys/queue.h>

#include "gateway/log_state.h"

struct gateway;
struct track;
struct tracks;

/* Lies in the viewer. on_change must not leave the track. */
struct track_member {
    TAILQ_ENTRY(track_member) entry;
    struct track *track;                 /* NULL: not joined */
    void (*on_change)(void *arg);        /* the state was read for the first time, or is another one */
    void *arg;
};

struct tracks *tracks_new(struct gateway *g);
void tracks_free(struct tracks **t);
void tracks_refresh(struct tracks *t);   /* something was committed */

void track_join(struct tracks *t, const struct uuid *id, struct track_member *m);
void track_leave(struct track_member *m);
const struct log_state *track_state(const struct track_member *m);   /* NULL: not known (yet) */
bool track_is_missing(const struct track_member *m);                 /* there is no such task */

#endif
