/* queue.c - who waits, and for which agents.
 *
 * Tasks that ask for the same labels share a demand. A demand keeps its queued tasks in order (retries before fresh
 * ones, then by age), and the connected agents with a free slot that fit it by load. So both questions, "which agent
 * for this task" and "which task for this agent", cost O(log n) per demand, however long the queue is. */
#include <string.h>

#include "scheduler/match.h"
#include "scheduler/model.h"

enum {
    LOOK_MAX = 64,   /* retries looked at for one agent before the fresh tasks: each may avoid it */
    TRIED_MAX = 16,  /* agents passed over for one task */
};

static bool task_before(const struct heap_node *x, const struct heap_node *y)
{
    const struct task *a = HEAP_OWNER(x, struct task, place), *b = HEAP_OWNER(y, struct task, place);

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms;
    return uuid_cmp(&a->id, &b->id) < 0;
}

static bool offer_before(const struct heap_node *x, const struct heap_node *y)
{
    const struct agent *a = HEAP_OWNER(x, struct offer, node)->agent, *b = HEAP_OWNER(y, struct offer, node)->agent;

    if (a->busy != b->busy)
        return a->busy < b->busy;
    return uuid_cmp(&a->id, &b->id) < 0;
}

/* An agent without slots is connected, but nobody should wait for it. */
static bool agent_is_usable(const struct agent *a)
{
    return a->route.peer != 0 && a->slots > 0;
}

/* --- demands and offers --------------------------------------------------------------------------------- */

static void offer_settle(struct offer *o)
{
    bool is_idle = agent_is_usable(o->agent) && o->agent->busy < o->agent->slots;

    if (is_idle && heap_has(&o->node))
        heap_moved(&o->demand->idle, &o->node);
    else if (is_idle)
        heap_push(&o->demand->idle, &o->node);
    else if (heap_has(&o->node))
        heap_remove(&o->demand->idle, &o->node);
}

static void offer_make(struct demand *d, struct agent *a)
{
    struct offer *o;

    if (!match_labels(d->labels, a->sorted->labels))
        return;
    o = mem_zalloc(sizeof *o);
    o->agent = a;
    o->demand = d;
    LIST_INSERT_HEAD(&a->offers, o, of_agent);
    LIST_INSERT_HEAD(&d->offers, o, of_demand);
    d->usable += agent_is_usable(a);
    offer_settle(o);
}

static void offer_free(struct offer *o)
{
    if (heap_has(&o->node))
        heap_remove(&o->demand->idle, &o->node);
    o->demand->usable -= agent_is_usable(o->agent);
    LIST_REMOVE(o, of_agent);
    LIST_REMOVE(o, of_demand);
    mem_free(&o);
}

static struct demand *demand_new(struct core *core, const struct uuid *key, struct msg_strs sorted)
{
    struct demand *d = mem_zalloc(sizeof *d);
    struct agent *a;
    size_t at = 0;

    d->key = *key;
    d->texts = spec_pack(&(struct spec){ .labels = sorted }, NULL);
    d->labels = d->texts->labels;
    heap_init(&d->retries, task_before);
    heap_init(&d->fresh, task_before);
    heap_init(&d->idle, offer_before);
    table_put(&core->demands, key, d);
    LIST_INSERT_HEAD(&core->all_demands, d, all);
    while ((a = table_next(&core->agents, &at)))
        offer_make(d, a);
    return d;
}

static void demand_free(struct core *core, struct demand *d)
{
    while (!LIST_EMPTY(&d->offers))
        offer_free(LIST_FIRST(&d->offers));
    heap_fini(&d->retries);
    heap_fini(&d->fresh);
    heap_fini(&d->idle);
    table_remove(&core->demands, &d->key);
    LIST_REMOVE(d, all);
    mem_free(&d->texts);
    mem_free(&d);
}

void queue_open(struct core *core, struct task *t)
{
    struct arena scratch = { 0 };
    struct spec *sorted = spec_pack(&(struct spec){ .labels = t->spec->labels }, &scratch);
    const char **labels = arena_dup(&scratch, sorted->labels.v, sorted->labels.n * sizeof *labels);
    size_t n = labels_sort(labels, sorted->labels.n);
    struct buf joined = { 0 };
    struct uuid key;

    for (size_t i = 0; i < n; i++)
        buf_printf(&joined, "%zu:%s", strlen(labels[i]), labels[i]);
    key = table_key_text("labels", joined.data);
    t->demand = table_get(&core->demands, &key);
    if (!t->demand)
        t->demand = demand_new(core, &key, (struct msg_strs){ labels, n });
    t->demand->open_tasks++;
    buf_fini(&joined);
    arena_fini(&scratch);
}

void queue_close(struct core *core, struct task *t)
{
    struct demand *d = t->demand;

    t->demand = NULL;
    if (d && --d->open_tasks == 0)
        demand_free(core, d);
}

void queue_push(struct core *core, struct task *t)
{
    heap_push(t->number ? &t->demand->retries : &t->demand->fresh, &t->place);
    core->queued++;
    if (!t->is_placing)
        TAILQ_INSERT_TAIL(&core->placing, t, placing);
    t->is_placing = true;
}

void queue_remove(struct core *core, struct task *t)
{
    heap_remove(t->number ? &t->demand->retries : &t->demand->fresh, &t->place);
    core->queued--;
}

/* --- agents ------------------------------------------------------------------------------------------------ */

void queue_agent_moved(struct agent *a)
{
    struct offer *o;

    LIST_FOREACH(o, &a->offers, of_agent)
        offer_settle(o);
}

void queue_agent_freed(struct core *core, struct agent *a)
{
    queue_agent_moved(a);
    if (!a->is_filling)
        TAILQ_INSERT_TAIL(&core->filling, a, filling);
    a->is_filling = true;
}

void queue_agent_offers(struct core *core, struct agent *a)
{
    struct demand *d;

    while (!LIST_EMPTY(&a->offers))
        offer_free(LIST_FIRST(&a->offers));
    LIST_FOREACH(d, &core->all_demands, all)
        offer_make(d, a);
}

void queue_agent_connect(struct core *core, struct agent *a, struct route to)
{
    struct offer *o;

    a->route = to;
    core->agents_connected++;
    LIST_FOREACH(o, &a->offers, of_agent)
        o->demand->usable += agent_is_usable(a);
    queue_agent_freed(core, a);
}

/* The first retries of a demand are looked at again: an agent that they preferred may be gone. */
static void demand_review(struct core *core, struct demand *d)
{
    struct task *t;

    for (size_t i = 0; i < d->retries.n && i < LOOK_MAX; i++) {
        t = HEAP_OWNER(d->retries.nodes[i], struct task, place);
        if (!t->is_placing)
            TAILQ_INSERT_TAIL(&core->placing, t, placing);
        t->is_placing = true;
    }
}

void queue_agent_disconnect(struct core *core, struct agent *a)
{
    struct offer *o;
    bool was_usable = agent_is_usable(a);

    if (!a->route.peer)
        return;
    a->route = (struct route){ 0 };
    core->agents_connected--;
    LIST_FOREACH(o, &a->offers, of_agent) {
        o->demand->usable -= was_usable;
        demand_review(core, o->demand);
    }
    queue_agent_moved(a);
}

/* --- matching ------------------------------------------------------------------------------------------------ */

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
        bool is_first = attempt_is_counted(at) && agent_is_usable(at->agent) &&
                        match_labels(t->demand->labels, at->agent->sorted->labels);
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
    return t->number && t->demand->usable > tried_usable(t);
}

struct agent *queue_agent_for(struct task *t)
{
    struct heap *idle = &t->demand->idle;
    struct heap_node *passed[TRIED_MAX], *top = heap_top(idle);
    bool is_picky = task_is_picky(t);
    size_t n = 0;

    while (top && is_picky && n < TRIED_MAX && task_tried(t, HEAP_OWNER(top, struct offer, node)->agent)) {
        heap_remove(idle, top);
        passed[n++] = top;
        top = heap_top(idle);
    }
    for (size_t i = 0; i < n; i++)
        heap_push(idle, passed[i]);
    return top ? HEAP_OWNER(top, struct offer, node)->agent : NULL;
}

static struct task *retry_for(struct demand *d, const struct agent *a)
{
    struct heap_node *passed[LOOK_MAX], *top = heap_top(&d->retries);
    struct task *t = NULL;
    size_t n = 0;

    for (; top && n < LOOK_MAX; top = heap_top(&d->retries)) {
        t = HEAP_OWNER(top, struct task, place);
        if (!task_tried(t, a) || !task_is_picky(t))
            break;
        t = NULL;
        heap_remove(&d->retries, top);
        passed[n++] = top;
    }
    for (size_t i = 0; i < n; i++)
        heap_push(&d->retries, passed[i]);
    return t;
}

struct task *queue_task_for(struct agent *a)
{
    struct task *best = NULL, *t;
    struct heap_node *top;
    struct offer *o;

    LIST_FOREACH(o, &a->offers, of_agent) {
        t = retry_for(o->demand, a);
        top = heap_top(&o->demand->fresh);
        if (!t && top)
            t = HEAP_OWNER(top, struct task, place);
        if (!t)
            continue;
        if (!best || (t->number && !best->number) ||
            (!t->number == !best->number && task_before(&t->place, &best->place)))
            best = t;
    }
    return best;
}
