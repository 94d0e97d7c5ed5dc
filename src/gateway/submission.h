/* submission.h - what a submission may say, as the scheduler's message, and back as a task. */
#ifndef ORION_GATEWAY_SUBMISSION_H
#define ORION_GATEWAY_SUBMISSION_H

#include "lib/err.h"
#include "lib/mem.h"
#include "proto/msg.h"

/* Checks what the message table cannot say and fills all but the task's id and the key. What the task points to stays
 * `in`'s, or lies in the arena. The tasks in `after` come without their states. */
int submission_read(const struct msg_v1_submit *in, struct arena *a, struct msg_task_submit *task_r, struct err *e);
/* The same once more, for a person's retry of `t`. */
void submission_again(const struct msg_v1_task *t, struct arena *a, struct msg_task_submit *task_r);
/* The states that the tasks in `after` have reached, as far as these rows know and they are final. */
void submission_after(struct msg_task_submit *task, const struct msg_v1_tasks *rows, struct arena *a);
/* A task as it was just kept: what was asked for, and nothing of its life. */
void submission_show(const struct msg_task_submit *task, struct arena *a, struct msg_v1_task *t_r);

/* The words of a field; also those of PUT /v1/projects. NULL or "" is none and fits. */
int submission_check_supersede(const char *word, struct err *e);

#endif
