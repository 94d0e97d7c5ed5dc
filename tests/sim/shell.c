/* shell.c - the simulated shell: batches, lost answers, crashes, leases, deadlines, seals.
 *
 * Messages leave after the commit of their batch. After every commit the core made from the rows must equal the live
 * one as it was when the batch was closed. */
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000 };
#define START_MS 1700000000000

static const char *const sinks[] = { "sink-1", "sink-2" };

static void batch_send(struct world *w);

/* A timer belongs to one life of the leader. */
static bool is_stale(const struct world *w, const struct packet *p)
{
    return !w->shell.core || p->number != w->shell.life;
}

/* --- seals: repeated until the sink has answered --------------------------------------------------------------- */

static void seal_send(struct world *w, const struct packet *p)
{
    struct uuid key = attempt_key(&p->task, p->attempt);

    if (is_stale(w, p) || !table_get(&w->shell.seals, &key))
        return;
    if (!world_chance(w, 10))
        world_in(w, 1 + (int64_t)world_random(w, 50), sink_receive, p);
    world_in(w, REPEAT_MS, seal_send, p);
}

static void seal_begin(struct world *w, const struct msg_log_seal *seal)
{
    struct packet p = { .type = MSG_LOG_SEAL, .task = seal->task_id, .attempt = seal->attempt, .number = w->shell.life,
                        .session = seal->has.bytes ? seal->bytes : -1 };
    struct uuid key = attempt_key(&seal->task_id, seal->attempt);

    table_put(&w->shell.seals, &key, w);
    seal_send(w, &p);
}

/* --- clocks ----------------------------------------------------------------------------------------------------- */

static void accept_out(struct world *w, const struct packet *p)
{
    struct input_clock clock = { p->task, p->attempt, p->session };

    if (!is_stale(w, p))
        shell_input(w, &(struct input){ INPUT_ACCEPT_OUT, w->now_ms, { 0 }, &clock });
}

static void accept_begin(struct world *w, const struct uuid *task, int64_t attempt, int64_t session)
{
    struct packet p = { .task = *task, .attempt = attempt, .session = session, .number = w->shell.life };

    world_in(w, ACCEPT_MS, accept_out, &p);
}

static void lease_tick(struct world *w, const struct packet *p)
{
    if (is_stale(w, p))
        return;
    for (int i = 0; i < w->n_agents; i++) {
        struct input_clock clock = { w->agents[i].id, 0, w->shell.session[i] };
        if (!clock.session || w->now_ms - w->shell.heard_ms[i] < LEASE_MS)
            continue;
        w->shell.session[i] = 0;
        world_trace(w, "lease of agent %d runs out", i);
        shell_input(w, &(struct input){ INPUT_LEASE_OUT, w->now_ms, { 0 }, &clock });
        if (is_stale(w, p))
            return;
    }
    world_in(w, 500, lease_tick, p);
}

void shell_heard(struct world *w, const struct packet *p)
{
    if (w->shell.session[p->agent] == p->session)
        w->shell.heard_ms[p->agent] = w->now_ms;
}

static void lease_begin(struct world *w, const struct uuid *agent_id, int64_t session)
{
    for (int i = 0; i < w->n_agents; i++) {
        if (uuid_cmp(&w->agents[i].id, agent_id) != 0)
            continue;
        w->shell.session[i] = session;
        w->shell.heard_ms[i] = w->now_ms;
    }
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

static void to_agent(struct world *w, const struct core_message *m)
{
    struct packet p = { .type = m->type, .agent = (int)m->to.peer - 1, .conn = m->to.conn };
    const struct msg_task_assign *assign = m->message;
    const struct msg_agent_welcome *welcome = m->message;
    const struct msg_task_ack *ack = m->message;
    const struct msg_task_stop *stop = m->message;

    if (m->type == MSG_TASK_ASSIGN) {
        p.task = assign->task_id;
        p.attempt = assign->attempt;
        p.session = assign->session;
        accept_begin(w, &p.task, p.attempt, p.session);
    } else if (m->type == MSG_AGENT_WELCOME) {
        p.session = welcome->session;
        lease_begin(w, &welcome->agent_id, welcome->session);
    } else if (m->type == MSG_TASK_ACK) {
        p.task = ack->task_id;
        p.attempt = ack->attempt;
        p.text = ack->fact;
    } else if (m->type == MSG_TASK_STOP) {
        p.task = stop->task_id;
        p.attempt = stop->attempt;
    }
    agent_receive(w, &p);
}

static void to_client(struct world *w, const struct core_message *m)
{
    const struct msg_task_submitted *yes = m->message;
    const struct msg_task_refused *no = m->message;
    struct packet p = { .type = m->type, .agent = (int)m->to.conn - 1 };

    if (m->type == MSG_TASK_SUBMITTED) {
        p.task = yes->request_id;
        p.other = yes->task_id;
    } else {
        p.task = no->request_id;
        p.text = strcmp(no->reason, "key_reused") == 0 ? "key_reused" : "no_agent";
    }
    if (!world_chance(w, 5))
        world_in(w, (int64_t)world_random(w, 30), client_receive, &p);
}

enum { CLIENT_PEER = 1000 };

static void release(struct world *w, struct effects *fx)
{
    for (size_t i = 0; i < fx->messages.n; i++) {
        const struct core_message *m = &fx->messages.v[i];
        if (m->sink)
            seal_begin(w, m->message);
        else if (m->to.peer == CLIENT_PEER)
            to_client(w, m);
        else
            to_agent(w, m);
    }
    fx->messages.n = 0;
}

/* --- batches --------------------------------------------------------------------------------------------------------- */

static void compare(struct world *w)
{
    struct core *rebuilt = db_load(w);
    struct buf text = { 0 };

    core_dump(rebuilt, &text);
    if (strcmp(text.data, w->shell.flight.dump.data) != 0) {
        world_trace(w, "live core:\n%s\nfrom the rows:\n%s", w->shell.flight.dump.data, text.data);
        world_fail(w, "after commit %d the core made from the rows differs from the live one", w->commits);
    }
    buf_fini(&text);
    core_free(&rebuilt);
}

static void batch_done(struct world *w)
{
    struct sim_shell *sh = &w->shell;

    sh->next_batch++;
    release(w, &sh->flight.fx);
    effects_fini(&sh->flight.fx);
    sh->flight.is_in_flight = false;
    if (sh->filling.messages.n || effects_have_rows(&sh->filling))
        batch_send(w);
}

static void lead(struct world *w, const struct packet *p);

static void crash(struct world *w)
{
    struct sim_shell *sh = &w->shell;

    world_trace(w, "the leader dies");
    w->crashes++;
    sh->life++;
    core_free(&sh->core);
    effects_fini(&sh->flight.fx);
    effects_fini(&sh->filling);
    sh->flight.is_in_flight = false;
    table_fini(&sh->seals);
    memset(sh->session, 0, sizeof sh->session);
    world_in(w, 100 + (int64_t)world_random(w, 5000), lead, NULL);
}

static void commit(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shell;
    bool may_resend = w->bug == BUG_BLIND_RESEND;

    if (is_stale(w, p))
        return;
    if (world_chance(w, 3)) {   /* dies before the commit */
        crash(w);
        return;
    }
    if (world_chance(w, 3)) {   /* the connection is lost before it: the row says so, the batch is sent again */
        world_trace(w, "batch %lld is lost", (long long)sh->flight.number);
        world_in(w, 200, commit, p);
        return;
    }
    if (db_commit(w, sh->epoch, sh->flight.number, &sh->flight.fx) < 0) {
        world_fail(w, "batch %lld was fenced off", (long long)sh->flight.number);
        return;
    }
    w->commits++;
    compare(w);
    if (world_chance(w, 3)) {
        crash(w);
        return;
    }
    if (world_chance(w, 3) && may_resend) {   /* the answer is lost: a shell must read the row before it sends again */
        sh->flight.number++;
        world_in(w, 200, commit, p);
        return;
    }
    batch_done(w);
}

static void batch_send(struct world *w)
{
    struct sim_shell *sh = &w->shell;
    struct packet p = { .number = sh->life };

    core_collect(sh->core, &sh->filling);
    sh->flight.fx = sh->filling;
    sh->filling = (struct effects){ 0 };
    sh->flight.number = sh->next_batch;
    sh->flight.is_in_flight = true;
    buf_reset(&sh->flight.dump);
    core_dump(sh->core, &sh->flight.dump);
    if (w->bug == BUG_EARLY_MESSAGES)
        release(w, &sh->flight.fx);
    world_in(w, 1 + (int64_t)world_random(w, world_chance(w, 5) ? 800 : 20), commit, &p);
}

void shell_input(struct world *w, const struct input *in)
{
    struct input late = *in;

    if (!w->shell.core)
        return;
    late.at_ms += START_MS + w->skew_ms;
    core_step(w->shell.core, &late, &w->shell.filling);
    if (!w->shell.flight.is_in_flight)
        batch_send(w);
}

/* --- leadership ---------------------------------------------------------------------------------------------------------- */

static void watch_agent(void *arg, const struct uuid *agent_id, int64_t session)
{
    lease_begin(arg, agent_id, session);
}
static void watch_assignment(void *arg, const struct uuid *task_id, int64_t attempt, int64_t session)
{
    accept_begin(arg, task_id, attempt, session);
}
static void watch_unsealed(void *arg, const char *sink, const struct msg_log_seal *seal)
{
    (void)sink;
    seal_begin(arg, seal);
}

static void lead(struct world *w, const struct packet *p)
{
    static const struct core_watch watch = { watch_agent, watch_assignment, watch_unsealed, NULL };
    struct sim_shell *sh = &w->shell;
    struct input_lead first;
    struct packet life = { .number = sh->life };

    (void)p;
    if (world_chance(w, 10))
        w->skew_ms += world_random(w, 2) ? 25 * HOUR_MS : (int64_t)world_random(w, 6 * MINUTE_MS) - 2 * MINUTE_MS;
    sh->epoch = ++w->db.epoch;
    sh->next_batch = w->db.batch = 0;
    sh->core = db_load(w);
    first = (struct input_lead){ sh->epoch, "sim", "0" };
    world_trace(w, "epoch %lld begins", (long long)sh->epoch);
    core_each(sh->core, &watch, w);
    shell_input(w, &(struct input){ INPUT_LEAD, w->now_ms, { 0 }, &first });
    world_in(w, 500, lease_tick, &life);
    agents_rehello(w);
}

void shell_start(struct world *w)
{
    w->shell.config = (struct core_config){ 3, LEASE_MS, LEASE_MS / 4, sinks, 1 + world_random(w, 2) };
    w->shell.life = 1;
    lead(w, NULL);
}

void shell_fini(struct world *w)
{
    core_free(&w->shell.core);
    effects_fini(&w->shell.flight.fx);
    effects_fini(&w->shell.filling);
    buf_fini(&w->shell.flight.dump);
    table_fini(&w->shell.seals);
}
