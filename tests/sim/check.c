/* check.c - the promises: nothing lost, nothing twice. Read from the rows and from what clients and agents saw. */
#include <string.h>

#include "tests/sim/world.h"

bool check_is_over(const struct world *w)
{
    const struct row_attempt *at;
    const struct row_task *t;

    if (!w->shell.core || w->shell.flight.is_in_flight)
        return false;
    for (int i = 0; i < w->n_clients; i++)
        if (!w->clients[i].is_answered)
            return false;
    for (size_t i = 0; (t = table_next(&w->db.tasks, &i));)
        if (!t->ended_ms)
            return false;
    for (size_t i = 0; (at = table_next(&w->db.attempts, &i));)
        if (at->log_state == LOG_OPEN)
            return false;
    return true;
}

static void check_task(struct world *w, const struct row_task *t)
{
    int64_t verdicts = 0;
    char id[16];

    id_short(&t->id, id);
    if (!task_is_terminal(t->state) || !t->ended_ms)
        world_fail(w, "task %s is still %s", id, task_state_name(t->state));
    for (int64_t n = 1; n <= t->attempt; n++) {
        struct uuid key = attempt_key(&t->id, n);
        const struct row_attempt *at = table_get(&w->db.attempts, &key);
        const struct sim_run *run = table_get(&w->runs, &key);
        bool is_spoilt = at && at->state == ATTEMPT_FAILED && at->cause && strcmp(at->cause, "infrastructure") == 0;
        if (!at) {
            world_fail(w, "attempt %s.%lld has no row", id, (long long)n);
            return;
        }
        if (!attempt_is_terminal(at->state) || at->log_state == LOG_OPEN)
            world_fail(w, "attempt %s.%lld is still %s", id, (long long)n, attempt_state_name(at->state));
        if (at->state == ATTEMPT_LOST && at->message && strcmp(at->message, "the agent came back without it") == 0 &&
            run && !run->was_lost)
            world_fail(w, "attempt %s.%lld was thrown away although its agent had it", id, (long long)n);
        if (at->state == ATTEMPT_LOST || at->state == ATTEMPT_REFUSED || is_spoilt)
            continue;
        verdicts++;
        if (!run)
            world_fail(w, "attempt %s.%lld has a result and never ran", id, (long long)n);
        if (strcmp(attempt_state_name(at->state), task_state_name(t->state)) != 0)
            world_fail(w, "task %s ended %s, its attempt %s", id, task_state_name(t->state), attempt_state_name(at->state));
    }
    if (verdicts > 1)
        world_fail(w, "task %s has %lld results", id, (long long)verdicts);
}

static void check_client(struct world *w, int i)
{
    const struct sim_client *c = &w->clients[i];
    char id[16];

    if (!c->is_answered)
        world_fail(w, "client %d never got an answer", i);
    if (c->is_kept && !table_get(&w->db.tasks, &c->answer))
        world_fail(w, "task %s was promised and is not there", id_short(&c->answer, id));
    for (int k = 0; k < i; k++) {
        const struct sim_client *o = &w->clients[k];
        if (w->skew_ms > CORE_KEY_MS / 2)   /* keys may have expired */
            return;
        if (!c->key || c->key != o->key || !c->is_kept || !o->is_kept)
            continue;
        if (c->body == o->body && uuid_cmp(&c->answer, &o->answer) != 0)
            world_fail(w, "clients %d and %d used one key for one request and got two tasks", k, i);
        if (c->body != o->body)
            world_fail(w, "clients %d and %d used one key for two requests", k, i);
    }
}

void check_end(struct world *w)
{
    const struct row_task *t;

    for (size_t i = 0; (t = table_next(&w->db.tasks, &i));)
        check_task(w, t);
    for (int i = 0; i < w->n_clients; i++)
        check_client(w, i);
    if (!check_is_over(w))
        world_fail(w, "the farm did not come to rest");
}
