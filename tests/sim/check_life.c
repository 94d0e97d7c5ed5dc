/* check_life.c - the promises, when everything has come to its end: nothing lost, nothing twice. Read from the rows and
 * from what clients and agents saw. */
#include <string.h>

#include "tests/sim/world.h"

bool check_is_over(const struct world *w)
{
    const struct row_attempt *at;
    const struct row_task *t;

    for (int i = 0; i < w->n_clients; i++)
        if (!w->clients[i].is_answered)
            return false;
    for (int i = 0; i < w->n_changes; i++)
        if (!w->changes[i].is_answered)
            return false;
    for (size_t i = 0; (t = table_next(&w->db.tasks, &i));)
        if (!t->ended_ms)
            return false;
    for (size_t i = 0; (at = table_next(&w->db.attempts, &i));)
        if (!at->ended_ms || at->log_state == LOG_OPEN || at->is_wanted || (at->log_state == LOG_GAP && log_is_whole(w, at)))
            return false;
    return true;
}

/* --- attempts ---------------------------------------------------------------------------------------------------- */

static bool is_retried(const struct row_task *t, const struct row_attempt *at)
{
    const struct policy *p = t->spec->policy;

    if (at->state == ATTEMPT_LOST || at->state == ATTEMPT_REFUSED)
        return true;
    if (at->state != ATTEMPT_FAILED)
        return false;
    for (size_t i = 0; p && i < p->retry_exit_codes.n; i++)
        if (p->retry_exit_codes.v[i] == at->exit_code)
            return true;
    return at->cause && strcmp(at->cause, "infrastructure") == 0;
}

static void check_attempt(struct world *w, const struct row_task *t, const struct row_attempt *at)
{
    const struct sim_run *run = run_find(w, &t->id, at->number);
    const char *name = attempt_state_name(at->state);
    bool has_verdict = at->state == ATTEMPT_SUCCEEDED || at->state == ATTEMPT_FAILED || at->state == ATTEMPT_TIMED_OUT;
    char id[16];

    id_short(&t->id, id);
    if (!attempt_is_terminal(at->state) || !at->ended_ms || at->log_state == LOG_OPEN)
        world_fail(w, "attempt %s.%lld is still %s", id, (long long)at->number, name);
    if (at->is_wanted)
        world_fail(w, "the log of %s.%lld is asked for in vain", id, (long long)at->number);
    if (at->log_state == LOG_GAP && log_is_whole(w, at))
        world_fail(w, "the log of %s.%lld is whole and called a gap", id, (long long)at->number);
    if (at->started_ms && (!run || !run->is_begun))
        world_fail(w, "attempt %s.%lld is said to have started and never ran", id, (long long)at->number);
    if (at->number < t->attempt && !is_retried(t, at))
        world_fail(w, "attempt %s.%lld ended %s and was tried again", id, (long long)at->number, name);
    if (at->state == ATTEMPT_LOST && at->message && strstr(at->message, "came back without it") && run &&
        !run->was_lost)
        world_fail(w, "attempt %s.%lld was thrown away although its agent had it", id, (long long)at->number);
    if (!has_verdict || (at->state == ATTEMPT_FAILED && strcmp(at->cause, "infrastructure") == 0))
        return;
    if (!run || !run->outcome || strcmp(run->outcome, name) != 0)
        world_fail(w, "attempt %s.%lld is %s, its agent saw %s", id, (long long)at->number, name,
                   run && run->outcome ? run->outcome : "nothing");
    if (at->number == t->attempt && at->stop == STOP_NONE && !is_retried(t, at) &&
        strcmp(name, task_state_name(t->state)) != 0)
        world_fail(w, "task %s ended %s, its attempt %s", id, task_state_name(t->state), name);
}

/* --- tasks ------------------------------------------------------------------------------------------------------- */

static bool is_superseded_rightly(struct world *w, const struct row_task *t)
{
    const struct row_task *o;

    for (size_t i = 0; (o = table_next(&w->db.tasks, &i));)
        if (t->spec->mr && o->spec->mr && strcmp(t->spec->mr, o->spec->mr) == 0 && is_same_build(t->spec, o->spec) &&
            note_of(w, &o->id)->submit_seq > note_of(w, &t->id)->submit_seq)
            return true;
    return false;
}

static void check_task(struct world *w, const struct row_task *t)
{
    const struct sim_note *note = note_of(w, &t->id);
    const struct row_attempt *last = db_attempt(w, &t->id, t->attempt);
    char id[16];

    id_short(&t->id, id);
    if (!task_is_terminal(t->state) || !t->ended_ms)
        world_fail(w, "task %s is still %s", id, task_state_name(t->state));
    if (note->n_ends > 1)
        world_fail(w, "task %s ended %d times", id, note->n_ends);
    if (t->state == TASK_SUCCEEDED && (!last || last->state != ATTEMPT_SUCCEEDED))
        world_fail(w, "task %s succeeded without an attempt that did", id);
    if (t->state == TASK_SUPERSEDED && !is_superseded_rightly(w, t))
        world_fail(w, "task %s was superseded by nothing", id);
    for (int64_t n = 1; n <= t->attempt; n++) {
        const struct row_attempt *at = db_attempt(w, &t->id, n);
        if (at)
            check_attempt(w, t, at);
        else
            world_fail(w, "attempt %s.%lld has no row", id, (long long)n);
    }
}

static void check_run(struct world *w, const struct sim_run *run)
{
    const struct row_attempt *at = db_attempt(w, &run->task, run->attempt);
    char id[16];

    if (run->is_begun && (!at || uuid_cmp(&at->agent_id, &w->agents[run->agent].id) != 0))
        world_fail(w, "agent %d ran %s.%lld, which was not given to it", run->agent, id_short(&run->task, id),
                   (long long)run->attempt);
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

/* Keys are kept for a day, and the farm's time may have jumped that far. */
static bool may_have_expired(const struct world *w)
{
    return w->db.now_ms - START_MS > CORE_KEY_MS / 2;
}

static void check_refusal(struct world *w, int i)
{
    const struct sim_client *c = &w->clients[i];
    bool is_due = (strcmp(c->refusal, "no_agent") == 0 && c->plan.need_agent) ||
                  (strcmp(c->refusal, "key_reused") == 0 && c->plan.idempotency_key) ||
                  (strcmp(c->refusal, "storage_refused") == 0 && c->is_bad) ||
                  (strcmp(c->refusal, "after") == 0 && (c->names_unknown || w->jump_ms >= 0));

    if (!is_due)
        world_fail(w, "client %d was refused for no reason: %s", i, c->refusal);
}

static void check_same_key(struct world *w, int k, int i)
{
    const struct sim_client *o = &w->clients[k], *c = &w->clients[i];

    if (!o->plan.idempotency_key || !o->is_kept || strcmp(c->plan.idempotency_key, o->plan.idempotency_key) != 0 ||
        strcmp(c->plan.project, o->plan.project) != 0)
        return;
    if (c->body == o->body && c->is_joined != o->is_joined)
        world_fail(w, "clients %d and %d used one key for one request, and only one of them joined a task", k, i);
    if (c->body == o->body && uuid_cmp(&c->answer, &o->answer) != 0)
        world_fail(w, "clients %d and %d used one key for one request and got two tasks", k, i);
    if (c->body != o->body)
        world_fail(w, "clients %d and %d used one key for two requests", k, i);
}

static void check_client(struct world *w, int i)
{
    const struct sim_client *c = &w->clients[i];
    char id[16];

    if (!c->is_answered)
        world_fail(w, "client %d never got an answer", i);
    if (c->is_kept && !db_task(w, &c->answer))
        world_fail(w, "task %s was promised and is not there", id_short(&c->answer, id));
    if (c->refusal)
        check_refusal(w, i);
    for (int k = 0; k < i && c->is_kept && c->plan.idempotency_key && !may_have_expired(w); k++)
        check_same_key(w, k, i);
}

static void check_change(struct world *w, int i)
{
    const struct sim_change *c = &w->changes[i];

    if (!c->is_answered)
        world_fail(w, "change %d never got an answer", i);
    for (int k = 0; k < i && c->key && c->is_done && !may_have_expired(w); k++) {
        const struct sim_change *o = &w->changes[k];
        if (o->key != c->key || !o->is_done)
            continue;
        if (o->body != c->body)
            world_fail(w, "changes %d and %d used one key for two requests", k, i);
        else if (!o->is_replayed && !c->is_replayed)
            world_fail(w, "changes %d and %d used one key for one request, and it was done twice", k, i);
    }
}

void check_life(struct world *w)
{
    const struct row_task *t;
    const struct sim_run *run;

    for (size_t i = 0; (t = table_next(&w->db.tasks, &i));)
        check_task(w, t);
    for (size_t i = 0; (run = table_next(&w->runs, &i));)
        check_run(w, run);
    for (int i = 0; i < w->n_clients; i++)
        check_client(w, i);
    for (int i = 0; i < w->n_changes; i++)
        check_change(w, i);
    if (!check_is_over(w))
        world_fail(w, "the farm did not come to rest");
}
