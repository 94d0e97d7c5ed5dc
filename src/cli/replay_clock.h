/* replay_clock.h - when a log's chunks are due in a replay: their own times, faster or slower, pauses cut short. Pure. */
#ifndef ORION_CLI_REPLAY_CLOCK_H
#define ORION_CLI_REPLAY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct replay_clock {
    double factor;          /* 2: twice as fast */
    uint64_t max_pause_ns;  /* between two chunks of the replay; 0: as long as it takes */
    uint64_t last_ns;       /* of the log */
    uint64_t due_ns;        /* of the replay */
    bool is_running;
};

int replay_clock_init(struct replay_clock *c, const char *factor, int64_t max_pause_ms, struct err *e);
/* When the chunk of that time is due, counted from the first one, which is due at 0. Times that go back are now. */
uint64_t replay_clock_due(struct replay_clock *c, uint64_t time_ns);

#endif
