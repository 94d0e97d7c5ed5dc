/* follow.h - the bytes of followed attempts: the newest live, older ones read from the sinks, once for all viewers. */
#ifndef ORION_GATEWAY_FOLLOW_H
#define ORION_GATEWAY_FOLLOW_H

#include <sys/queue.h>

#include "gateway/gaps.h"
#include "gateway/log_state.h"
#include "proto/msg.h"

struct follow;
struct follows;
struct gateway;
struct page;

/* Which events a viewer shows; those of the last two are made once for all viewers of an attempt. */
enum follow_form {
    FOLLOW_BYTES,
    FOLLOW_SEED,     /* without names */
    FOLLOW_V1,
};
#define FOLLOW_FORMS 3

/* Lies in the viewer. on_data must not leave the follow. */
struct follow_member {
    TAILQ_ENTRY(follow_member) entry;
    TAILQ_ENTRY(follow_member) want;
    struct follow *follow;               /* NULL: not joined */
    bool is_wanting;
    uint64_t wanted;                     /* offset that must be read */
    struct page *page;                   /* read for this viewer: kept until it has looked */
    void (*on_data)(void *arg);          /* bytes, a gap, an end or an error came to be known; once for all of a turn */
    void *arg;
    enum follow_form form;               /* set before joining */
    bool is_once;                        /* set before joining: on_data once, then not again until follow_listen */
    bool is_told;
};

enum follow_end_kind {
    FOLLOW_UNKNOWN,   /* the sink has not said anything yet */
    FOLLOW_ABSENT,    /* it has nothing */
    FOLLOW_OPEN,      /* more may come */
    FOLLOW_SEALED,    /* nothing more will come */
};

struct follows *follows_new(struct gateway *g);
void follows_free(struct follows **f);
void follow_data(struct follows *f, const struct msg_log_data *data);   /* from a sink: live, or an answer */
/* What SQL says of an attempt that may be followed here: its segments, its end. */
void follows_note(struct follows *f, const struct uuid *task, const struct log_attempt *a);

/* false: this worker follows as many attempts as it may. */
bool follow_join(struct follows *f, const struct uuid *task, const struct log_attempt *a, struct follow_member *m);
void follow_leave(struct follow_member *m);
void follow_listen(struct follow_member *m);                  /* everything was looked at: tell of what comes now */
/* Bytes in memory from `offset` on, in one piece; 0: none. Valid until the loop goes on. */
size_t follow_peek(const struct follow_member *m, uint64_t offset, const uint8_t **data_r);
/* Whole events of the member's form from `offset` on, as many as `room` holds, as text; 0: none are at hand, the viewer
 * makes the next one itself. Valid as above. */
size_t follow_events(const struct follow_member *m, uint64_t offset, size_t room, const char **text_r,
                     uint64_t *next_r);
/* Asked where there are no bytes in memory: is the byte at `offset` known to be missing, and up to where and why? */
bool follow_gap(const struct follow_member *m, uint64_t offset, struct follow_gap *gap_r);
/* Read from there; on_data follows. What lies up to 16 KiB in front of it in memory is then in one piece with it. */
void follow_want(struct follow_member *m, uint64_t offset);
void follow_unpin(struct follow_member *m);                   /* what was read for this viewer may go */
uint64_t follow_end(const struct follow_member *m);           /* where the log ends, as far as is known */
enum follow_end_kind follow_kind(const struct follow_member *m);
bool follow_is_quiet(const struct follow_member *m);          /* no byte came for a second */
uint64_t follow_idle_ms(const struct follow_member *m);       /* since the last byte came */
uint64_t follow_failing_ms(const struct follow_member *m);    /* since reads began to fail; 0: they do not */
const char *follow_error(const struct follow_member *m);      /* what reads have failed with for a while; NULL */

#endif
