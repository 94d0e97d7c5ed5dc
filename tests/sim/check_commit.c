/* check_commit.c - what must be true of the rows after every commit: limits, pauses, dependencies, twins, kin, times.
 *
 * Limits are counted from the rows; what depends on the order of things follows the events. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

enum { SLACK_MS = 4000 };   /* a commit that is slow, and one behind it */

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool is_same_build(const struct spec *a, const struct spec *b)
{
    if (!is_same_text(a->project, b->project) || !is_same_text(a->repo, b->repo) ||
        !is_same_text(a->target, b->target) || !is_same_text(a->driver, b->driver) || a->labels.n != b->labels.n ||
        a->env.n != b->env.n)
        return false;
    for (size_t i = 0; i < a->labels.n; i++)   /* at most one here */
        if (strcmp(a->labels.v[i], b->labels.v[i]) != 0)
            return false;
    return true;
}

/* --- where attempts may begin ------------------------------------------------------------------------------------ */

static void check_after(struct world *w, const struct row_task *t)
{
    const struct policy *p = t->spec->policy;
    char id[16];

    for (size_t i = 0; p && i < p->n_after; i++) {
        const struct row_task *on = db_task(w, &p->after[i]);
        bool is_met = on && on->ended_ms &&
                      (p->condition == AFTER_ANY || on->state == TASK_SUCCEEDED ||
                       (p->condition == AFTER_FINISHED && on->state == TASK_FAILED));
        if (!is_met)
            world_fail(w, "task %s begins before what it waits for has ended so", id_short(&t->id, id));
    }
}

void check_assigned(struct world *w, const struct row_event *ev)
{
    const struct row_task *t = db_task(w, &ev->task_id);
    struct uuid key = table_key_text("project", ev->project);
    const struct row_project *project = table_get(&w->projects_said, &key);
    char id[16];

    id_short(&ev->task_id, id);
    if (w->is_paused)
        world_fail(w, "task %s is assigned while the queue is paused", id);
    if (project && project->is_paused)
        world_fail(w, "task %s is assigned while project %s is paused", id, ev->project);
    if (table_get(&w->drained, &ev->agent_id))
        world_fail(w, "task %s is assigned to an agent that drains", id);
    if (t)
        check_after(w, t);
}

/* The largest that it was at any moment of this batch. */
static int64_t group_capacity(struct world *w, const struct sim_shell *sh, const char *name)
{
    struct uuid key = table_key_text(name, NULL);
    const struct row_group *before = table_get(&w->groups_before, &key);
    int64_t capacity = before ? before->capacity : 1;

    for (size_t i = 0; i < sh->flight.events.n; i++) {
        const struct row_event *ev = &sh->flight.events.v[i];
        const char *said = event_says(ev, "capacity");
        int64_t now = *said ? strtoll(said, NULL, 10) : 1;
        if (strcmp(ev->kind, "group.set") == 0 && strcmp(event_says(ev, "name"), name) == 0 && now > capacity)
            capacity = now;
    }
    return capacity;
}

static void check_group(struct world *w, const struct sim_shell *sh, const char *name)
{
    int64_t capacity = group_capacity(w, sh, name), held = 0;
    const struct row_attempt *at;

    for (size_t i = 0; (at = table_next(&w->db.attempts, &i));) {
        const struct policy *p = db_task(w, &at->task_id)->spec->policy;
        held += !at->ended_ms && p && p->group && strcmp(p->group, name) == 0;
    }
    if (held > capacity)
        world_fail(w, "group %s holds %lld of %lld", name, (long long)held, (long long)capacity);
}

static void check_slots(struct world *w, const struct sim_shell *sh, const struct uuid *agent)
{
    const struct row_agent *now = table_get(&w->db.agents, agent), *before = table_get(&w->agents_before, agent);
    const struct row_attempt *at;
    int64_t busy = 0, slots = now->slots;
    int hellos = 0;

    for (size_t i = 0; i < sh->flight.events.n; i++)
        hellos += strcmp(sh->flight.events.v[i].kind, "agent.up") == 0 &&
                  uuid_cmp(&sh->flight.events.v[i].agent_id, agent) == 0;
    if (hellos > 1)   /* each may have said another number */
        return;
    if (before && before->slots > slots)
        slots = before->slots;
    for (size_t i = 0; (at = table_next(&w->db.attempts, &i));)
        busy += !at->ended_ms && uuid_cmp(&at->agent_id, agent) == 0;
    if (busy > slots)
        world_fail(w, "agent %d has %lld attempts in %lld slots", agent->b[1], (long long)busy, (long long)slots);
}

static void check_new_attempts(struct world *w, const struct sim_shell *sh)
{
    for (size_t i = 0; i < sh->flight.attempts.n; i++) {
        const struct row_attempt *at = &sh->flight.attempts.v[i];
        const struct row_task *t = db_task(w, &at->task_id);
        if (!at->is_new || !t)
            continue;
        check_slots(w, sh, &at->agent_id);
        if (t->spec->policy && t->spec->policy->group)
            check_group(w, sh, t->spec->policy->group);
    }
}

/* --- twins and kin ----------------------------------------------------------------------------------------------- */

static bool is_open_at(const struct sim_note *note, int64_t seq)
{
    return note && note->submit_seq && note->submit_seq < seq && (!note->end_seq || note->end_seq > seq);
}

static void check_twins(struct world *w, const struct row_task *t, int64_t seq)
{
    const struct sim_client *c = client_by_task(w, &t->id);
    const struct row_task *o;
    char id[16], other[16];

    if (!c || !c->plan.join)
        return;
    for (size_t i = 0; (o = table_next(&w->db.tasks, &i));) {
        const struct sim_note *note = note_of(w, &o->id);
        if (is_open_at(note, seq) && !note->stop_seq && is_same_build(t->spec, o->spec) &&
            is_same_text(t->spec->ref, o->spec->ref) && !(o->spec->policy && o->spec->policy->n_after))
            world_fail(w, "task %s could have joined task %s", id_short(&t->id, id), id_short(&o->id, other));
    }
}

static enum supersede supersede_policy(struct world *w, const struct row_task *t)
{
    const struct sim_client *c = client_by_task(w, &t->id);
    struct uuid key = table_key_text("project", t->spec->project);
    const struct row_project *project = table_get(&w->projects_said, &key);

    if (c && c->plan.supersede)
        return strcmp(c->plan.supersede, "off") == 0 ? SUPERSEDE_OFF :
               strcmp(c->plan.supersede, "queued") == 0 ? SUPERSEDE_QUEUED : SUPERSEDE_RUNNING;
    return project ? project->supersede : SUPERSEDE_QUEUED;
}

/* What must be ended by it is remembered until the whole batch was read. */
static void expect_kin(struct world *w, const struct row_task *t, int64_t seq)
{
    enum supersede policy = supersede_policy(w, t);
    const struct row_task *o;

    for (size_t i = 0; t->spec->mr && policy != SUPERSEDE_OFF && (o = table_next(&w->db.tasks, &i));) {
        struct sim_note *note = note_of(w, &o->id);
        bool is_held = note->state == TASK_ASSIGNED || note->state == TASK_RUNNING;
        if (is_open_at(note, seq) && is_same_build(t->spec, o->spec) && is_same_text(t->spec->mr, o->spec->mr) &&
            (!is_held || policy == SUPERSEDE_RUNNING)) {
            note->superseded_seq = seq;
            note->superseded_attempts = note->attempts;
        }
    }
}

void check_submitted(struct world *w, const struct row_event *ev)
{
    const struct row_task *t = db_task(w, &ev->task_id);

    check_twins(w, t, ev->seq);
    expect_kin(w, t, ev->seq);
}

static void check_kin(struct world *w)
{
    const struct sim_note *note;
    char id[16];

    for (size_t i = 0; (note = table_next(&w->notes, &i));)
        if (note->superseded_seq && !note->end_seq && !note->stop_seq && note->attempts == note->superseded_attempts)
            world_fail(w, "task %s should have been superseded", id_short(&note->task, id));
}

/* --- times ------------------------------------------------------------------------------------------------------- */

/* The farm had one leader that could act all the time since. */
static bool is_calm_since(const struct world *w, int64_t ms)
{
    return ms >= 0 && w->trouble_ms < ms && w->jump_ms < 0;
}

void check_ended(struct world *w, const struct sim_note *note)
{
    const struct row_task *t = db_task(w, &note->task);
    const struct policy *p = t ? t->spec->policy : NULL;
    bool is_queue_timeout = t && t->state == TASK_TIMED_OUT && t->message && strstr(t->message, "queue timeout");
    char id[16];

    id_short(&note->task, id);
    if (is_calm_since(w, note->cancel_ms) && note->stop_seq &&
        w->now_ms > note->cancel_ms + w->config.stop_ms + SLACK_MS)
        world_fail(w, "task %s ends %lld ms after it was told to", id, (long long)(w->now_ms - note->cancel_ms));
    if (is_calm_since(w, note->accepted_ms) && p && p->timeout_ms &&
        w->now_ms > note->accepted_ms + p->timeout_ms + 2 * w->config.stop_ms + SLACK_MS)
        world_fail(w, "task %s runs %lld ms, its timeout is %lld", id, (long long)(w->now_ms - note->accepted_ms),
                   (long long)p->timeout_ms);
    if (!is_queue_timeout || w->jump_ms >= 0)
        return;
    if (START_MS + w->now_ms < t->created_ms + p->queue_timeout_ms)
        world_fail(w, "task %s is ended before its queue timeout", id);
    if (is_calm_since(w, note->kept_ms) && w->now_ms > note->kept_ms + p->queue_timeout_ms + SLACK_MS && !t->attempt)
        world_fail(w, "task %s is ended long after its queue timeout", id);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static bool is_changed(const struct effects *fx, const struct uuid *task)
{
    for (size_t i = 0; i < fx->tasks.n; i++)
        if (uuid_cmp(&fx->tasks.v[i].id, task) == 0)
            return true;
    return false;
}

static void check_reason(struct world *w, const struct sim_shell *sh, const struct msg_task_reason *m)
{
    const struct sim_change *c = NULL;
    const struct row_task *t;
    bool waits;
    char id[16];

    for (int i = 0; i < w->n_changes; i++)
        if (uuid_cmp(&w->changes[i].id, &m->request_id) == 0)
            c = &w->changes[i];
    if (!c || is_changed(&sh->flight, &c->plan.why.task_id))
        return;
    t = db_task(w, &c->plan.why.task_id);
    waits = t && (t->state == TASK_WAITING || t->state == TASK_QUEUED);
    id_short(&c->plan.why.task_id, id);
    if (waits != !!m->reason)
        world_fail(w, "why does task %s (%s) wait? %s", id, t ? task_state_name(t->state) : "unknown",
                   m->reason ? m->reason : "no reason");
    if (m->has.position && (!t || t->state != TASK_QUEUED || m->position < 1))
        world_fail(w, "task %s has position %lld", id, (long long)m->position);
}

void check_reasons(struct world *w, const struct sim_shell *sh)
{
    if (!sh->began_whole || sh->epoch != w->db.epoch || w->bug == BUG_EARLY_MESSAGES)
        return;
    for (size_t i = 0; i < sh->flight.messages.n; i++)
        if (sh->flight.messages.v[i].type == MSG_TASK_REASON)
            check_reason(w, sh, sh->flight.messages.v[i].message);
}

/* --- a commit ---------------------------------------------------------------------------------------------------- */

/* What the rows said before the next commit. */
static void remember(struct world *w, const struct effects *fx)
{
    for (size_t i = 0; i < fx->agents.n; i++)
        table_put(&w->agents_before, &fx->agents.v[i].id, table_get(&w->db.agents, &fx->agents.v[i].id));
    for (size_t i = 0; i < fx->groups.n; i++) {
        struct uuid key = table_key_text(fx->groups.v[i].name, NULL);
        struct row_group *row = table_get(&w->db.groups, &key);
        if (row)
            table_put(&w->groups_before, &key, row);
        else
            table_remove(&w->groups_before, &key);
    }
}

void check_commit(struct world *w, const struct sim_shell *sh)
{
    notes_read(w, sh);
    check_kin(w);
    check_new_attempts(w, sh);
    remember(w, &sh->flight);
}
