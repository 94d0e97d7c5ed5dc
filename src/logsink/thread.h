/* thread.h - a second thread of a process whose signals belong to the event loop. */
#ifndef ORION_LOGSINK_THREAD_H
#define ORION_LOGSINK_THREAD_H

#include <pthread.h>

void thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg);   /* aborts when the system has no thread left */

#endif
