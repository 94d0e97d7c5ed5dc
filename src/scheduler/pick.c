/* pick.c - which agent for this task, which task for this agent (queue.c keeps both in order).
 *
 * A retry avoids the agents that failed it before, as long as another one that fits has not tried it yet. */
#include "scheduler/core_impl.h"
#include "scheduler/match.h"

enum {
    LANES_MAX = 16,  /* lanes passed over for one agent, whose retries all avoid it */
    TRIED_MAX = 16,  /* agents passed over for one task */
};

static bool task_tried(const struct task *t, const struct agent *a)
{
    const struct attempt *at;

    LIST_FOREACH(at, &t->attempts, of_task)
        if (at->agent == a && attempt_is_counted(at))
            return true;
    return false;
}

/* How many usable agents that fit the task failed it before. Each counts at its newest attempt. */
static size_t tried_usable(const struct task *t)
{
    const struct attempt *at, *newer;
    size_t n = 0;

    LIST_FOREACH(at, &t->attempts, of_task) {
        bool is_first = attempt_is_counted(at) && queue_agent_is_usable(at->agent) &&
                        match_labels(t->lane->demand->labels, at->agent->sorted->labels);
        LIST_FOREACH(newer, &t->attempts, of_task) {
            if (newer == at)
                break;
            is_first = is_first && !(newer->agent == at->agent && attempt_is_counted(newer));
        }
        n += is_first;
    }
    return n;
}

/* Another usable agent has not tried it yet: leave it to that one, even if it is busy now. */
static bool task_is_picky(const struct task *t)
{
    return t->number && t->lane->demand->usable > tried_usable(t);
}

struct agent *queue_agent_for(const struct core *core, struct task *t)
{
    struct heap *idle = &t->lane->demand->idle;
    struct heap_node *passed[TRIED_MAX], *top = heap_top(idle);
    bool is_picky;
    size_t n = 0;

    if (!top || core->is_paused || !heap_has(&t->lane->node))
        return NULL;
    is_picky = task_is_picky(t);
    while (top && is_picky && n < TRIED_MAX && task_tried(t, HEAP_OWNER(top, struct offer, node)->agent)) {
        heap_remove(idle, top);
        passed[n++] = top;
        top = heap_top(idle);
    }
    for (size_t i = 0; i < n; i++)
        heap_push(idle, passed[i]);
    return top ? HEAP_OWNER(top, struct offer, node)->agent : NULL;
}

static struct task *lane_task_for(struct lane *l, const struct agent *a)
{
    struct heap_node *passed[QUEUE_LOOK_MAX], *top = heap_top(&l->retries);
    struct task *t = NULL;
    size_t n = 0;

    for (; top && n < QUEUE_LOOK_MAX; top = heap_top(&l->retries)) {
        t = HEAP_OWNER(top, struct task, place);
        if (!task_tried(t, a) || !task_is_picky(t))
            break;
        t = NULL;
        heap_remove(&l->retries, top);
        passed[n++] = top;
    }
    for (size_t i = 0; i < n; i++)
        heap_push(&l->retries, passed[i]);
    top = heap_top(&l->fresh);
    return t || !top ? t : HEAP_OWNER(top, struct task, place);
}

static struct task *demand_task_for(struct demand *d, const struct agent *a)
{
    struct heap_node *passed[LANES_MAX], *top;
    struct task *t = NULL;
    size_t n = 0;

    while (!t && n < LANES_MAX && (top = heap_top(&d->ready))) {
        t = lane_task_for(HEAP_OWNER(top, struct lane, node), a);
        if (t)
            break;
        heap_remove(&d->ready, top);
        passed[n++] = top;
    }
    for (size_t i = 0; i < n; i++)
        heap_push(&d->ready, passed[i]);
    return t;
}

struct task *queue_task_for(const struct core *core, struct agent *a)
{
    struct task *best = NULL, *t;
    struct offer *o;

    if (core->is_paused)
        return NULL;
    LIST_FOREACH(o, &a->offers, of_agent) {
        t = demand_task_for(o->demand, a);
        if (t && (!best || lane_before(t->lane, best->lane)))
            best = t;
    }
    return best;
}
