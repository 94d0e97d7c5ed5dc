/* agents.c - agents come, go and are lost; the inventory of a hello decides all assignments of earlier sessions.
 *
 * ARCHITECTURE "When something dies". An agent is up while its lease has not run out (the shell keeps that clock);
 * it is connected while a session's route is known, which no row says: after a takeover everybody says hello. */
#include <string.h>

#include "scheduler/match.h"
#include "scheduler/core_impl.h"

static void refuse(struct step *s, struct route to, int64_t code, const char *reason)
{
    struct msg_agent_refused *m = step_message(s, MSG_AGENT_REFUSED, sizeof *m, to);

    m->epoch = s->core->epoch;
    m->code = code;
    m->reason = reason;
}

static void welcome(struct step *s, const struct agent *a)
{
    struct msg_agent_welcome *m = step_message(s, MSG_AGENT_WELCOME, sizeof *m, s->from);

    m->epoch = s->core->epoch;
    m->session = a->session;
    m->agent_id = a->id;
    m->lease_ms = s->core->config->lease_ms;
    m->heartbeat_ms = s->core->config->heartbeat_ms;
}

static struct agent *agent_new(struct core *core, const struct uuid *id)
{
    struct agent *a = mem_zalloc(sizeof *a);

    a->id = *id;
    a->is_new = true;
    table_put(&core->agents, id, a);
    return a;
}

void agent_labels(struct agent *a, struct msg_strs labels)
{
    struct arena scratch = { 0 };
    const char **sorted = arena_dup(&scratch, labels.v, labels.n * sizeof *sorted);
    size_t n = labels_sort(sorted, labels.n);

    mem_free(&a->texts);
    mem_free(&a->sorted);
    a->texts = spec_pack(&(struct spec){ .labels = labels }, NULL);
    a->sorted = spec_pack(&(struct spec){ .labels = { sorted, n } }, NULL);
    arena_fini(&scratch);
}

/* What the agent says it holds: accepted, if that was not known; told to stop, if it is not its to run. */
static void read_inventory(struct step *s, struct agent *a, const struct msg_agent_hello *m)
{
    for (size_t i = 0; i < m->held.n; i++) {
        const struct msg_held *held = &m->held.v[i];
        struct attempt *at = attempt_find(s->core, &held->task_id, held->attempt);
        bool is_running = strcmp(held->state, "accepted") == 0 || strcmp(held->state, "running") == 0;
        bool is_over = strcmp(held->state, "log") == 0;   /* its result was given up, and that was lost */

        if (at && at->agent == a)
            log_listed(s, at);
        if (at && at->agent == a && !attempt_is_terminal(at->state) && !is_over) {
            at->is_listed = true;
            if (!at->started_ms)
                attempt_accepted(s, at);
            if (at->state == ATTEMPT_STOPPING)
                attempt_halt_again(s, at);
        } else if (is_running) {
            attempt_forget(s, s->from, &held->task_id, held->attempt, "this attempt is not yours any more");
        }
    }
}

/* What it does not say: sent again if it was never accepted, else lost. */
static void settle_inventory(struct step *s, struct agent *a)
{
    struct attempt *at, *next;

    for (at = LIST_FIRST(&a->open); at; at = next) {
        next = LIST_NEXT(at, of_agent);
        if (at->is_listed) {
            at->is_listed = false;
        } else if (!at->started_ms && at->state == ATTEMPT_STOPPING) {
            attempt_end(s, at, &(struct ending){ STATE_CANCEL, "policy", NULL });
        } else if (!at->started_ms) {
            at->session = a->session;
            attempt_mark(s->core, at);
            attempt_send(s, at);
        } else {
            attempt_end(s, at, &(struct ending){ STATE_LOSE, "agent", "the agent came back without it" });
        }
    }
}

static void take_facts(struct step *s, struct agent *a, const struct msg_agent_hello *m)
{
    text_set(&a->name, m->name);
    text_set(&a->version, m->version);
    agent_labels(a, m->labels);
    a->instance = m->instance;
    a->slots = m->slots;
    a->hello = m->has.count ? m->count : 0;
    a->session = ++s->core->session;
    a->seen_ms = s->at_ms;
    s->core->agents_up += !a->is_up;
    a->is_up = true;
    agent_mark(s->core, a);
}

void step_hello(struct step *s, const void *message)
{
    const struct msg_agent_hello *m = message;
    struct agent *a = table_get(&s->core->agents, &m->agent_id);
    struct row_event *ev;

    if (a && a->is_up && uuid_cmp(&a->instance, &m->instance) != 0) {
        refuse(s, s->from, CORE_CLOSE_REPLACED, "another instance of this agent holds the lease");
        return;
    }
    if (a && a->is_up && m->has.count && m->count <= a->hello)
        return;   /* a newer one overtook it */
    if (!a)
        a = agent_new(s->core, &m->agent_id);
    if (a->route.peer && (a->route.peer != s->from.peer || a->route.conn != s->from.conn))
        refuse(s, a->route, CORE_CLOSE_REPLACED, "replaced by a newer connection of this agent");
    queue_agent_disconnect(s->core, a);
    take_facts(s, a, m);
    ev = step_event(s, "agent.up", NULL, NULL, a);
    event_data(s, ev, "name", a->name);
    event_data(s, ev, "session", arena_printf(&s->fx->arena, "%lld", (long long)a->session));
    queue_agent_offers(s->core, a);
    queue_agent_connect(s->core, a, s->from);
    welcome(s, a);
    read_inventory(s, a, m);
    settle_inventory(s, a);
}

void step_gone(struct step *s, const void *message)
{
    const struct input_clock *m = message;
    struct agent *a = table_get(&s->core->agents, &m->id);

    if (!a || a->session != m->session || !a->route.peer)
        return;
    queue_agent_disconnect(s->core, a);
    step_event(s, "agent.gone", NULL, NULL, a);
}

void step_lease_out(struct step *s, const void *message)
{
    const struct input_clock *m = message;
    struct agent *a = table_get(&s->core->agents, &m->id);

    if (!a || a->session != m->session || !a->is_up)
        return;
    if (a->route.peer)   /* it must say hello again to be given work */
        refuse(s, a->route, CORE_CLOSE_LEASE, "nothing was heard from this agent for a whole lease");
    queue_agent_disconnect(s->core, a);
    a->is_up = false;
    s->core->agents_up--;
    a->seen_ms = s->at_ms;
    agent_mark(s->core, a);
    event_data(s, step_event(s, "agent.lost", NULL, NULL, a), "name", a->name);
    while (!LIST_EMPTY(&a->open))
        attempt_end(s, LIST_FIRST(&a->open), &(struct ending){ STATE_LOSE, "agent", "the agent was lost" });
}
