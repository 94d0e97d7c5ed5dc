/* queue.h - messages from one thread to another, in order. Items live inside their owners' structs and belong to
 * whoever took them.
 *
 * The queue itself has no bound: what may be in flight is counted where it enters the process (see sink.h). */
#ifndef ORION_LOGSINK_QUEUE_H
#define ORION_LOGSINK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

struct queue_item {
    struct queue_item *next;
};

/* has_fd: the receiver is the event loop and waits for queue_fd to become readable. */
struct queue *queue_new(bool has_fd);
void queue_free(struct queue **q);                    /* what is in it must have been taken */
int queue_fd(const struct queue *q);                  /* eventfd; read and cleared by queue_take */

void queue_push(struct queue *q, struct queue_item *i);
void queue_close(struct queue *q);                    /* nothing more will come: wakes the receiver */

/* Everything in it, oldest first; NULL when there is nothing. */
struct queue_item *queue_take(struct queue *q);
/* The same, but sleeps until there is something, it is closed, or wait_ms have passed (-1: for ever). */
struct queue_item *queue_wait(struct queue *q, int64_t wait_ms);
bool queue_is_closed(struct queue *q);

#endif
