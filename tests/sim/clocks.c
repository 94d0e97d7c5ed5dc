/* clocks.c - leases, acceptance deadlines and the core's timers, by the steady clock; seals and sinks: seals.c.
 *
 * They stand still while the database is not there, and wait for a process that sleeps. */
#include <string.h>

#include "tests/sim/world.h"

enum { TICK_MS = 500, WAIT_MS = 300, SILENT_MS = 5000 };

/* Does this happening still belong to the core, and may it happen now? Else it is put off, or void. */
static struct sim_shell *shell_of(struct world *w, const struct packet *p, happen_fn *fn)
{
    struct sim_shell *sh = &w->shells[p->shell];

    if (sh->life != p->life || !sh->core)
        return NULL;
    if (shell_is_asleep(w, sh)) {
        world_in(w, sh->wakes_ms - w->now_ms, fn, p);
        return NULL;
    }
    if (sh->is_cut) {
        world_in(w, WAIT_MS, fn, p);
        return NULL;
    }
    return sh;
}

/* --- deadlines and timers ---------------------------------------------------------------------------------------- */

static void accept_out(struct world *w, const struct packet *p)
{
    const struct input_clock clock = { p->task, p->attempt, p->session };
    struct sim_shell *sh = shell_of(w, p, accept_out);

    if (sh)
        shell_clock(w, sh, INPUT_ACCEPT_OUT, &clock, sizeof clock);
}

static void accept_begin(struct world *w, struct sim_shell *sh, const struct input_clock *what)
{
    struct packet p = { .shell = sh->index, .life = sh->life, .task = what->id, .attempt = what->attempt,
                        .session = what->session };

    world_in(w, w->accept_ms, accept_out, &p);
}

static void timer_out(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    const struct core_timer timer = { (enum timer_kind)p->number, p->task, p->attempt, 0 };
    bool waits = timer.kind == TIMER_WALL || timer.kind == TIMER_STOP;

    if (sh->clocks != p->epoch || !shell_of(w, p, timer_out))
        return;
    if (waits && w->now_ms < sh->agents_first_ms)   /* what the agents have to say comes first */
        world_in(w, sh->agents_first_ms - w->now_ms, timer_out, p);
    else
        shell_clock(w, sh, INPUT_TIMER, &timer, sizeof timer);
}

void clocks_timer(struct world *w, struct sim_shell *sh, const struct core_timer *t)
{
    struct packet p = { .shell = sh->index, .life = sh->life, .epoch = sh->clocks, .task = t->task_id,
                        .attempt = t->attempt, .number = t->kind };

    world_in(w, t->in_ms > 0 ? t->in_ms : 0, timer_out, &p);
}

/* --- leases ------------------------------------------------------------------------------------------------------ */

/* A gateway that says nothing cannot tell that its agents are gone. */
static void lease_silent(struct world *w, struct sim_shell *sh, const struct sim_lease *l)
{
    if (l->session && l->to.peer && !l->is_gone && w->now_ms - sh->heard_ms[l->to.peer - 1] > SILENT_MS)
        clocks_gone(w, sh, l->session);
}

static void lease_tick(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = shell_of(w, p, lease_tick);

    for (int i = 0; sh && i < w->n_agents; i++) {
        struct sim_lease *l = &sh->leases[i];
        struct input_clock clock = { w->agents[i].id, 0, l->session };
        lease_silent(w, sh, l);
        if (sh->life != p->life)
            return;
        if (!l->session || l->is_out || w->now_ms - l->heard_ms < w->lease_ms)
            continue;
        l->is_out = true;
        world_trace(w, "the lease of agent %d runs out", i);
        shell_clock(w, sh, INPUT_LEASE_OUT, &clock, sizeof clock);
        if (sh->life != p->life)
            return;
    }
    if (sh)
        seals_tick(w, sh);
    if (sh && sh->life == p->life)
        world_in(w, TICK_MS, lease_tick, p);
}

static void lease_begin(struct world *w, struct sim_shell *sh, const struct uuid *agent, int64_t session,
                        struct route to)
{
    for (int i = 0; i < w->n_agents; i++)
        if (uuid_cmp(&w->agents[i].id, agent) == 0)
            sh->leases[i] = (struct sim_lease){ session, w->now_ms, to, false, false };
}

static struct sim_lease *lease_of(struct sim_shell *sh, int64_t session)
{
    for (size_t i = 0; i < AGENTS_MAX; i++)
        if (session && sh->leases[i].session == session)
            return &sh->leases[i];
    return NULL;
}

static void send_back(struct world *w, struct sim_shell *sh, struct route to)
{
    const struct msg_agent_refused no = { .epoch = sh->epoch, .code = CORE_CLOSE_LEASE, .reason = "say hello again" };
    const struct core_message m = { .type = MSG_AGENT_REFUSED, .to = to, .message = &no };

    net_down(w, sh, &m);
}

void clocks_heard(struct world *w, struct sim_shell *sh, const struct msg_agent_alive *m, uint64_t peer)
{
    for (size_t i = 0; i < m->sessions.n; i++) {
        struct sim_lease *l = lease_of(sh, m->sessions.v[i]);
        if (!l)
            continue;
        if (!l->is_out && !l->is_gone)
            l->heard_ms = w->now_ms;
        else if (l->to.peer == peer)
            send_back(w, sh, l->to);
    }
}

void clocks_gone(struct world *w, struct sim_shell *sh, int64_t session)
{
    struct sim_lease *l = lease_of(sh, session);
    struct input_clock clock = { .session = session };

    if (!l || l->is_gone)
        return;
    l->is_gone = true;
    clock.id = w->agents[l - sh->leases].id;
    shell_clock(w, sh, INPUT_GONE, &clock, sizeof clock);
}

void clocks_message(struct world *w, struct sim_shell *sh, const struct core_message *m)
{
    const struct msg_agent_welcome *welcome = m->message;
    const struct msg_task_assign *assign = m->message;

    if (m->type == MSG_AGENT_WELCOME)
        lease_begin(w, sh, &welcome->agent_id, welcome->session, m->to);
    else if (m->type == MSG_TASK_ASSIGN)
        accept_begin(w, sh, &(struct input_clock){ assign->task_id, assign->attempt, assign->session });
}

/* --- the core's life --------------------------------------------------------------------------------------------- */

struct watched {
    struct world *w;
    struct sim_shell *sh;
};

static void watch_agent(void *arg, const struct uuid *agent, int64_t session)
{
    const struct watched *on = arg;

    lease_begin(on->w, on->sh, agent, session, (struct route){ 0 });
}

static void watch_assignment(void *arg, const struct uuid *task, int64_t attempt, int64_t session)
{
    const struct watched *on = arg;

    accept_begin(on->w, on->sh, &(struct input_clock){ *task, attempt, session });
}

static void watch_timer(void *arg, const struct core_timer *t)
{
    const struct watched *on = arg;

    if (on->w->bug != BUG_FORGOTTEN_TIMERS)
        clocks_timer(on->w, on->sh, t);
}

static void watch_unsealed(void *arg, const char *sink, const struct msg_log_seal *seal)
{
    const struct watched *on = arg;

    seal_begin(on->w, on->sh, sink, seal);
}

static void watch_sink(void *arg, const char *name, enum sink_state state, bool has_row)
{
    const struct watched *on = arg;

    presence_begin(&on->sh->sinks[sink_by_name(on->w, name)], state, has_row, (uint64_t)on->w->now_ms);
}

static void watch_connection(void *arg, const struct uuid *agent, int64_t session, struct route to)
{
    const struct watched *on = arg;
    const struct attachment a = { *agent, session, to };

    journal_add(&on->sh->journal, (struct journal_entry){ .attached = arena_dup(&on->w->arena, &a, sizeof a) });
    core_attach(on->sh->core, agent, session, to);
    lease_begin(on->w, on->sh, agent, session, to);
}

void clocks_begin(struct world *w, struct sim_shell *sh)
{
    static const struct core_watch watch = { .agent = watch_agent, .assignment = watch_assignment, .timer = watch_timer,
                                             .unsealed = watch_unsealed, .sink = watch_sink };
    static const struct core_watch before = { .connection = watch_connection };
    struct packet p = { .shell = sh->index, .life = sh->life };
    struct watched on = { w, sh };

    memset(sh->leases, 0, sizeof sh->leases);
    for (int i = 0; i < GATEWAYS; i++)
        sh->heard_ms[i] = w->now_ms;
    sh->clocks++;
    core_each(sh->core, &watch, &on);
    if (sh->replaced)
        core_each(sh->replaced, &before, &on);
    core_free(&sh->replaced);
    clocks_go(w, sh);
    world_in(w, TICK_MS, lease_tick, &p);
}

void clocks_loaded(struct world *w, struct sim_shell *sh)
{
    static const struct core_watch watch = { .timer = watch_timer };
    struct watched on = { w, sh };

    sh->clocks++;
    core_each(sh->core, &watch, &on);
}

void clocks_go(struct world *w, struct sim_shell *sh)
{
    for (int i = 0; i < w->n_agents; i++)
        sh->leases[i].heard_ms = w->now_ms;
    sh->agents_first_ms = w->now_ms + w->accept_ms;
}
