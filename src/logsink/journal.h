/* journal.h - the thread that makes chunks durable: everything that came while the last fdatasync ran is written
 * and synced together, then handed on as one batch.
 *
 * A full disk refuses the whole round: after a chunk of round n is refused, every chunk up to round n is, so that
 * nothing is written behind a hole; the loop learns it from the batch and numbers what it takes next n + 1. A sync
 * that fails is a fault: the process ends and the next one recovers from what the disk really has. */
#ifndef ORION_LOGSINK_JOURNAL_H
#define ORION_LOGSINK_JOURNAL_H

#include <stdint.h>

#include "lib/err.h"
#include "logsink/job.h"

#define JOURNAL_SEGMENT_BYTES (64 * 1024 * 1024)

struct journal;

/* Creates the segment `number` and starts the thread. Batches and faults go to `done`. */
struct journal *journal_open(int dir_fd, uint64_t number, uint64_t segment_bytes, struct mailbox *done, struct err *e);
void journal_push(struct journal *j, struct chunk *c);   /* consumes c */
void journal_close(struct journal **j);                  /* writes what was pushed, ends the thread */

#endif
