/* mailbox.c - a list under a mutex; the receiver sleeps on a condition or on an eventfd. */
#include "logsink/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct mail *first, **end;
    bool is_closed;
    int fd;
};

struct mailbox *mailbox_new(bool has_fd)
{
    struct mailbox *q = mem_zalloc(sizeof(*q));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->more, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&q->lock, NULL);
    q->end = &q->first;
    q->fd = has_fd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (has_fd && q->fd < 0)
        abort(); /* out of descriptors before anything is open: as out of memory */
    return q;
}

void mailbox_free(struct mailbox **q)
{
    if (!*q)
        return;
    pthread_mutex_destroy(&(*q)->lock);
    pthread_cond_destroy(&(*q)->more);
    if ((*q)->fd >= 0)
        close((*q)->fd);
    mem_free(q);
}

int mailbox_fd(const struct mailbox *q)
{
    return q->fd;
}

/* An eventfd that is already readable needs no second wake-up; its counter cannot overflow here. */
static void wake(struct mailbox *q)
{
    pthread_cond_signal(&q->more);
    if (q->fd >= 0 && eventfd_write(q->fd, 1) != 0 && errno != EAGAIN)
        abort();
}

void mailbox_push(struct mailbox *q, struct mail *i)
{
    i->next = NULL;
    pthread_mutex_lock(&q->lock);
    bool was_empty = !q->first;
    *q->end = i;
    q->end = &i->next;
    if (was_empty)
        wake(q);
    pthread_mutex_unlock(&q->lock);
}

void mailbox_close(struct mailbox *q)
{
    pthread_mutex_lock(&q->lock);
    q->is_closed = true;
    wake(q);
    pthread_mutex_unlock(&q->lock);
}

static struct mail *take_locked(struct mailbox *q)
{
    struct mail *all = q->first;
    q->first = NULL;
    q->end = &q->first;
    return all;
}

struct mail *mailbox_take(struct mailbox *q)
{
    pthread_mutex_lock(&q->lock);
    eventfd_t n;
    if (q->fd >= 0)
        (void)eventfd_read(q->fd, &n);
    struct mail *all = take_locked(q);
    pthread_mutex_unlock(&q->lock);
    return all;
}

struct mail *mailbox_wait(struct mailbox *q, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (wait_ms > 0) {
        int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
        until.tv_sec += wait_ms / 1000 + ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
    }
    pthread_mutex_lock(&q->lock);
    int rc = 0;
    while (!q->first && !q->is_closed && rc == 0 && wait_ms != 0)
        rc = wait_ms < 0 ? pthread_cond_wait(&q->more, &q->lock) : pthread_cond_timedwait(&q->more, &q->lock, &until);
    struct mail *all = take_locked(q);
    pthread_mutex_unlock(&q->lock);
    return all;
}

bool mailbox_is_closed(struct mailbox *q)
{
    pthread_mutex_lock(&q->lock);
    bool is = q->is_closed;
    pthread_mutex_unlock(&q->lock);
    return is;
}
