/* submit.c - a task is asked for: kept, answered from its row, joined to one that is open, or refused.
 *
 * The worker's task id is the key of the hop: a known id is answered as it stands. The client's Idempotency-Key is a
 * second, independent one. A fitting free slot is used in the same step, so that one commit keeps the task and gives
 * it to an agent. */
#include <string.h>

#include "scheduler/core_impl.h"

static struct msg_task_submitted *answer(struct step *s, const struct uuid *request, const struct uuid *task_id,
                                         enum task_state state, bool existed)
{
    const struct task *t = table_get(&s->core->tasks, task_id);
    struct msg_task_submitted *m = step_message(s, MSG_TASK_SUBMITTED, sizeof *m, s->from);
    const struct attempt *at = t ? task_open_attempt(t) : NULL;

    m->request_id = *request;
    m->task_id = *task_id;
    m->state = task_state_name(state);
    m->existed = m->has.existed = existed;
    if (at) {
        m->agent_id = at->agent->id;
        m->has.agent_id = true;
    }
    return m;
}

static void refuse(struct step *s, const struct msg_task_submit *m, const char *reason, const char *message)
{
    struct msg_task_refused *no = step_message(s, MSG_TASK_REFUSED, sizeof *no, s->from);

    no->request_id = m->task_id;
    no->reason = reason;
    no->message = message;
}

/* The key was used before: the same request gets its task, another one is refused. */
static void answer_key(struct step *s, const struct msg_task_submit *m, const struct idem_key *k)
{
    const struct task *t = table_get(&s->core->tasks, &k->task_id);
    struct msg_task_submitted *yes;

    if (key_has_body(k, m->body_hash) && (t || k->end_state >= 0)) {
        yes = answer(s, &m->task_id, &k->task_id, t ? t->state : (enum task_state)k->end_state, true);
        yes->joined = yes->has.joined = k->is_joined;
    } else {
        refuse(s, m, "key_reused", "this Idempotency-Key was used for another request");
    }
}

/* --- what is asked -------------------------------------------------------------------------------------------- */

static enum priority priority_of(const char *word)
{
    static const char *const words[] = {
        [PRIORITY_LOW] = "low", [PRIORITY_NORMAL] = "normal", [PRIORITY_HIGH] = "high", [PRIORITY_CRITICAL] = "critical",
    };

    for (size_t i = 0; word && i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], word) == 0)
            return (enum priority)i;
    return PRIORITY_NORMAL;
}

static enum after condition_of(const char *word)
{
    if (word && strcmp(word, "finished") == 0)
        return AFTER_FINISHED;
    return word && strcmp(word, "any") == 0 ? AFTER_ANY : AFTER_SUCCEEDED;
}

static unsigned retry_on_of(struct msg_strs words)
{
    unsigned on = 0;

    for (size_t i = 0; i < words.n; i++)
        on |= strcmp(words.v[i], "agent") == 0 ? RETRY_AGENT : strcmp(words.v[i], "infrastructure") == 0 ? RETRY_INFRASTRUCTURE : 0;
    return words.n ? on : RETRY_AGENT | RETRY_INFRASTRUCTURE;
}

static bool has_policy(const struct msg_task_submit *m)
{
    return (m->concurrency_group && *m->concurrency_group) || m->after.n || m->has.timeout_ms ||
           m->has.silence_timeout_ms || m->has.queue_timeout_ms || m->has.tries || m->retry_on.n ||
           m->retry_exit_codes.n || m->has.retry_of;
}

/* NULL: nothing is said. Lives as long as the effects. */
static const struct policy *read_policy(struct step *s, const struct msg_task_submit *m)
{
    struct arena *arena = &s->fx->arena;
    struct uuid *after = arena_alloc(arena, (m->after.n + 1) * sizeof *after);
    struct policy policy = {
        .group = m->concurrency_group && *m->concurrency_group ? m->concurrency_group : NULL,
        .condition = condition_of(m->after_condition),
        .timeout_ms = m->timeout_ms,
        .silence_timeout_ms = m->silence_timeout_ms,
        .queue_timeout_ms = m->queue_timeout_ms,
        .tries = m->tries,
        .retry_on = retry_on_of(m->retry_on),
        .retry_exit_codes = m->retry_exit_codes,
        .retry_of = m->retry_of,
        .after = after,
    };

    if (!has_policy(m))
        return NULL;
    for (size_t i = 0; i < m->after.n; i++)
        if (uuid_parse(m->after.v[i].key, strlen(m->after.v[i].key), &after[policy.n_after]) == 0)
            policy.n_after++;
    return arena_dup(arena, &policy, sizeof policy);
}

static struct spec read_spec(struct step *s, const struct msg_task_submit *m)
{
    return (struct spec){
        .project = m->project, .repo = m->repo, .target = m->target, .ref = m->ref, .mr = m->mr, .driver = m->driver,
        .args = m->args, .labels = m->labels, .env = m->env, .separate_streams = m->separate_streams,
        .priority = priority_of(m->priority), .policy = read_policy(s, m),
    };
}

/* --- what it waits for ------------------------------------------------------------------------------------------ */

/* How a task that it names has ended, as far as we or the gateway's rows know; -1: it has not; -2: there is none. */
static int end_of(const struct core *core, const struct msg_pair *named)
{
    const struct task *t = NULL;
    struct uuid id;
    int state;

    if (uuid_parse(named->key, strlen(named->key), &id) == 0)
        t = table_get(&core->tasks, &id);
    if (t)
        return t->ended_ms ? (int)t->state : -1;
    state = task_state_by_name(named->value);
    return state >= 0 && task_is_terminal((enum task_state)state) ? state : -2;
}

/* Refused when a task it names is not known, or is itself; *failed_r: the first whose end rules it out, or NULL. */
static int check_after(struct step *s, const struct msg_task_submit *m, const struct msg_pair **failed_r)
{
    enum after condition = condition_of(m->after_condition);

    *failed_r = NULL;
    for (size_t i = 0; i < m->after.n; i++) {
        int end = end_of(s->core, &m->after.v[i]);
        if (end == -2) {
            refuse(s, m, "after", arena_printf(&s->fx->arena, "after: there is no task %s", m->after.v[i].key));
            return -1;
        }
        if (end >= 0 && !*failed_r && !after_is_met(condition, (enum task_state)end))
            *failed_r = &m->after.v[i];
    }
    return 0;
}

static void wait_for_tasks(struct step *s, struct task *t, const struct msg_pair *failed)
{
    after_link_loaded(s->core, t);
    if (failed)
        task_end(s, t, &(struct task_ending){ STATE_CANCEL, "policy", arena_printf(&s->fx->arena,
                 "it waited for task %s, which ended otherwise than it asks", failed->key), NULL });
    else if (LIST_EMPTY(&t->after))
        task_ready(s, t);
}

/* --- the task ------------------------------------------------------------------------------------------------------ */

static struct task *keep_task(struct step *s, const struct msg_task_submit *m, const struct spec *asked)
{
    struct task *t = task_new(s->core, &m->task_id, asked);

    t->spec = spec_pack(asked, NULL);
    t->state = m->after.n ? TASK_WAITING : TASK_QUEUED;
    t->created_ms = s->at_ms;
    t->is_new = true;
    task_mark(s->core, t);
    task_open(s->core, t);
    queue_deadline(s, t);
    return t;
}

static void supersede(struct step *s, const struct msg_task_submit *m, const struct spec *asked, const struct task *by)
{
    enum supersede policy = supersede_of(m->supersede, by->project->supersede);
    struct bunch *kin = policy == SUPERSEDE_OFF ? NULL : kin_of(s->core, asked);
    struct task *t, *next;

    for (t = kin ? LIST_FIRST(&kin->tasks) : NULL; t; t = next) {
        next = LIST_NEXT(t, relative);   /* `by` itself keeps the bunch */
        if (t != by)
            task_supersede(s, t, &by->id, policy == SUPERSEDE_RUNNING);
    }
}

static void answer_joined(struct step *s, const struct msg_task_submit *m, struct idem_use use, struct task *twin)
{
    struct msg_task_submitted *yes;

    use.is_joined = true;
    if (use.key) {   /* only what writes an event may change anything, keys too */
        step_event(s, "task.joined", twin, NULL, NULL);
        key_keep(s, &use, &twin->id);
    }
    yes = answer(s, &m->task_id, &twin->id, twin->state, true);
    yes->joined = yes->has.joined = true;
}

static void submit(struct step *s, const struct msg_task_submit *m, const struct spec *asked, const struct idem_use *use)
{
    const struct msg_pair *failed;
    struct agent *a = NULL;
    struct task *t;

    if (check_after(s, m, &failed) < 0)
        return;
    t = keep_task(s, m, asked);
    key_keep(s, use, &t->id);
    if (t->state == TASK_QUEUED) {
        queue_push(s->core, t);
        a = queue_agent_for(s->core, t);
    }
    /* One event says both: an event `task.submitted` with an attempt was assigned at once. */
    step_event(s, "task.submitted", t, a ? attempt_assign(s, t, a) : NULL, NULL);
    if (t->state == TASK_WAITING)
        wait_for_tasks(s, t, failed);
    supersede(s, m, asked, t);
    answer(s, &t->id, &t->id, t->state, false);
}

void step_submit(struct step *s, const void *message)
{
    const struct msg_task_submit *m = message;
    const struct idem_use use = { m->project, m->idempotency_key && *m->idempotency_key ? m->idempotency_key : NULL,
                                  m->body_hash, false };
    struct task *known = table_get(&s->core->tasks, &m->task_id), *twin;
    const struct idem_key *k = use.key && !known ? key_find(s->core, use.project, use.key) : NULL;
    struct spec asked;

    if (known) {
        answer(s, &known->id, &known->id, known->state, true);
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
    asked = read_spec(s, m);
    twin = m->join ? kin_twin(s->core, &asked) : NULL;
    if (twin)
        answer_joined(s, m, use, twin);
    else
        submit(s, m, &asked, &use);
}
