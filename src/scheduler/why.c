/* why.c - why a task waits, in one sentence: the first thing that would have to change (PROTOCOL "task.why").
 *
 * Changes nothing. Asked by people, so it may look at a whole queue, up to a bound. */
#include <stdio.h>
#include <string.h>

#include "scheduler/match.h"
#include "scheduler/core_impl.h"

enum { SCAN_MAX = 20000 };   /* tasks looked at for a position: less than a millisecond */

struct reason {
    struct step *s;
    const struct task *t;
    struct buf text;
    int64_t position;      /* 0: not in a queue */
};

static void say_task(struct buf *out, const struct task *t)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&t->id, id);
    buf_printf(out, "task %s (%s)", id, task_state_name(t->state));
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

static bool why_after(struct reason *r)
{
    const struct edge *e, *first = NULL;
    size_t n = 0;

    LIST_FOREACH(e, &r->t->after, of_task) {
        n++;
        if (!first || uuid_cmp(&e->on->id, &first->on->id) < 0)
            first = e;
    }
    if (!first)
        return false;
    buf_printf(&r->text, "waits for ");
    say_task(&r->text, first->on);
    if (n > 1)
        buf_printf(&r->text, " and %zu more", n - 1);
    return true;
}

static bool why_backoff(struct reason *r)
{
    const struct attempt *at = LIST_FIRST(&r->t->attempts);
    int64_t left_ms = r->t->not_before_ms - r->s->at_ms;

    if (!r->t->not_before_ms)
        return false;
    buf_printf(&r->text, "waits %lld s before attempt %lld", (long long)((left_ms > 0 ? left_ms : 0) + 999) / 1000,
               (long long)r->t->number + 1);
    if (at && at->message)
        buf_printf(&r->text, "; attempt %lld: %.200s", (long long)at->number, at->message);
    return true;
}

/* --- queued -------------------------------------------------------------------------------------------------------- */

static bool why_paused(struct reason *r)
{
    if (r->s->core->is_paused)
        buf_printf(&r->text, "the queue is paused");
    else if (r->t->project->is_paused)
        buf_printf(&r->text, "project %s is paused", r->t->project->name);
    return r->text.len > 0;
}

static bool why_group(struct reason *r)
{
    const struct group *g = r->t->group;

    if (!group_is_full(g))
        return false;
    buf_printf(&r->text, "concurrency group %s is full: %lld of %lld", g->name, (long long)g->held,
               (long long)(g->capacity == GROUP_DEFAULT ? 1 : g->capacity));
    return true;
}

struct fitting {
    size_t agents, draining, full;
    int64_t slots;
};

static struct fitting fitting_agents(const struct demand *d)
{
    struct fitting f = { 0 };
    const struct offer *o;

    LIST_FOREACH(o, &d->offers, of_demand) {
        const struct agent *a = o->agent;
        if (!a->route.peer || a->slots == 0)
            continue;
        f.agents++;
        f.draining += a->is_draining;
        if (!a->is_draining) {
            f.full += a->busy >= a->slots;
            f.slots += a->slots;
        }
    }
    return f;
}

/* A label that no connected agent meets; NULL: only the combination is missing. */
static const char *label_missing(const struct reason *r)
{
    struct msg_strs asked = r->t->lane->demand->labels;

    for (size_t i = 0; i < asked.n; i++) {
        const struct agent *a;
        bool is_met = false;
        for (size_t at = 0; !is_met && (a = table_next(&r->s->core->agents, &at));)
            is_met = a->route.peer && match_label(asked.v[i], a->sorted->labels);
        if (!is_met)
            return asked.v[i];
    }
    return NULL;
}

static bool why_agents(struct reason *r, const struct fitting *f)
{
    const char *label;

    if (f->agents > f->draining)
        return false;
    label = label_missing(r);
    if (r->s->core->agents_connected == 0)
        buf_printf(&r->text, "no agent is connected");
    else if (f->draining)
        buf_printf(&r->text, "every agent that fits is draining");
    else if (label)
        buf_printf(&r->text, "no connected agent meets the label %s", label);
    else
        buf_printf(&r->text, "no connected agent meets all of its labels");
    return true;
}

/* Its place in its project's queue for the same agents; 0: too far behind to be counted. */
static int64_t position_of(const struct task *t)
{
    const struct lane *l;
    int64_t before = 0;
    size_t seen = 0;

    LIST_FOREACH(l, &t->lane->demand->lanes, of_demand) {
        if (l->project != t->project)
            continue;
        seen += l->retries.n + l->fresh.n;
        if (seen > SCAN_MAX)
            return 0;
        for (size_t i = 0; i < l->retries.n; i++)
            before += task_before(HEAP_OWNER(l->retries.nodes[i], struct task, place), t);
        for (size_t i = 0; i < l->fresh.n; i++)
            before += task_before(HEAP_OWNER(l->fresh.nodes[i], struct task, place), t);
    }
    return before + 1;
}

static void why_busy(struct reason *r, const struct fitting *f)
{
    const struct lane *first = HEAP_OWNER(heap_top(&r->t->lane->demand->ready), struct lane, node);
    const struct project *p = r->t->project;

    buf_printf(&r->text, "all %lld slots of the %zu agents that fit are busy", (long long)f->slots, f->agents - f->draining);
    if (r->position)
        buf_printf(&r->text, "; position %lld in project %s", (long long)r->position, p->name);
    if (first->project != p)
        buf_printf(&r->text, ", which holds %lld slots with weight %lld; project %s is next with %lld of weight %lld",
                   (long long)p->held, (long long)p->weight, first->project->name, (long long)first->project->held,
                   (long long)first->project->weight);
}

static void why_queued(struct reason *r)
{
    struct fitting f;

    r->position = position_of(r->t);
    if (why_paused(r) || why_group(r))
        return;
    f = fitting_agents(r->t->lane->demand);
    if (why_agents(r, &f))
        return;
    if (f.full < f.agents - f.draining)
        buf_printf(&r->text, "waits for an agent that has not tried it yet");
    else
        why_busy(r, &f);
}

void step_why(struct step *s, const void *message)
{
    const struct msg_task_why *m = message;
    struct msg_task_reason *answer = step_message(s, MSG_TASK_REASON, sizeof *answer, s->from);
    struct reason r = { .s = s, .t = table_get(&s->core->tasks, &m->task_id) };

    answer->request_id = m->request_id;
    if (r.t && r.t->state == TASK_QUEUED)
        why_queued(&r);
    else if (r.t && r.t->state == TASK_WAITING && !why_after(&r))
        why_backoff(&r);
    answer->reason = r.text.len ? step_text(s, r.text.data) : NULL;
    answer->position = r.position;
    answer->has.position = r.position > 0;
    buf_fini(&r.text);
}
