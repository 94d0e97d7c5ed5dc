/* submit.c - a task is asked for: kept, answered from its row, or refused.
 *
 * The worker's task id is the key of the hop: a known id is answered as it stands. The client's Idempotency-Key is a
 * second, independent one. A fitting free slot is used in the same step, so that one commit keeps the task and gives
 * it to an agent. */
#include <string.h>

#include "scheduler/model.h"

static void answer(struct step *s, const struct uuid *request, const struct uuid *task_id, enum task_state state,
                   bool existed)
{
    const struct task *t = table_get(&s->core->tasks, task_id);
    struct msg_task_submitted *m = step_message(s, MSG_TASK_SUBMITTED, sizeof *m, s->from);
    const struct attempt *at = t ? LIST_FIRST(&t->attempts) : NULL;

    m->request_id = *request;
    m->task_id = *task_id;
    m->state = task_state_name(state);
    m->existed = m->has.existed = existed;
    if (at && !attempt_is_terminal(at->state)) {
        m->agent_id = at->agent->id;
        m->has.agent_id = true;
    }
}

static void refuse(struct step *s, const struct msg_task_submit *m, const char *reason, const char *message)
{
    struct msg_task_refused *no = step_message(s, MSG_TASK_REFUSED, sizeof *no, s->from);

    no->request_id = m->task_id;
    no->reason = reason;
    no->message = message;
}

static bool same_body(const struct idem_key *k, const struct msg_task_submit *m)
{
    return m->body_hash.len == sizeof k->body.b && memcmp(k->body.b, m->body_hash.data, sizeof k->body.b) == 0;
}

/* The key was used before: the same request gets its task, another one is refused. */
static void answer_key(struct step *s, const struct msg_task_submit *m, const struct idem_key *k)
{
    const struct task *t = table_get(&s->core->tasks, &k->task_id);

    if (same_body(k, m))
        answer(s, &m->task_id, &k->task_id, t ? t->state : (enum task_state)k->end_state, true);
    else
        refuse(s, m, "key_reused", "this Idempotency-Key was used for another request");
}

static void keep_key(struct step *s, const struct msg_task_submit *m)
{
    struct row_key *row = effects_key(s->fx);

    row->project = step_text(s, m->project);
    row->key = step_text(s, m->idempotency_key);
    if (m->body_hash.len)
        memcpy(row->body.b, m->body_hash.data, m->body_hash.len < sizeof row->body.b ? m->body_hash.len : sizeof row->body.b);
    row->task_id = m->task_id;
    row->created_ms = s->at_ms;
    row->end_state = -1;
    key_add(s->core, row);
}

static struct task *keep_task(struct step *s, const struct msg_task_submit *m)
{
    const struct spec asked = {
        .project = m->project, .repo = m->repo, .target = m->target, .ref = m->ref, .mr = m->mr, .driver = m->driver,
        .args = m->args, .labels = m->labels, .env = m->env, .separate_streams = m->separate_streams,
    };
    struct task *t = task_new(s->core, &m->task_id);

    t->spec = spec_pack(&asked, NULL);
    t->project = mem_strdup(m->project);
    t->state = TASK_QUEUED;
    t->created_ms = s->at_ms;
    t->is_new = true;
    task_mark(s->core, t);
    queue_open(s->core, t);
    queue_push(s->core, t);
    return t;
}

void step_submit(struct step *s, const void *message)
{
    const struct msg_task_submit *m = message;
    bool has_key = m->idempotency_key && *m->idempotency_key;
    struct task *t = table_get(&s->core->tasks, &m->task_id);
    const struct idem_key *k = has_key && !t ? key_find(s->core, m->project, m->idempotency_key) : NULL;
    struct agent *a;

    if (t) {
        answer(s, &t->id, &t->id, t->state, true);
        return;
    }
    if (k) {
        answer_key(s, m, k);
        return;
    }
    if (m->need_agent && s->core->agents_up == 0) {
        refuse(s, m, "no_agent", "no agent is connected");
        return;
    }
    t = keep_task(s, m);
    if (has_key)
        keep_key(s, m);
    a = queue_agent_for(t);
    /* One event says both: an event `task.submitted` with an attempt was assigned at once. */
    step_event(s, "task.submitted", t, a ? attempt_assign(s, t, a) : NULL, NULL);
    answer(s, &t->id, &t->id, t->state, false);
}
