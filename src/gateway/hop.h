/* hop.h - questions to the leading scheduler that a request waits for: sent, sent again, answered or given up. */
#ifndef ORION_GATEWAY_HOP_H
#define ORION_GATEWAY_HOP_H

#include "proto/msg.h"

struct gateway;
struct request;
struct hops;

enum hop_failure {
    HOP_FULL,       /* too many wait already: it was not sent */
    HOP_UNSENT,     /* nobody got it in time */
    HOP_DOUBTFUL,   /* somebody got it, and did not answer in time */
    HOP_REFUSED,    /* the leader will not: `reason` */
};
struct hop_end {
    enum hop_failure failure;
    const struct uuid *id;
    const char *reason;         /* HOP_REFUSED: a word of the message table */
    const char *message;        /* the same: a sentence, or NULL */
};

struct hop_kind {
    enum msg_type question, answer;
    int64_t deadline_ms;        /* 0: that of submissions */
    bool is_optional;           /* given up at once when nobody leads */
    /* One of the two is called, once, and answers the request. Neither is, when the request is over by then. */
    void (*answered)(struct gateway *g, struct request *r, const void *answer);
    void (*failed)(struct gateway *g, struct request *r, const struct hop_end *end);
};

struct hops *hops_new(struct gateway *g);
void hops_free(struct hops **h);

/* `id` is in the message and comes back with the answer. Kind and message live as long as the request. */
void hop_start(struct hops *h, struct request *r, const struct hop_kind *kind, const struct uuid *id,
               const void *message);

/* What the schedulers say (scheds.c, relay.c). Answers that nobody waits for are ignored. */
void hops_leader_up(struct hops *h);
void hops_leader_down(struct hops *h);
void hop_answer(struct hops *h, enum msg_type type, const struct uuid *id, const void *answer);
void hop_refuse(struct hops *h, const struct uuid *id, const char *reason, const char *message);

#endif
