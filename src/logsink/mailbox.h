/* mailbox.h - from one thread to another, in order. A mail lives inside the struct that is sent, which belongs to
 * whoever took it.
 *
 * A mailbox itself has no bound: what may be in flight is counted where it enters the process (logsink.h). */
#ifndef ORION_LOGSINK_MAILBOX_H
#define ORION_LOGSINK_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mailbox;

struct mail {
    struct mail *next;
};

/* has_fd: the receiver is the event loop and waits for mailbox_fd to become readable. */
struct mailbox *mailbox_new(bool has_fd);
void mailbox_free(struct mailbox **q);              /* what is in it must have been taken */
int mailbox_fd(const struct mailbox *q);            /* eventfd; read and cleared by mailbox_take */

void mailbox_push(struct mailbox *q, struct mail *i);
void mailbox_close(struct mailbox *q);                 /* nothing more will come: wakes the receiver */

/* Everything in it, oldest first; NULL when there is nothing. */
struct mail *mailbox_take(struct mailbox *q);
/* The same, but sleeps until there is something, it is closed, or wait_ms have passed (-1: for ever). */
struct mail *mailbox_wait(struct mailbox *q, int64_t wait_ms);
bool mailbox_is_closed(struct mailbox *q);

#endif
