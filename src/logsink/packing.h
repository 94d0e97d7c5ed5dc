/* packing.h - which logs are packed, one after the other. Part of the store's thread. */
#ifndef ORION_LOGSINK_PACKING_H
#define ORION_LOGSINK_PACKING_H

#include <stdbool.h>

#include "logsink/files.h"
#include "logsink/seal.h"

struct packing;

typedef void packing_fn(void *arg, const struct log_key *key);

/* level: 0: nothing is packed. on_end: this log is packed, or stays as it is. */
struct packing *packing_new(int dir_fd, struct files *fs, int level, packing_fn *on_end, void *arg);
void packing_free(struct packing **p);

void packing_push(struct packing *p, const struct log_key *key);   /* of a log that was sealed; forgotten when full */
/* Would it be worth packing? One that could not be packed is not tried again. */
bool packing_wants(const struct packing *p, const struct log_key *key, const struct seal *s);
bool packing_is_at(const struct packing *p, const struct log_key *key);
void packing_stop(struct packing *p, const struct log_key *key);   /* it is about to be deleted */
/* true: there is more to do now. available: bytes on the disk. */
bool packing_step(struct packing *p, uint64_t available);

/* Is it sealed for good, or so long ago that late output is not expected any more? */
bool packing_is_settled(const struct seal *s);

#endif
