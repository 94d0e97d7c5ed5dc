/* key.h - which log: one attempt of one task. */
#ifndef ORION_LOGSINK_KEY_H
#define ORION_LOGSINK_KEY_H

#include <stdint.h>

#include "lib/uuid.h"

struct log_key {
    struct uuid task;
    uint32_t attempt;
};

#endif
