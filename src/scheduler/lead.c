/* lead.c - leadership: the lock, the leader row, taking over, resuming (ARCHITECTURE "Who may write").
 *
 *   DOWN -> SETUP -> WANTING (standby) -> CLAIMING -> LEADING             same epoch, nobody led meanwhile
 *                                                 \-> TAKING -> LOADING -> LEADING
 *
 * The lock belongs to the session: whoever gets it after a lost connection knows that the old session is over, and
 * with it every transaction that was on its way. Then the leader row says whether the last batch is in. */

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/service.h"
#include "scheduler/db.h"
#include "scheduler/scheduler.h"

enum { TRY_MS = 500, AGAIN_MS = 5000, DAY_MS = 24 * 60 * 60 * 1000 };
#define LOCK_ID "7092371148112739"   /* any number, the same for all schedulers of a database */

enum phase { PHASE_DOWN, PHASE_SETUP, PHASE_WANTING, PHASE_CLAIMING, PHASE_TAKING, PHASE_LOADING, PHASE_LEADING };

struct lead {
    struct scheduler *s;
    enum phase phase;
    struct timer *timer;        /* WANTING: the next try */
    struct timer *daily;
    int64_t epoch;              /* of the core that is being loaded */
    int64_t told_epoch;         /* what the peers were told; 0: nobody leads */
};

/* Tells the peers who leads, if that is news. */
static void announce(struct lead *l)
{
    int64_t epoch = shell_epoch(l->s->shell);

    if (epoch == l->told_epoch)
        return;
    l->told_epoch = epoch;
    peers_announce(l->s->peers);
}

static void step_down(struct lead *l, const char *why)
{
    if (!shell_epoch(l->s->shell))
        return;
    log_warn("leadership lost", log_int("epoch", shell_epoch(l->s->shell)), log_str("reason", why));
    shell_end(l->s->shell);
    announce(l);
}

/* --- leading -------------------------------------------------------------------------------------------------- */

static void on_partitions(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (!r->ok && !r->lost)
        log_error("partitions could not be made", log_str("reason", r->error));
    timer_in(l->daily, DAY_MS);
}

static void make_partitions(void *arg)
{
    struct lead *l = arg;

    if (l->phase != PHASE_LEADING && l->phase != PHASE_TAKING)
        return;
    pg_call(l->s->pg, DB_MAKE_PARTITIONS, NULL, 0, NULL, NULL);
    pg_sync(l->s->pg, on_partitions, l);
}

static void on_loaded(void *arg, struct core *core, const struct err *why)
{
    struct lead *l = arg;
    struct core_counts n;

    if (l->phase != PHASE_LOADING) {
        core_free(&core);
        return;
    }
    if (!core) {
        log_error("the state could not be loaded", log_err(why));
        timer_in(l->timer, AGAIN_MS);
        return;
    }
    l->phase = PHASE_LEADING;
    n = core_count(core);
    log_info("leading", log_int("epoch", l->epoch), log_int("tasks", (int64_t)n.tasks), log_int("queued", (int64_t)n.queued),
             log_int("agents", (int64_t)n.agents_up), log_int("seq", n.seq));
    shell_begin(l->s->shell, l->epoch, core);
    announce(l);
    service_ready(l->s->service);
}

static void load(struct lead *l, int64_t epoch)
{
    l->phase = PHASE_LOADING;
    l->epoch = epoch;
    db_load(l->s->pg, &l->s->config, epoch, on_loaded, l);
}

static void on_taken(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase != PHASE_TAKING || r->lost)
        return;
    if (!r->ok || !r->rows) {
        log_error("the leader row cannot be taken", log_str("reason", r->ok ? "it is not there" : r->error));
        timer_in(l->timer, AGAIN_MS);
        return;
    }
    l->epoch = pg_int(r, 0, 0);
}

/* The epoch counts only when it is committed. */
static void on_taken_commit(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase == PHASE_TAKING && r->ok && l->epoch)
        load(l, l->epoch);
}

static void take(struct lead *l)
{
    l->phase = PHASE_TAKING;
    l->epoch = 0;
    make_partitions(l);
    pg_call(l->s->pg, DB_LEADER_TAKE, (const char *const[]){ l->s->settings->name }, 1, on_taken, l);
    pg_sync(l->s->pg, on_taken_commit, l);
}

/* The lock is ours. The row says whether anything happened since our last answer. */
static void on_claimed(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;
    struct shell *sh = l->s->shell;
    int64_t epoch, ahead;

    if (l->phase != PHASE_CLAIMING || !r->ok || !r->rows)
        return;
    epoch = pg_int(r, 0, 0);
    ahead = pg_int(r, 0, 1) - shell_batch(sh);
    if (shell_epoch(sh) && shell_epoch(sh) == epoch && (ahead == 0 || (ahead == 1 && shell_is_in_flight(sh)))) {
        if (!shell_has_core(sh)) {   /* it was being made when the connection was lost */
            load(l, epoch);
            return;
        }
        log_info("leadership resumed", log_int("epoch", epoch), log_int("committed", ahead));
        l->phase = PHASE_LEADING;
        shell_resume(sh, ahead == 1);
        return;
    }
    step_down(l, "the leader row has moved on");
    take(l);
}

static void on_claimed_commit(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase == PHASE_CLAIMING && !r->ok && !r->lost) {
        log_error("the leader row cannot be read", log_str("reason", r->error));
        timer_in(l->timer, AGAIN_MS);
    }
}

/* --- wanting ---------------------------------------------------------------------------------------------------- */

static void on_tried(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase != PHASE_WANTING || r->lost)
        return;
    if (r->ok && r->rows && pg_bool(r, 0, 0)) {
        l->phase = PHASE_CLAIMING;
        pg_call(l->s->pg, DB_LEADER_CLAIM, NULL, 0, on_claimed, l);
        pg_sync(l->s->pg, on_claimed_commit, l);
        return;
    }
    if (!r->ok)
        log_error("the leader lock cannot be asked for", log_str("reason", r->error));
    else if (r->rows && pg_int(r, 0, 1) != shell_epoch(l->s->shell))
        step_down(l, "another scheduler leads");
    if (r->ok)
        service_ready(l->s->service);   /* a standby with a live database */
    timer_in(l->timer, r->ok ? TRY_MS : AGAIN_MS);
}

static void try_lock(void *arg)
{
    struct lead *l = arg;

    if (l->phase == PHASE_DOWN)
        return;
    if (l->phase != PHASE_WANTING) {   /* something failed after the lock: begin again with a new session */
        pg_disconnect(l->s->pg);
        return;
    }
    pg_call(l->s->pg, DB_LEADER_TRY, (const char *const[]){ LOCK_ID }, 1, on_tried, l);
    pg_sync(l->s->pg, NULL, NULL);
}

static void on_setup(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase != PHASE_SETUP || !r->ok)
        return;
    if (pg_bool(r, 0, 0)) {
        log_error("this database is a read replica; name the primary in ORION_DATABASE_URL (several hosts and "
                  "target_session_attrs=read-write find it by themselves)");
        timer_in(l->timer, AGAIN_MS);
        return;
    }
    l->phase = PHASE_WANTING;
    try_lock(l);
}

void lead_up(struct lead *l)
{
    l->phase = PHASE_SETUP;
    pg_call(l->s->pg, DB_SESSION_SETUP, NULL, 0, on_setup, l);
    pg_sync(l->s->pg, NULL, NULL);
}

void lead_down(struct lead *l)
{
    l->phase = PHASE_DOWN;
    timer_off(l->timer);
    timer_off(l->daily);
    clocks_hold(l->s->clocks);
    shell_pause(l->s->shell);
}

void lead_lost(struct lead *l)
{
    step_down(l, "the leader row is not ours any more");
    pg_disconnect(l->s->pg);   /* gives the lock back */
}

void lead_rebuild(struct lead *l)
{
    load(l, shell_epoch(l->s->shell));
}

struct lead *lead_open(struct scheduler *s)
{
    struct lead *l = mem_zalloc(sizeof *l);

    l->s = s;
    l->timer = loop_timer(s->loop, try_lock, l);
    l->daily = loop_timer(s->loop, make_partitions, l);
    return l;
}

void lead_close(struct lead **l)
{
    if (!*l)
        return;
    timer_free(&(*l)->timer);
    timer_free(&(*l)->daily);
    mem_free(l);
}
