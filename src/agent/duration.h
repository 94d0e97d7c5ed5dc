/* duration.h - a length of time in words, for sentences that people read. */
#ifndef ORION_AGENT_DURATION_H
#define ORION_AGENT_DURATION_H

#include <stdint.h>

enum { DURATION_SIZE = 32 };
void duration_format(int64_t ms, char out[DURATION_SIZE]);   /* 500 ms, 60 s, 10 min, 2 h */

#endif
