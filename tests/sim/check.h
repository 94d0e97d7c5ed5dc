/* check.h - the promises: the journal read as history (notes.c), after every commit (check_commit.c), at the end
 * (check_life.c). */
#ifndef ORION_TESTS_SIM_CHECK_H
#define ORION_TESTS_SIM_CHECK_H

#include "scheduler/core.h"

struct world;
struct sim_shell;

struct sim_note {            /* what the checks remember of a task; sequence numbers of events, 0: not yet */
    struct uuid task;
    enum task_state state;   /* as the events say */
    int64_t submit_seq, stop_seq, superseded_seq, end_seq, attempts;
    int64_t superseded_attempts;                 /* attempts it had when a newer task should have ended it */
    int64_t kept_ms, cancel_ms, accepted_ms; /* steady clock, when it was committed */
    int n_ends;
};
struct sim_note *note_of(struct world *w, const struct uuid *task);
const char *event_says(const struct row_event *ev, const char *key); /* "": nothing */
void notes_read(struct world *w, const struct sim_shell *sh);  /* the events of its batch */
void check_assigned(struct world *w, const struct row_event *ev);  /* in the order of the events */
void check_submitted(struct world *w, const struct row_event *ev);
void check_ended(struct world *w, const struct sim_note *note);
void check_commit(struct world *w, const struct sim_shell *sh);
void check_reasons(struct world *w, const struct sim_shell *sh);   /* answers to task.why, before they leave */
bool is_same_build(const struct spec *a, const struct spec *b);
bool check_is_over(const struct world *w);
void check_life(struct world *w);

#endif
