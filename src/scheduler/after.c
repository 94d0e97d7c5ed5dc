/* after.c - tasks that wait for tasks (PROTOCOL "task.submit", after).
 *
 * An edge stands for each open task that is waited for. Only tasks that exist can be named, so there are no cycles.
 * When one ends, those that wait for it are settled in the same step; a long chain is walked, not recursed into. */
#include <stdlib.h>

#include "scheduler/core_impl.h"

bool after_is_met(enum after condition, enum task_state end)
{
    switch (condition) {
    case AFTER_SUCCEEDED:
        return end == TASK_SUCCEEDED;
    case AFTER_FINISHED:
        return end == TASK_SUCCEEDED || end == TASK_FAILED;
    case AFTER_ANY:
        break;
    }
    return true;
}

void after_link(struct task *t, struct task *on)
{
    struct edge *e = mem_zalloc(sizeof *e);

    e->task = t;
    e->on = on;
    LIST_INSERT_HEAD(&t->after, e, of_task);
    LIST_INSERT_HEAD(&on->dependents, e, of_on);
}

static void edge_free(struct edge *e)
{
    LIST_REMOVE(e, of_task);
    LIST_REMOVE(e, of_on);
    mem_free(&e);
}

void after_unlink(struct task *t)
{
    while (!LIST_EMPTY(&t->after))
        edge_free(LIST_FIRST(&t->after));
}

void after_free(struct task *t)
{
    after_unlink(t);
    while (!LIST_EMPTY(&t->dependents))
        edge_free(LIST_FIRST(&t->dependents));
}

static void is_met(struct step *s, struct task *t)
{
    if (LIST_EMPTY(&t->after) && !t->not_before_ms && t->state == TASK_WAITING)
        task_ready(s, t);
}

static void is_failed(struct step *s, struct task *t, const struct uuid *on, enum task_state end)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(on, id);
    task_end(s, t, &(struct task_ending){ STATE_CANCEL, "policy",
             arena_printf(&s->fx->arena, "it waited for task %s, which ended %s", id, task_state_name(end)), NULL });
}

static int by_id(const void *x, const void *y)
{
    const struct task *a = *(struct task *const *)x, *b = *(struct task *const *)y;

    return uuid_cmp(&a->id, &b->id);
}

/* Whoever is first to wait goes first, whatever order the edges were made in. */
static void settle(struct step *s, struct task *on)
{
    struct task **waiting;
    struct edge *e;
    size_t n = 0;

    LIST_FOREACH(e, &on->dependents, of_on)
        n++;
    waiting = mem_array(n + 1, sizeof *waiting);
    n = 0;
    while ((e = LIST_FIRST(&on->dependents))) {
        waiting[n++] = e->task;
        edge_free(e);
    }
    qsort(waiting, n, sizeof *waiting, by_id);
    for (size_t i = 0; i < n; i++) {
        if (after_is_met(task_policy(waiting[i])->condition, on->state))
            is_met(s, waiting[i]);
        else if (!waiting[i]->ended_ms)
            is_failed(s, waiting[i], &on->id, on->state);
    }
    mem_free(&waiting);
}

void after_settle(struct step *s)
{
    struct task *on;

    while ((on = TAILQ_FIRST(&s->core->settling))) {
        TAILQ_REMOVE(&s->core->settling, on, placing);
        on->is_settling = false;
        settle(s, on);
    }
}

void after_link_loaded(struct core *core, struct task *t)
{
    const struct policy *policy = task_policy(t);
    struct task *on;

    for (size_t i = 0; i < policy->n_after; i++) {
        on = table_get(&core->tasks, &policy->after[i]);
        if (on && !on->ended_ms)
            after_link(t, on);
    }
}
