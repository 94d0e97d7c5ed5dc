/* logsink.h - the loop's side of orion-logsink: one sink, its sockets, and who does what.
 *
 *   control.c   ROUTER: gateways say hello, send chunks and ask for bytes
 *   upstream.c  DEALERs to the schedulers: hello, pings, seals, how the sink is
 *   follow.c    XPUB: durable bytes to whoever looks; answers to reads
 *   intake.c    chunks in, batches of durable ones back: acknowledge, publish, store
 *   room.c      a full disk
 *   sealing.c   the end of a log
 *   sink.c      start and stop, and the jobs that come back from the other threads */
#ifndef ORION_LOGSINK_LOGSINK_H
#define ORION_LOGSINK_LOGSINK_H

#include <stdbool.h>
#include <stdint.h>

#include "logsink/attempt.h"
#include "logsink/job.h"
#include "logsink/keep.h"
#include "proto/msg.h"

struct service;
struct loop;
struct watch;
struct bus;
struct bus_socket;
struct journal;
struct store;
struct control;
struct upstream;
struct follow;

#define SINK_HELD_MAX (64 * 1024 * 1024)   /* bytes of chunks in the process; what comes beyond is dropped */
#define SINK_ATTEMPTS_MAX 65536            /* logs remembered */
#define SINK_QUEUE_MAX 1024                /* messages per peer on a socket */
#define SINK_FULL_MS 1000                  /* a full disk is tried again after this */
#define SINK_ROOM_MS 5000                  /* and is one no more when nothing was refused for so long behind it */

struct sink_settings {
    char *name, *dir, *listen, *live, *schedulers;
    struct keep_settings keep;
};

struct sink {
    struct service *service;
    const struct sink_settings *settings;
    struct loop *loop;
    struct bus *bus;
    int dir_fd, lock_fd;
    struct mailbox *done;             /* what journal and store hand back */
    struct watch *done_watch;
    struct journal *journal;
    struct store *store;
    struct attempts attempts;
    struct control *control;
    struct upstream *upstream;
    struct follow *follow;
    struct buf out;                 /* the message being sent */
    uint32_t round;                 /* of the chunks taken now (journal.h) */
    uint64_t full_until_ms;         /* 0: the disk is not full */
    uint64_t stuck_since_ms;        /* too much is held since then; 0: it is not */
    bool is_full;                   /* as the schedulers were told */
    size_t held_bytes;
    bool is_draining;
};

int sink_start(struct service *s, const struct sink_settings *set, struct sink **sink_r, struct err *e);
void sink_drain(struct sink *s);
void sink_stop(struct sink **s);

/* control.c. control_send: -1 when the peer is gone or its queue is full. */
int control_open(struct sink *s, struct err *e);
void control_close(struct control **c);
void control_pause(struct control *c);
int control_send(struct sink *s, const struct bus_peer *to, uint64_t conn, enum msg_type type, const void *message);

/* upstream.c */
int upstream_open(struct sink *s, struct err *e);
void upstream_close(struct upstream **u);
void upstream_send(struct sink *s, int scheduler, enum msg_type type, const void *message);   /* -1: to all */
void upstream_tell_state(struct sink *s);   /* to all: it has changed */

/* follow.c */
int follow_open(struct sink *s, struct err *e);
void follow_close(struct follow **f);
void follow_publish(struct sink *s, const struct attempt *a, const struct journal_record *r); /* r NULL: only the end */
void follow_read(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_read *m);
void follow_list(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_list *m);
void follow_answer(struct sink *s, struct read *r);   /* consumes r */

/* intake.c */
struct attempt *intake_attempt(struct sink *s, const struct log_key *key);     /* NULL: too many are busy */
void intake_chunk(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_chunk *m);
void intake_base(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_base *m);
void intake_loaded(struct sink *s, struct load *l);   /* consumes l */
void intake_batch(struct sink *s, struct batch *b);   /* consumes b */
void intake_push(struct sink *s, struct attempt *a, struct chunk *c);          /* to the journal; consumes c */

/* room.c */
bool room_is_there(const struct sink *s);                      /* may a chunk be taken now? */
void room_refused(struct sink *s, const struct err *why);      /* the journal found the disk full */
void room_taken(struct sink *s);                               /* a batch went to the disk */
void room_tick(struct sink *s);                                /* each second */

/* sealing.c */
void sealing_request(struct sink *s, int scheduler, const struct msg_log_seal *m);
void sealing_try(struct sink *s, struct attempt *a);  /* something changed: may it be sealed now? */
void sealing_done(struct sink *s, struct attempt *a, const struct chunk *c);   /* its seal is durable */

#endif
