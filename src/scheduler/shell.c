/* shell.c - inputs into the core, batches into the database, messages out. The one file that knows this order:
 * nothing leaves the process before the commit that records it (ARCHITECTURE "Who may write").
 *
 * One batch is in flight, one is filling; what comes in one turn of the loop shares a batch, so that a lone input
 * waits for nobody. Inputs are kept until their batch is committed: a batch that SQL refuses is run again on a core
 * made from the rows, one input per transaction, and costs its one bad input (refusal.c). While the core has not all
 * tasks yet, inputs that need them are held until lead.c says shell_loaded; all others are served. */
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/service.h"
#include "scheduler/db.h"
#include "scheduler/scheduler.h"
#include "scheduler/shell_impl.h"

enum { WAITING_MAX = 10000, FULL = 1000, COMMIT_LATE_MS = 1000 };

/* --- inputs --------------------------------------------------------------------------------------------------- */

static struct kept *kept_new(enum input_kind kind, struct route from, const void *data, size_t len)
{
    struct kept *k = mem_alloc(sizeof *k + len);

    k->is_alone = k->is_recalled = false;
    k->kind = kind;
    k->from = from;
    k->at_ms = clock_wall_ms();
    k->len = len;
    memcpy(k->data, data, len);
    return k;
}

void kept_list_free(struct kept_list *list)
{
    struct kept *k;

    while ((k = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, k, order);
        mem_free(&k);
    }
}

static bool is_overloaded(const struct shell *sh)
{
    return sh->n_filling + sh->n_waiting >= WAITING_MAX ||
           (sh->since_ms && clock_boot_ms() - sh->since_ms > COMMIT_LATE_MS);
}

/* Nobody waits long for an answer to INPUT_WHY. */
static void hold(struct shell *sh, struct kept *k, const void *message)
{
    if (k->kind == INPUT_WHY || (!kept_is_own(k) && sh->n_held >= WAITING_MAX)) {
        shell_refuse(sh, k->kind, k->from, message, "overloaded");
        mem_free(&k);
        return;
    }
    TAILQ_INSERT_TAIL(&sh->held, k, order);
    sh->n_held++;
}

static void run(struct shell *sh, struct kept *k, const void *message)
{
    const struct input in = { k->kind, k->at_ms, k->from, message };

    if (core_needs_all(sh->core, &in)) {
        hold(sh, k, message);
        return;
    }
    if (!k->is_recalled && recall_is_needed(sh, &in)) {
        recall_add(sh, k);
        return;
    }
    TAILQ_INSERT_TAIL(&sh->filling_inputs, k, order);
    sh->n_filling++;
    core_step(sh->core, &in, &sh->filling);
}

bool kept_message(const struct kept *k, struct arena *arena, const void **message_r)
{
    struct msg_head head;
    void *message;

    *message_r = k->data;
    if (kept_is_own(k))
        return true;
    if (msg_from_bin(k->data, k->len, arena, &head, &message, NULL) < 0)
        return false;
    *message_r = message;
    return true;
}

void shell_run_kept(struct shell *sh, struct kept *k)
{
    struct arena arena = { 0 };
    const void *message;

    if (kept_message(k, &arena, &message))
        run(sh, k, message);
    arena_fini(&arena);
}

static void take(struct shell *sh, struct kept *k, const void *message)
{
    if (sh->core && !sh->n_waiting) {
        run(sh, k, message);
        return;
    }
    TAILQ_INSERT_TAIL(&sh->waiting, k, order);
    sh->n_waiting++;
}

void shell_message(struct shell *sh, enum input_kind kind, struct route from, const void *message, struct shell_frame frame)
{
    if (!sh->epoch || is_overloaded(sh))
        shell_refuse(sh, kind, from, message, sh->epoch ? "overloaded" : "not_leader");
    else
        take(sh, kept_new(kind, from, frame.data, frame.len), message);
}

void shell_own(struct shell *sh, enum input_kind kind, const void *data, size_t len)
{
    struct kept *k;

    if (!sh->epoch)
        return;
    k = kept_new(kind, (struct route){ 0 }, data, len);
    take(sh, k, k->data);
}

void shell_clock(struct shell *sh, enum input_kind kind, const struct input_clock *clock)
{
    shell_own(sh, kind, clock, sizeof *clock);
}

void shell_timer(struct shell *sh, const struct core_timer *timer)
{
    shell_own(sh, INPUT_TIMER, timer, sizeof *timer);
}

bool shell_is_full(const struct shell *sh)
{
    return sh->n_filling + sh->n_waiting >= FULL;
}

/* --- batches ---------------------------------------------------------------------------------------------------- */

static void release(struct shell *sh, const struct effects *fx)
{
    struct scheduler *s = sh->s;

    for (size_t i = 0; i < fx->messages.n; i++) {
        const struct core_message *m = &fx->messages.v[i];
        if (m->sink) {
            seals_add(s->seals, m->sink, m->message);
            continue;
        }
        if (m->type == MSG_AGENT_WELCOME) {
            const struct msg_agent_welcome *welcome = m->message;
            clocks_lease(s->clocks, &welcome->agent_id, welcome->session, m->to);
        } else if (m->type == MSG_TASK_ASSIGN) {
            const struct msg_task_assign *assign = m->message;
            clocks_deadline(s->clocks, &assign->task_id, assign->attempt, assign->session);
        }
        peers_send(s->peers, m->to, m->type, m->message);
    }
    for (size_t i = 0; i < fx->tasks.n; i++)
        if (fx->tasks.v[i].ended_ms)
            clocks_task_ended(s->clocks, &fx->tasks.v[i].id);
    for (size_t i = 0; i < fx->attempts.n; i++)
        if (fx->attempts.v[i].log_state != LOG_OPEN && !fx->attempts.v[i].is_wanted)
            seals_done(s->seals, &fx->attempts.v[i].task_id, fx->attempts.v[i].number);
    for (size_t i = 0; i < fx->timers.n; i++)
        clocks_timer(s->clocks, &fx->timers.v[i]);
}

static void batch_close(struct shell *sh);

/* The database gets its next batch first, and works while the messages leave. */
static void committed(struct shell *sh)
{
    struct effects done = sh->flight;

    sh->is_in_flight = sh->is_fenced = false;
    sh->since_ms = 0;
    sh->batch++;
    sh->flight = (struct effects){ 0 };
    kept_list_free(&sh->flight_inputs);
    if (effects_have_rows(&sh->filling) && !sh->n_waiting && !sh->is_paused)
        batch_close(sh);
    release(sh, &done);
    effects_fini(&done);
}

/* The server is unwell, or the transaction unlucky: the batch itself is not at fault. */
static bool is_passing(const char *sqlstate)
{
    static const char *const classes[] = { "08", "25", "40", "53", "55", "57", "58", "XX" };

    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

static void on_fence(void *arg, const struct pg_result *r)
{
    struct shell *sh = arg;

    if (!r->ok && !r->lost && strcmp(r->sqlstate, "22012") == 0)   /* division by zero: no row was ours */
        sh->is_fenced = true;
}

static void on_commit(void *arg, const struct pg_result *r)
{
    struct shell *sh = arg;

    if (!sh->is_in_flight || r->lost)   /* lost: the leader row will tell, when the connection is back */
        return;
    if (r->ok) {
        committed(sh);
    } else if (sh->is_fenced) {
        lead_lost(sh->s->lead);
    } else if (is_passing(r->sqlstate)) {
        log_warn("commit failed, will be tried again", log_str("sqlstate", r->sqlstate), log_str("error", r->error));
        pg_disconnect(sh->s->pg);
    } else {
        shell_refused(sh, r->sqlstate, r->error);
    }
}

static void flight_send(struct shell *sh)
{
    const struct db_batch b = { sh->epoch, sh->batch, sh->s->month, on_fence, on_commit, sh };

    sh->is_in_flight = true;
    sh->is_fenced = false;
    if (!sh->since_ms)
        sh->since_ms = clock_boot_ms();
    db_write(sh->s->pg, &sh->flight, &b);
}

static void batch_close(struct shell *sh)
{
    core_collect(sh->core, &sh->filling);
    sh->flight = sh->filling;
    sh->filling = (struct effects){ 0 };
    TAILQ_CONCAT(&sh->flight_inputs, &sh->filling_inputs, order);
    sh->n_filling = 0;
    if (effects_have_rows(&sh->flight)) {
        flight_send(sh);
        return;
    }
    release(sh, &sh->flight);   /* answers only: everything they say is committed */
    effects_fini(&sh->flight);
    kept_list_free(&sh->flight_inputs);
}

/* Before the loop sleeps: what came in this turn is one batch. */
static bool pump(void *arg)
{
    struct shell *sh = arg;
    bool is_alone = false;
    struct kept *k;

    if (!sh->core || sh->is_in_flight || sh->is_paused)
        return false;
    while (!is_alone && (k = TAILQ_FIRST(&sh->waiting)) && !(k->is_alone && sh->n_filling)) {
        TAILQ_REMOVE(&sh->waiting, k, order);
        sh->n_waiting--;
        is_alone = k->is_alone;
        shell_run_kept(sh, k);
    }
    if (sh->filling.messages.n || sh->n_filling || effects_have_rows(&sh->filling))
        batch_close(sh);
    return sh->n_waiting && !sh->is_in_flight;
}

/* --- leadership -------------------------------------------------------------------------------------------------- */

static void on_lease(void *arg, const struct uuid *agent_id, int64_t session)
{
    struct shell *sh = arg;

    clocks_lease(sh->s->clocks, agent_id, session, (struct route){ 0 });
}

static void on_assignment(void *arg, const struct uuid *task_id, int64_t attempt, int64_t session)
{
    struct shell *sh = arg;

    clocks_deadline(sh->s->clocks, task_id, attempt, session);
}

static void on_core_timer(void *arg, const struct core_timer *timer)
{
    struct shell *sh = arg;

    clocks_timer(sh->s->clocks, timer);
}

static void on_unsealed(void *arg, const char *sink, const struct msg_log_seal *seal)
{
    struct shell *sh = arg;

    seals_add(sh->s->seals, sink, seal);
}

static void on_sink(void *arg, const char *name, enum sink_state state, bool has_row)
{
    struct shell *sh = arg;

    sinkwatch_known(sh->s->sinkwatch, name, state, has_row);
}

static void on_connection(void *arg, const struct uuid *agent_id, int64_t session, struct route to)
{
    struct shell *sh = arg;

    core_attach(sh->core, agent_id, session, to);
    clocks_lease(sh->s->clocks, agent_id, session, to);
}

void shell_begin(struct shell *sh, int64_t epoch, struct core *core)
{
    static const struct core_watch watch = { .agent = on_lease, .assignment = on_assignment, .timer = on_core_timer,
                                             .unsealed = on_unsealed, .sink = on_sink };
    static const struct core_watch before = { .connection = on_connection };
    const struct input_lead lead = { epoch, sh->s->settings->name, service_version() };

    if (sh->epoch != epoch) {
        shell_end(sh);
        sh->epoch = epoch;
        sh->batch = 0;
    }
    sh->core = core;
    sh->is_paused = false;
    sh->since_ms = 0;
    clocks_clear(sh->s->clocks);
    seals_clear(sh->s->seals);
    core_each(core, &watch, sh);
    if (sh->replaced)
        core_each(sh->replaced, &before, sh);
    core_free(&sh->replaced);
    clocks_go(sh->s->clocks);
    if (sh->batch == 0)
        core_step(core, &(struct input){ INPUT_LEAD, clock_wall_ms(), { 0 }, &lead }, &sh->filling);
}

int shell_load_more(struct shell *sh, const struct core_rows *rows, struct err *e)
{
    const struct input_loaded more = { .is_all = false };

    if (!sh->core)
        return err_set(e, ERR_UNAVAILABLE, "the core is being made from the rows again");
    if (core_load_more(sh->core, rows, e) < 0)
        return -1;
    shell_own(sh, INPUT_LOADED, &more, sizeof more);
    return 0;
}

/* The core names all its timers again: those of the tasks that came later were not known to shell_begin. Its unsealed
 * logs were: and what ended since is sealed when that is committed, not before. */
void shell_loaded(struct shell *sh)
{
    static const struct core_watch watch = { .timer = on_core_timer };
    const struct input_loaded all = { .is_all = true };
    struct kept *k;

    if (!sh->core)
        return;
    clocks_no_timers(sh->s->clocks);
    core_each(sh->core, &watch, sh);
    k = kept_new(INPUT_LOADED, (struct route){ 0 }, &all, sizeof all);
    /* First of all: until it has run, whatever waits and needs all would be held again. */
    TAILQ_INSERT_HEAD(&sh->held, k, order);
    TAILQ_CONCAT(&sh->held, &sh->waiting, order);
    TAILQ_CONCAT(&sh->waiting, &sh->held, order);
    sh->n_waiting += sh->n_held + 1;
    sh->n_held = 0;
}

void shell_pause(struct shell *sh)
{
    sh->is_paused = true;
    if (sh->epoch && !sh->since_ms)
        sh->since_ms = clock_boot_ms();
}

void shell_resume(struct shell *sh, bool is_committed)
{
    sh->is_paused = false;
    clocks_go(sh->s->clocks);
    if (!sh->is_in_flight)
        sh->since_ms = 0;
    else if (is_committed)
        committed(sh);
    else
        flight_send(sh);
    recall_go(sh);
}

void shell_end(struct shell *sh)
{
    core_free(&sh->core);
    core_free(&sh->replaced);
    effects_fini(&sh->flight);
    effects_fini(&sh->filling);
    kept_list_free(&sh->flight_inputs);
    kept_list_free(&sh->filling_inputs);
    kept_list_free(&sh->waiting);
    kept_list_free(&sh->held);
    kept_list_free(&sh->recalling);
    recall_stop(sh);
    sh->n_filling = sh->n_waiting = sh->n_held = 0;
    sh->is_in_flight = false;
    sh->epoch = sh->batch = 0;
    sh->since_ms = 0;
    clocks_hold(sh->s->clocks);
    clocks_clear(sh->s->clocks);
    seals_clear(sh->s->seals);
}

bool shell_has_core(const struct shell *sh)
{
    return sh->core != NULL;
}

bool shell_is_in_flight(const struct shell *sh)
{
    return sh->is_in_flight;
}

int64_t shell_epoch(const struct shell *sh)
{
    return sh->epoch;
}

int64_t shell_batch(const struct shell *sh)
{
    return sh->batch;
}

struct shell *shell_open(struct scheduler *s)
{
    struct shell *sh = mem_zalloc(sizeof *sh);

    sh->s = s;
    sh->is_paused = true;
    TAILQ_INIT(&sh->flight_inputs);
    TAILQ_INIT(&sh->filling_inputs);
    TAILQ_INIT(&sh->waiting);
    TAILQ_INIT(&sh->held);
    TAILQ_INIT(&sh->recalling);
    sh->hook = loop_hook(s->loop, pump, sh);
    return sh;
}

void shell_close(struct shell **sh)
{
    if (!*sh)
        return;
    shell_end(*sh);
    hook_free(&(*sh)->hook);
    mem_free(sh);
}
