/* thread.c - starts threads that take no signal. */
#include "logsink/thread.h"

#include <signal.h>
#include <stdlib.h>

void thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(t, NULL, fn, arg) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
