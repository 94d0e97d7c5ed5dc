/* pulse.h - does the leader live? The leader row as a standby sees it. Pure: the caller brings the time.
 *
 * A leader moves its row at least once a second. One that is stopped, or cut off from the database, keeps its session
 * and with it the lock; only a row that stands still tells (ARCHITECTURE "Who may write"). */
#ifndef ORION_SCHEDULER_PULSE_H
#define ORION_SCHEDULER_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PULSE_LOST_MS = 4000,
    PULSE_GAP_MS = 2000,    /* looks that are further apart say nothing about the time between them */
};

struct pulse_look {
    int64_t epoch, batch, at;    /* the row; `at` in any unit */
    int64_t holder;              /* whose session has the lock; 0: nobody's */
    bool is_busy;                /* the server is at work for that session */
};
struct pulse {
    struct pulse_look last;
    uint64_t since_ms, looked_ms;   /* since_ms 0: nothing was seen yet */
};

/* True: that session has not moved the row for PULSE_LOST_MS, as far as we were able to look; then it starts anew. */
bool pulse_is_lost(struct pulse *p, const struct pulse_look *look, uint64_t now_ms);
void pulse_clear(struct pulse *p);

#endif
