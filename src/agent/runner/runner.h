/* runner.h - the parts of orion-runner: the small process beside the agent that holds one attempt.
 *
 *   main.c         reads the order, wires the parts, ends the process
 *   job.c          runs the commands one after the other; what is left of them is ended (PROTOCOL "runner.job")
 *   output.c       pipes -> the log: when it is read, and when it waits
 *   chunker.c      the log's end: pending bytes -> chunks, numbered, hashed, spooled
 *   cap.c          the log's limit: what is left out, and the part that is kept
 *   spool_write.c  the spool's files (agent/spool.h)
 *   silence.c      how long the build has said nothing
 *   link.c         the socket in the attempt's folder, and the agent on it
 *   keep.c         spool and result to the disk, before anybody is told of the end
 *   kin.c          finding, signalling and reaping every process of the attempt */
#ifndef ORION_AGENT_RUNNER_RUNNER_H
#define ORION_AGENT_RUNNER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/hash.h"
#include "lib/loop.h"
#include "proto/msg.h"

/* Given by the agent that starts it: a socket that listens in the attempt's folder; a locked file beside it, which says
 * that this process lives as long as it is open (agent/berth.h). */
enum { RUNNER_LISTEN_FD = 3, RUNNER_LOCK_FD = 4 };

/* --- link.c ---------------------------------------------------------------------------------------- */

struct link;
struct link_hooks {
    void (*on_trim)(void *arg, uint64_t seq, uint64_t offset);
    void (*on_stop)(void *arg, const char *reason);
};
/* Borrows the order; the listening socket is its own from now on. */
struct link *link_new(struct loop *l, int listener, const struct msg_runner_job *order, const struct link_hooks *hooks,
                      void *arg);
void link_free(struct link **k);
void link_tell_spooled(struct link *k, uint64_t seq, uint64_t offset);
bool link_tell_ended(struct link *k, const struct msg_runner_ended *ended);  /* false: nobody heard it */

/* --- keep.c ---------------------------------------------------------------------------------------- */

/* What is in the attempt's folder survives the host from now on, the result among it (SPOOL/result, JSON). */
int keep_result(const char *spool, const struct msg_runner_ended *ended, struct err *e);

/* --- output.c -------------------------------------------------------------------------------------- */

struct output;
struct output_totals {
    uint64_t chunks, bytes, lines;
    struct hash head;
};
struct output_hooks {
    void (*on_read)(void *arg);                          /* the build wrote something */
    void (*on_full)(void *arg, bool is_full);            /* the pipes are left unread, or read again */
    void (*on_spooled)(void *arg, uint64_t seq, uint64_t offset);
    void (*on_failed)(void *arg, const struct err *e);   /* the spool cannot be written: nothing more is read */
    void (*on_finished)(void *arg);                      /* after output_finish: the last byte is in the spool */
};
struct output *output_new(struct loop *l, const struct msg_runner_job *job, const struct output_hooks *hooks, void *arg,
                          struct err *e);
void output_free(struct output **o);
void output_note(struct output *o, const char *text);
/* The ends that commands write to: of stdout and stderr; the same one unless streams are separate. */
int output_pipes(struct output *o, int fds_r[2], struct err *e);
void output_pipes_close(struct output *o);               /* no command will be started any more */
/* Nobody writes any more: what is in the pipes goes to the spool, and `last` (NULL: nothing) behind it, as a line. While
 * the disk is full this takes as long as that does, or until it is given up, which is on_failed. */
void output_finish(struct output *o, const char *last);
void output_give_up(struct output *o);
bool output_look(struct output *o);                      /* reads what the pipes hold; was there anything? */
void output_trim(struct output *o, uint64_t seq, uint64_t offset);
void output_totals(const struct output *o, struct output_totals *t_r);

/* --- silence.c ------------------------------------------------------------------------------------- */

struct silence;
/* `fn`: nothing was heard for limit_ms (0: never) since silence_begin or the last output. */
struct silence *silence_new(struct loop *l, int64_t limit_ms, void (*fn)(void *arg), void *arg);
void silence_free(struct silence **s);
void silence_begin(struct silence *s);
void silence_end(struct silence *s);
void silence_heard(struct silence *s);
void silence_deaf(struct silence *s, bool is_deaf);      /* nobody listens: the time does not count */

/* --- kin.c ----------------------------------------------------------------------------------------- */

/* Signals every descendant of this process; how many there are. */
unsigned kin_signal(int signo);
enum kin_left { KIN_NONE, KIN_SOME };
/* Reaps whoever ended; `fn` hears of each. */
enum kin_left kin_reap(void (*fn)(void *arg, pid_t pid, int wstatus), void *arg);

/* --- job.c ----------------------------------------------------------------------------------------- */

struct job;
/* Borrows the order. `on_done`: nothing of the attempt runs any more and its result is kept. */
struct job *job_new(struct loop *l, const struct msg_runner_job *order, int listener, void (*on_done)(void *arg),
                    void *arg, struct err *e);
void job_start(struct job *j);
void job_stop(struct job *j, const char *reason);
void job_free(struct job **j);

#endif
