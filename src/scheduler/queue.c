/* queue.c - who waits, and for which agents.
 *
 * Tasks that ask for the same labels share a demand; within it those of one project and concurrency group share a lane.
 * A lane keeps its queued tasks in order (retries before fresh ones, then by rank). A demand keeps its ready lanes by
 * fair share, and the connected agents with a free slot that fit it by load. So both questions, "which agent for this
 * task" and "which task for this agent", cost O(log n) per demand, however long the queue is; a pause or a full group
 * takes whole lanes out. ARCHITECTURE "The life of a task". */
#include <string.h>

#include "scheduler/match.h"
#include "scheduler/core_impl.h"

enum { RESTING_MAX = 64 };

bool task_before(const struct task *a, const struct task *b)
{
    if (!a->number != !b->number)
        return a->number != 0;
    if (a->rank_ms != b->rank_ms)
        return a->rank_ms < b->rank_ms;
    return uuid_cmp(&a->id, &b->id) < 0;
}

static bool place_before(const struct heap_node *x, const struct heap_node *y)
{
    return task_before(HEAP_OWNER(x, struct task, place), HEAP_OWNER(y, struct task, place));
}

static bool offer_before(const struct heap_node *x, const struct heap_node *y)
{
    const struct agent *a = HEAP_OWNER(x, struct offer, node)->agent, *b = HEAP_OWNER(y, struct offer, node)->agent;

    if (a->busy != b->busy)
        return a->busy < b->busy;
    return uuid_cmp(&a->id, &b->id) < 0;
}

static const struct task *lane_first(const struct lane *l)
{
    struct heap_node *top = heap_top(&l->retries);

    top = top ? top : heap_top(&l->fresh);
    return top ? HEAP_OWNER(top, struct task, place) : NULL;
}

/* Fair share: the project that holds fewest slots for its weight; then the one that was given least; then by age. */
bool lane_before(const struct lane *a, const struct lane *b)
{
    const struct project *p = a->project, *q = b->project;

    if (p != q && p->held * q->weight != q->held * p->weight)
        return p->held * q->weight < q->held * p->weight;
    if (p != q && p->pass != q->pass)
        return p->pass < q->pass;
    return task_before(lane_first(a), lane_first(b));
}

static bool ready_before(const struct heap_node *x, const struct heap_node *y)
{
    return lane_before(HEAP_OWNER(x, struct lane, node), HEAP_OWNER(y, struct lane, node));
}

/* An agent without slots is connected, but nobody should wait for it. */
bool queue_agent_is_usable(const struct agent *a)
{
    return a->route.peer != 0 && a->slots > 0 && !a->is_draining;
}

/* --- demands and offers --------------------------------------------------------------------------------- */

static void offer_settle(struct offer *o)
{
    bool is_idle = queue_agent_is_usable(o->agent) && o->agent->busy < o->agent->slots;

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
    d->usable += queue_agent_is_usable(a);
    offer_settle(o);
}

static void offer_free(struct offer *o)
{
    if (heap_has(&o->node))
        heap_remove(&o->demand->idle, &o->node);
    o->demand->usable -= queue_agent_is_usable(o->agent);
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
    heap_init(&d->ready, ready_before);
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
    heap_fini(&d->ready);
    heap_fini(&d->idle);
    table_remove(&core->demands, &d->key);
    LIST_REMOVE(d, all);
    mem_free(&d->texts);
    mem_free(&d);
}

/* Nobody asks for it now. To make it again would cost a look at every agent, so the latest few are kept. */
static void demand_rest(struct core *core, struct demand *d)
{
    TAILQ_INSERT_TAIL(&core->resting, d, resting);
    if (++core->n_resting > RESTING_MAX) {
        d = TAILQ_FIRST(&core->resting);
        TAILQ_REMOVE(&core->resting, d, resting);
        core->n_resting--;
        demand_free(core, d);
    }
}

static void demand_wake(struct core *core, struct demand *d)
{
    TAILQ_REMOVE(&core->resting, d, resting);
    core->n_resting--;
}

void queue_fini(struct core *core)
{
    struct demand *d;

    while ((d = LIST_FIRST(&core->all_demands)))
        demand_free(core, d);
}

static struct demand *demand_get(struct core *core, struct msg_strs labels)
{
    struct arena scratch = { 0 };
    const char **sorted = arena_dup(&scratch, labels.v, labels.n * sizeof *sorted);
    size_t n = labels_sort(sorted, labels.n);
    struct buf joined = { 0 };
    struct demand *d;
    struct uuid key;

    for (size_t i = 0; i < n; i++)
        buf_printf(&joined, "%zu:%s", strlen(sorted[i]), sorted[i]);
    key = table_key_text("labels", joined.data);
    d = table_get(&core->demands, &key);
    if (!d)
        d = demand_new(core, &key, (struct msg_strs){ sorted, n });
    else if (d->n_lanes == 0)
        demand_wake(core, d);
    buf_fini(&joined);
    arena_fini(&scratch);
    return d;
}

/* --- lanes ------------------------------------------------------------------------------------------------------ */

static void lane_settle(struct lane *l)
{
    bool is_ready = (l->retries.n || l->fresh.n) && !l->project->is_paused && !group_is_full(l->group);

    if (is_ready && heap_has(&l->node))
        heap_moved(&l->demand->ready, &l->node);
    else if (is_ready)
        heap_push(&l->demand->ready, &l->node);
    else if (heap_has(&l->node))
        heap_remove(&l->demand->ready, &l->node);
}

static struct lane *lane_new(struct core *core, const struct uuid *place, struct task *t, struct demand *d)
{
    struct lane *l = mem_zalloc(sizeof *l);

    l->place = *place;
    l->demand = d;
    l->project = t->project;
    l->group = t->group;
    heap_init(&l->retries, place_before);
    heap_init(&l->fresh, place_before);
    table_put(&core->lanes, place, l);
    LIST_INSERT_HEAD(&d->lanes, l, of_demand);
    LIST_INSERT_HEAD(&l->project->lanes, l, of_project);
    if (l->group)
        LIST_INSERT_HEAD(&l->group->lanes, l, of_group);
    d->n_lanes++;
    return l;
}

static void lane_free(struct core *core, struct lane *l)
{
    struct demand *d = l->demand;

    if (heap_has(&l->node))
        heap_remove(&d->ready, &l->node);
    heap_fini(&l->retries);
    heap_fini(&l->fresh);
    table_remove(&core->lanes, &l->place);
    LIST_REMOVE(l, of_demand);
    LIST_REMOVE(l, of_project);
    if (l->group)
        LIST_REMOVE(l, of_group);
    mem_free(&l);
    if (--d->n_lanes == 0)
        demand_rest(core, d);
}

/* Of three keys: each is a hash already. */
static struct uuid lane_place(const struct demand *d, const struct task *t)
{
    struct uuid place = d->key;

    for (size_t i = 0; i < sizeof place.b; i++)
        place.b[i] = (uint8_t)(place.b[i] + 3 * t->project->place.b[i] + (t->group ? 5 * t->group->place.b[i] : 0));
    return place;
}

void queue_open(struct core *core, struct task *t)
{
    struct demand *d = demand_get(core, t->spec->labels);
    struct uuid place = lane_place(d, t);

    t->lane = table_get(&core->lanes, &place);
    if (!t->lane)
        t->lane = lane_new(core, &place, t, d);
    t->lane->open_tasks++;
}

void queue_close(struct core *core, struct task *t)
{
    struct lane *l = t->lane;

    t->lane = NULL;
    if (l && --l->open_tasks == 0)
        lane_free(core, l);
}

static void task_place(struct core *core, struct task *t)
{
    if (!t->is_placing)
        TAILQ_INSERT_TAIL(&core->placing, t, placing);
    t->is_placing = true;
}

void queue_push(struct core *core, struct task *t)
{
    /* A project that had nothing to do has saved nothing up. */
    if (t->project->queued++ == 0 && t->project->pass < core->pass)
        t->project->pass = core->pass;
    heap_push(t->number ? &t->lane->retries : &t->lane->fresh, &t->place);
    lane_settle(t->lane);
    core->queued++;
    task_place(core, t);
}

void queue_remove(struct core *core, struct task *t)
{
    heap_remove(t->number ? &t->lane->retries : &t->lane->fresh, &t->place);
    lane_settle(t->lane);
    t->project->queued--;
    core->queued--;
}

/* --- shares ------------------------------------------------------------------------------------------------------- */

void queue_project_moved(struct project *p)
{
    struct lane *l;

    LIST_FOREACH(l, &p->lanes, of_project)
        lane_settle(l);
}

/* Whoever could take one of its first tasks is asked again. */
static void lane_review(struct core *core, struct lane *l)
{
    const struct offer *o;

    LIST_FOREACH(o, &l->demand->offers, of_demand)
        if (heap_has(&o->node))
            queue_agent_freed(core, o->agent);
}

void queue_group_moved(struct core *core, struct group *g)
{
    struct lane *l;
    bool was_ready;

    LIST_FOREACH(l, &g->lanes, of_group) {
        was_ready = heap_has(&l->node);
        lane_settle(l);
        if (!was_ready && heap_has(&l->node) && heap_top(&l->demand->idle))
            lane_review(core, l);
    }
}

void queue_resumed(struct core *core)
{
    struct agent *a;

    for (size_t at = 0; (a = table_next(&core->agents, &at));)
        if (queue_agent_is_usable(a))
            queue_agent_freed(core, a);
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

/* The first retries of a demand are looked at again: an agent that they preferred may be gone. */
static void demand_review(struct core *core, struct demand *d)
{
    struct lane *l;

    LIST_FOREACH(l, &d->lanes, of_demand)
        for (size_t i = 0; i < l->retries.n && i < QUEUE_LOOK_MAX; i++)
            task_place(core, HEAP_OWNER(l->retries.nodes[i], struct task, place));
}

/* Its connection or its drain has changed: `was_usable` is before. */
static void agent_settle(struct core *core, struct agent *a, bool was_usable)
{
    bool is_usable = queue_agent_is_usable(a);
    struct offer *o;

    LIST_FOREACH(o, &a->offers, of_agent) {
        o->demand->usable += is_usable;
        o->demand->usable -= was_usable;
        if (was_usable && !is_usable)
            demand_review(core, o->demand);
    }
    if (is_usable)
        queue_agent_freed(core, a);
    else
        queue_agent_moved(a);
}

void queue_agent_connect(struct core *core, struct agent *a, struct route to)
{
    a->route = to;
    core->agents_connected++;
    agent_settle(core, a, false);
}

void queue_agent_disconnect(struct core *core, struct agent *a)
{
    bool was_usable = queue_agent_is_usable(a);

    if (!a->route.peer)
        return;
    a->route = (struct route){ 0 };
    core->agents_connected--;
    agent_settle(core, a, was_usable);
}

void queue_agent_drain(struct core *core, struct agent *a, bool is_draining)
{
    bool was_usable = queue_agent_is_usable(a);

    a->is_draining = is_draining;
    agent_settle(core, a, was_usable);
}
