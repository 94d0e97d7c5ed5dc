/* loop.h - the one event loop: sd-event outside (signals, timers, children), one inner epoll set for
 * descriptors, drained in bounded rounds so that no source starves another.
 *
 * Single-threaded. Callbacks may free any watch, timer or child, their own included. */
#ifndef ORION_LIB_LOOP_H
#define ORION_LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct watch;
struct timer;
struct hook;
struct child;

struct loop *loop_new(void);
void loop_free(struct loop **l);
int loop_run(struct loop *l);              /* until loop_stop; returns its code */
void loop_stop(struct loop *l, int code);

/* Descriptors. `events` are EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLET. Free the watch before closing the fd. */
typedef void watch_fn(void *arg, uint32_t events);
struct watch *loop_watch(struct loop *l, int fd, uint32_t events, watch_fn *fn, void *arg);
void watch_events(struct watch *w, uint32_t events);
void watch_free(struct watch **w);

/* One-shot timers on CLOCK_BOOTTIME. A new timer is off. */
typedef void loop_fn(void *arg);
struct timer *loop_timer(struct loop *l, loop_fn *fn, void *arg);
void timer_in(struct timer *t, uint64_t ms);   /* (re)arm */
void timer_in_us(struct timer *t, uint64_t us); /* the same, as exactly as the system can: dearer */
void timer_off(struct timer *t);
bool timer_is_on(const struct timer *t);
void timer_free(struct timer **t);

/* Hooks run before every sleep, in the order of registration. A hook that returns true has work left: the
 * loop then does not sleep and calls it again after one round of other sources. */
typedef bool hook_fn(void *arg);
struct hook *loop_hook(struct loop *l, hook_fn *fn, void *arg);
void hook_free(struct hook **h);

/* Signals (blocked in the process and delivered here) and children (pidfd; reaped by the loop). */
void loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg);
typedef void child_fn(void *arg, pid_t pid, int wstatus);  /* wstatus as of waitpid(2) */
struct child *loop_child(struct loop *l, pid_t pid, child_fn *fn, void *arg);
void child_free(struct child **c);             /* stop watching; the process itself is left alone */

#endif
