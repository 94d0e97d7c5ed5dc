/* questions.h - what gateways ask, waiting for the store: a bounded number is there at a time, and peers take turns, so
 * that one with a thousand viewers does not hold up another's only one. Pure. */
#ifndef ORION_LOGSINK_QUESTIONS_H
#define ORION_LOGSINK_QUESTIONS_H

#include <stdbool.h>

#include "logsink/job.h"

#define QUESTIONS_OUT_MAX 128      /* at the store; an answer has up to 256 KiB */
#define QUESTIONS_PEER_MAX 1024    /* waiting, of one peer */
#define QUESTIONS_MAX 8192         /* of all */

struct asker;
struct questions {
    struct asker *turn;    /* a ring of those who wait; NULL: nobody does */
    unsigned waiting, out;
};

void questions_fini(struct questions *q);
bool questions_add(struct questions *q, struct read *r);   /* consumes r; false, and not consumed: too many wait */
struct read *questions_next(struct questions *q);          /* for the store now; NULL: none, or enough are there */
void questions_answered(struct questions *q);              /* one came back */

#endif
