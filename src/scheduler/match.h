/* match.h - may this agent run that task? Lists of labels are sorted, each label once (labels_sort). */
#ifndef ORION_SCHEDULER_MATCH_H
#define ORION_SCHEDULER_MATCH_H

#include <stdbool.h>

#include "proto/msg.h"

/* Labels are plain words; os=linux is one, by convention. `!word` asks for agents without it. */
bool match_label(const char *asked, struct msg_strs offered);
/* Every label asked for is met. */
bool match_labels(struct msg_strs asked, struct msg_strs offered);
/* Sorts in place and drops repeats; returns how many are left. */
size_t labels_sort(const char **labels, size_t n);
/* Which sink keeps the log of that attempt: the same answer for the same farm, spread evenly. */
size_t match_sink(const struct uuid *task_id, int64_t attempt, size_t n_sinks);

#endif
