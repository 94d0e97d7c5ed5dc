/* changes.c - what people set: drains, shares, capacities, pauses. Each says what shall be, so twice is once.
 *
 * PROTOCOL "task.cancel" and behind. Every change is an event, even one that finds everything as it shall be. */
#include <string.h>

#include "scheduler/core_impl.h"

bool change_begin(struct step *s, const struct change *c)
{
    bool has_key = c->use.key && *c->use.key;
    const struct idem_key *k = has_key ? key_find(s->core, c->use.project, c->use.key) : NULL;
    struct msg_change_done *done;

    if (!k)
        return true;
    if (!key_has_body(k, c->use.body)) {
        change_refuse(s, c, "key_reused", "this Idempotency-Key was used for another request");
        return false;
    }
    done = step_message(s, MSG_CHANGE_DONE, sizeof *done, s->from);
    done->request_id = *c->request_id;
    done->replayed = done->has.replayed = true;
    return false;
}

void change_done(struct step *s, const struct change *c, const struct uuid *task_id)
{
    static const struct uuid none;
    struct msg_change_done *done = step_message(s, MSG_CHANGE_DONE, sizeof *done, s->from);

    done->request_id = *c->request_id;
    key_keep(s, &c->use, task_id ? task_id : &none);
}

void change_refuse(struct step *s, const struct change *c, const char *reason, const char *message)
{
    struct msg_change_refused *no = step_message(s, MSG_CHANGE_REFUSED, sizeof *no, s->from);

    no->request_id = *c->request_id;
    no->reason = reason;
    no->message = message;
}

static const char *number(struct step *s, int64_t n)
{
    return arena_printf(&s->fx->arena, "%lld", (long long)n);
}

static const char *yes_no(bool is)
{
    return is ? "true" : "false";
}

void step_agent_set(struct step *s, const void *message)
{
    const struct msg_agent_set *m = message;
    const struct change change = { &m->request_id, { "", m->idempotency_key, m->body_hash, false } };
    struct agent *a = table_get(&s->core->agents, &m->agent_id);

    if (!change_begin(s, &change))
        return;
    if (!a) {
        change_refuse(s, &change, "not_found", "no agent has this id");
        return;
    }
    if (m->has.draining && m->draining != a->is_draining) {
        queue_agent_drain(s->core, a, m->draining);
        agent_mark(s->core, a);
    }
    event_data(s, step_event(s, "agent.set", NULL, NULL, a), "draining", yes_no(a->is_draining));
    change_done(s, &change, NULL);
}

static const char *const supersedes[] = {
    [SUPERSEDE_OFF] = "off", [SUPERSEDE_QUEUED] = "queued", [SUPERSEDE_RUNNING] = "running",
};

enum supersede supersede_of(const char *word, enum supersede otherwise)
{
    for (size_t i = 0; word && i < ARRAY_LEN(supersedes); i++)
        if (strcmp(supersedes[i], word) == 0)
            return (enum supersede)i;
    return otherwise;
}

void step_project_set(struct step *s, const void *message)
{
    const struct msg_project_set *m = message;
    const struct change change = { &m->request_id, { "", m->idempotency_key, m->body_hash, false } };
    struct project *p;
    struct row_event *ev;
    bool was_paused;

    if (!change_begin(s, &change))
        return;
    p = project_get(s->core, m->name);
    was_paused = p->is_paused;
    if (m->has.weight && m->weight > 0)
        p->weight = m->weight;
    if (m->has.paused)
        p->is_paused = m->paused;
    p->supersede = supersede_of(m->supersede, p->supersede);
    if (m->has.log_max)
        p->log_max = m->log_max;
    if (m->has.log_keep_ms)
        p->log_keep_ms = m->log_keep_ms;
    project_mark(s->core, p);
    queue_project_moved(p);
    if (was_paused && !p->is_paused)
        queue_resumed(s->core);
    ev = step_event(s, "project.set", NULL, NULL, NULL);
    ev->project = step_text(s, p->name);
    event_data(s, ev, "weight", number(s, p->weight));
    event_data(s, ev, "paused", yes_no(p->is_paused));
    event_data(s, ev, "supersede", supersedes[p->supersede]);
    event_data(s, ev, "log_max", number(s, p->log_max));
    event_data(s, ev, "log_keep_ms", number(s, p->log_keep_ms));
    change_done(s, &change, NULL);
}

void step_group_set(struct step *s, const void *message)
{
    const struct msg_group_set *m = message;
    const struct change change = { &m->request_id, { "", m->idempotency_key, m->body_hash, false } };
    struct row_event *ev;
    struct group *g;

    if (!change_begin(s, &change))
        return;
    g = group_get(s->core, m->name);
    g->capacity = m->has.capacity ? m->capacity : GROUP_DEFAULT;
    group_mark(s->core, g);
    queue_group_moved(s->core, g);
    ev = step_event(s, "group.set", NULL, NULL, NULL);
    event_data(s, ev, "name", g->name);
    if (m->has.capacity)
        event_data(s, ev, "capacity", number(s, g->capacity));
    change_done(s, &change, NULL);
}

void step_queue_set(struct step *s, const void *message)
{
    const struct msg_queue_set *m = message;
    const struct change change = { &m->request_id, { "", m->idempotency_key, m->body_hash, false } };
    struct core *core = s->core;
    bool was_paused = core->is_paused;

    if (!change_begin(s, &change))
        return;
    if (m->has.paused)
        core->is_paused = m->paused;
    core->is_queue_dirty = true;
    if (was_paused && !core->is_paused)
        queue_resumed(core);
    event_data(s, step_event(s, "queue.set", NULL, NULL, NULL), "paused", yes_no(core->is_paused));
    change_done(s, &change, NULL);
}
