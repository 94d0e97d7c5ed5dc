/* shell_impl.h - the shell's memory, shared by shell.c, recall.c and refusal.c. */
#ifndef ORION_SCHEDULER_SHELL_IMPL_H
#define ORION_SCHEDULER_SHELL_IMPL_H

#include <stdalign.h>
#include <sys/queue.h>

#include "scheduler/scheduler.h"

/* An input as it came: a frame of the bus, or the shell's own: an input_... or core_timer. */
struct kept {
    enum input_kind kind;
    struct route from;
    int64_t at_ms;
    bool is_alone;                      /* SQL refused a batch it was in: it gets one of its own */
    bool is_recalled;                   /* the rows of tasks that it speaks of were fetched */
    TAILQ_ENTRY(kept) order;
    size_t len;
    alignas(max_align_t) uint8_t data[];
};
TAILQ_HEAD(kept_list, kept);

struct shell {
    struct scheduler *s;
    struct hook *hook;
    int64_t epoch, batch;               /* epoch 0: not leading */
    struct core *core;                  /* NULL: not leading, or being made from the rows again */
    struct core *replaced;              /* its connections go to the next one */
    struct effects flight, filling;
    struct kept_list flight_inputs, filling_inputs, waiting;
    struct kept_list held;              /* they need tasks that are not loaded yet */
    struct kept_list recalling;         /* they need tasks that are forgotten */
    size_t n_filling, n_waiting, n_held; /* n_held: recalling ones too */
    bool is_recalling;                  /* a question is out */
    unsigned recall_life;               /* of the core that it was asked for */
    uint64_t since_ms;                  /* the batch in flight was closed, or the connection lost; 0: all is well */
    bool is_in_flight, is_fenced, is_paused;
};

void kept_list_free(struct kept_list *list);

static inline bool kept_is_own(const struct kept *k)
{
    return k->kind == INPUT_GONE || k->kind == INPUT_LEASE_OUT || k->kind == INPUT_ACCEPT_OUT ||
           k->kind == INPUT_GIVE_UP || k->kind == INPUT_TIMER || k->kind == INPUT_LOADED ||
           k->kind == INPUT_SINK || k->kind == INPUT_SEALED;
}

/* shell.c */
bool kept_message(const struct kept *k, struct arena *arena, const void **message_r);   /* false: it cannot be read */
void shell_run_kept(struct shell *sh, struct kept *k);

/* recall.c */
bool recall_is_needed(const struct shell *sh, const struct input *in);
void recall_add(struct shell *sh, struct kept *k);        /* runs it, later */
void recall_go(struct shell *sh);                         /* the connection is back */
void recall_stop(struct shell *sh);                       /* that core is no more */

/* --- refusal.c */
/* Certainly not kept: answers whoever waits for an answer to this kind of message; facts are repeated anyway. */
void shell_refuse(struct shell *sh, enum input_kind kind, struct route to, const void *message, const char *reason);
void shell_refused(struct shell *sh, const char *sqlstate, const char *error);   /* SQL refused the batch in flight */

#endif
