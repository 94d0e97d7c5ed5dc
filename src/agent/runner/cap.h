/* cap.h - the limit of a log: what is in front of it, and the last part of what is past it. */
#ifndef ORION_AGENT_RUNNER_CAP_H
#define ORION_AGENT_RUNNER_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some bytes of one stream. */
struct piece {
    const uint8_t *data;
    size_t len;
    uint8_t stream;       /* enum chain_stream */
    uint16_t flags;       /* enum chain_flag */
    uint64_t time_ns;     /* since the attempt's start */
};

struct cap;
struct cap_end {
    uint64_t bytes, lines;   /* left out */
    uint64_t time_ns;        /* of the first byte that is kept behind them */
};

struct cap *cap_new(uint64_t log_max);     /* of them a quarter, at most 1 MiB, is the last part */
void cap_free(struct cap **c);

/* How many of these bytes are in front of the limit; the others are to be put. `is_line_open`: the log's last byte was
 * not the end of a line. */
size_t cap_admit(struct cap *c, const uint8_t *data, size_t len, bool is_line_open);
bool cap_is_reached(const struct cap *c);
void cap_put(struct cap *c, const struct piece *p);

/* Nothing more comes. Then the kept part, piece by piece: look at the first, drop what was taken of it. */
void cap_settle(struct cap *c, struct cap_end *end_r);
bool cap_first(const struct cap *c, struct piece *p_r);   /* false: that was all */
void cap_drop(struct cap *c, size_t len);

#endif
