/* alarms.h - the moments at which the core wants to be told, soonest first. Pure: the caller says what time it is.
 *
 * A task's alarms go with the task; whether one that rings still matters, only the core knows. */
#ifndef ORION_SCHEDULER_ALARMS_H
#define ORION_SCHEDULER_ALARMS_H

#include "lib/heap.h"
#include "lib/table.h"
#include "scheduler/rows.h"

struct alarms {
    struct heap by_time;
    struct table by_task;       /* the first of the task's */
};

void alarms_init(struct alarms *a);
void alarms_fini(struct alarms *a);
void alarms_add(struct alarms *a, const struct core_timer *timer, uint64_t now_ms);
bool alarms_take(struct alarms *a, uint64_t now_ms, struct core_timer *timer_r);   /* false: none is due */
uint64_t alarms_next(const struct alarms *a);                                      /* UINT64_MAX: none is set */
void alarms_forget(struct alarms *a, const struct uuid *task_id);                  /* the task has ended */
void alarms_clear(struct alarms *a);

#endif
