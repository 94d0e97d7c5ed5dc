/* log_state.h - what SQL says about a followed task: its state, its attempts, and where their logs lie. */
#ifndef ORION_GATEWAY_LOG_STATE_H
#define ORION_GATEWAY_LOG_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"
#include "lib/uuid.h"
#include "proto/state.h"

struct log_segment {
    uint64_t from;       /* offset of its first byte */
    uint64_t chunk;      /* number of the last chunk in front of it */
    const char *sink;
    bool is_lost;        /* that sink is gone for longer than the scheduler waits for it */
};

struct log_attempt {
    int64_t number;
    enum attempt_state state;
    const char *agent;           /* name */
    const char *log_state;       /* open, complete, gap */
    int64_t started_ms;          /* wall clock; 0: not yet */
    bool has_bytes, has_lines;   /* known since the result */
    uint64_t bytes, lines;
    uint8_t head[32];
    size_t head_len;             /* 0: unknown */
    const struct log_segment *segments;
    size_t n_segments;
};

struct log_state {
    struct uuid id;
    enum task_state state;
    const char *cause, *message; /* NULL: none */
    const char *repo, *target;   /* their beginnings; target: NULL, none */
    bool has_exit_code;
    int64_t exit_code;
    const struct log_attempt *attempts;   /* by number */
    size_t n_attempts;
};

void log_state_copy(const struct log_state *from, struct arena *a, struct log_state *to);
bool log_state_equals(const struct log_state *a, const struct log_state *b);   /* in all that can change */
const struct log_attempt *log_state_attempt(const struct log_state *s, int64_t number);  /* NULL: none */
int64_t log_state_latest(const struct log_state *s);                                     /* 0: no attempt yet */
/* The attempt will write no more: it ended, or another one came after it. */
bool log_state_is_over(const struct log_state *s, int64_t number);

#endif
