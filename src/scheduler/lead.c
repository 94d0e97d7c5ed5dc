/* lead.c - leadership: the lock, the leader row, taking over, resuming (ARCHITECTURE "Who may write").
 *
 *   DOWN -> SETUP -> WANTING (standby) -> CLAIMING -> LEADING             same epoch, nobody led meanwhile
 *                                                 \-> TAKING -> LOADING -> LEADING, and loading.c behind it
 *
 * The lock belongs to the session: whoever gets it after a lost connection knows that the old session is over, and
 * with it every transaction that was on its way. Then the leader row says whether the last batch is in. A leader keeps
 * the row moving; a standby that sees it stand still ends the session that has the lock (pulse.c). */
#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/service.h"
#include "scheduler/db.h"
#include "scheduler/pulse.h"
#include "scheduler/scheduler.h"

enum {
    TRY_MS = 500,
    SOON_MS = 50,            /* the holder's session was ended */
    AGAIN_MS = 5000,         /* something is wrong that somebody must mend */
    BEAT_MS = 800,
    BEAT_LATE_MS = 30000,    /* a beat unanswered for so long: the connection is none any more */
    DAY_MS = 24 * 60 * 60 * 1000,
    NUMBER_SIZE = 24,
};
#define LOCK_ID "7092371148112739"   /* any number, the same for all schedulers of a database */

enum phase { PHASE_DOWN, PHASE_SETUP, PHASE_WANTING, PHASE_CLAIMING, PHASE_TAKING, PHASE_LOADING, PHASE_LEADING };

struct lead {
    struct scheduler *s;
    struct loading *loading;
    enum phase phase;
    struct timer *timer;        /* WANTING: the next try */
    struct timer *beat;         /* while the epoch is ours */
    struct timer *daily;
    struct pulse pulse;         /* WANTING: of whoever leads */
    uint64_t beat_ms;           /* when the beat on its way was sent; 0: none is */
    int64_t epoch;              /* of the core that is being loaded */
    int64_t highest_epoch;      /* ever seen: a replica that was promoted may have lost some */
    int64_t pid;                /* of the session that claimed the row for the shell's core */
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
    loading_stop(l->loading);
    if (!shell_epoch(l->s->shell))
        return;
    log_warn("leadership lost", log_int("epoch", shell_epoch(l->s->shell)), log_str("reason", why));
    shell_end(l->s->shell);
    announce(l);
}

static void saw_epoch(struct lead *l, int64_t epoch)
{
    if (l->highest_epoch < epoch)
        l->highest_epoch = epoch;
}

/* Nobody can mend it but people: without a beat, so that another scheduler may try. */
static void stall(struct lead *l)
{
    timer_off(l->beat);
    timer_in(l->timer, AGAIN_MS);
}

/* --- the heartbeat ---------------------------------------------------------------------------------------------- */

static void on_beat(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    l->beat_ms = 0;
    if (r->lost)
        return;
    if (!r->ok) {   /* the server may have become a replica, for one */
        log_warn("the leader row cannot be moved", log_str("reason", r->error));
        pg_disconnect(l->s->pg);
    } else if (!r->rows) {
        lead_lost(l);
    }
}

static void beat(void *arg)
{
    struct lead *l = arg;
    char epoch[NUMBER_SIZE];

    timer_in(l->beat, BEAT_MS);
    if (l->beat_ms && clock_boot_ms() - l->beat_ms > BEAT_LATE_MS) {
        log_warn("the database does not answer", log_int("ms", (int64_t)(clock_boot_ms() - l->beat_ms)));
        pg_disconnect(l->s->pg);
    }
    if (l->beat_ms)
        return;
    l->beat_ms = clock_boot_ms();
    snprintf(epoch, sizeof epoch, "%lld", (long long)l->epoch);
    pg_call(l->s->pg, DB_LEADER_BEAT, (const char *const[]){ epoch }, 1, on_beat, l);
    pg_sync(l->s->pg, NULL, NULL);
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

void lead_failed(struct lead *l, const struct err *why)
{
    log_error("the state could not be loaded", log_err(why));
    step_down(l, "the state could not be loaded");
    l->phase = PHASE_LOADING;
    stall(l);
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
        lead_failed(l, why);
        return;
    }
    l->phase = PHASE_LEADING;
    n = core_count(core);
    log_info("leading", log_int("epoch", l->epoch), log_int("tasks", (int64_t)n.tasks),
             log_int("agents", (int64_t)n.agents_up), log_int("seq", n.seq));
    shell_begin(l->s->shell, l->epoch, core);
    announce(l);
    loading_begin(l->loading);
    service_ready(l->s->service);
}

static void load(struct lead *l, int64_t epoch)
{
    l->phase = PHASE_LOADING;
    l->epoch = epoch;
    loading_stop(l->loading);
    beat(l);
    db_load(l->s->pg, &l->s->config, epoch, on_loaded, l);
}

static void on_taken(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase != PHASE_TAKING || r->lost)
        return;
    if (!r->ok || !r->rows) {
        log_error("the leader row cannot be taken", log_str("reason", r->ok ? "it is not there" : r->error));
        stall(l);
        return;
    }
    l->epoch = pg_int(r, 0, 0);
    saw_epoch(l, l->epoch);
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
    char highest[NUMBER_SIZE];

    l->phase = PHASE_TAKING;
    l->epoch = 0;
    make_partitions(l);
    snprintf(highest, sizeof highest, "%lld", (long long)l->highest_epoch);
    pg_call(l->s->pg, DB_LEADER_TAKE, (const char *const[]){ l->s->settings->name, highest }, 2, on_taken, l);
    pg_sync(l->s->pg, on_taken_commit, l);
}

/* The same core goes on. */
static void resume(struct lead *l, int64_t epoch, bool is_committed)
{
    if (!shell_has_core(l->s->shell)) {   /* it was being made when the connection was lost */
        load(l, epoch);
        return;
    }
    log_info("leadership resumed", log_int("epoch", epoch), log_int("committed", is_committed));
    l->phase = PHASE_LEADING;
    l->epoch = epoch;
    beat(l);
    shell_resume(l->s->shell, is_committed);
    loading_go(l->loading);
}

/* The lock is ours. The row says whether anything happened since our last answer. */
static void on_claimed(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;
    struct shell *sh = l->s->shell;
    int64_t epoch, ahead, before;

    if (l->phase != PHASE_CLAIMING || !r->ok || !r->rows)
        return;
    epoch = pg_int(r, 0, 0);
    ahead = pg_int(r, 0, 1) - shell_batch(sh);
    before = l->pid;
    l->pid = pg_int(r, 0, 3);
    saw_epoch(l, epoch);
    if (shell_epoch(sh) && shell_epoch(sh) == epoch && pg_int(r, 0, 2) == before &&
        (ahead == 0 || (ahead == 1 && shell_is_in_flight(sh)))) {
        resume(l, epoch, ahead == 1);
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
        stall(l);
    }
}

/* --- wanting ---------------------------------------------------------------------------------------------------- */

static void on_deposed(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (!r->ok && !r->lost)
        log_error("the leader's session cannot be ended", log_str("reason", r->error));
    if (l->phase == PHASE_WANTING)
        timer_in(l->timer, r->ok ? SOON_MS : TRY_MS);
}

/* Its session ends, and with it the lock and whatever it was about to write. */
static void depose(struct lead *l, const struct pulse_look *look)
{
    char pid[NUMBER_SIZE], epoch[NUMBER_SIZE], batch[NUMBER_SIZE], at[NUMBER_SIZE];

    log_warn("the leader is silent: its database session is ended", log_int("epoch", look->epoch),
             log_int("backend", look->holder));
    snprintf(pid, sizeof pid, "%lld", (long long)look->holder);
    snprintf(epoch, sizeof epoch, "%lld", (long long)look->epoch);
    snprintf(batch, sizeof batch, "%lld", (long long)look->batch);
    snprintf(at, sizeof at, "%lld", (long long)look->at);
    pg_call(l->s->pg, DB_LEADER_DEPOSE, (const char *const[]){ LOCK_ID, pid, epoch, batch, at }, 5, NULL, NULL);
    pg_sync(l->s->pg, on_deposed, l);
}

static void stand_by(struct lead *l, const struct pulse_look *look)
{
    if (look->epoch != shell_epoch(l->s->shell))
        step_down(l, "another scheduler leads");
    if (!l->pulse.since_ms)
        log_info("standing by", log_int("epoch", look->epoch));
    service_ready(l->s->service);   /* a standby with a live database */
    if (pulse_is_lost(&l->pulse, look, clock_boot_ms()))
        depose(l, look);
    else
        timer_in(l->timer, TRY_MS);
}

static void on_tried(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase != PHASE_WANTING || r->lost)
        return;
    if (!r->ok || !r->rows) {
        log_error("the leader lock cannot be asked for", log_str("reason", r->ok ? "no leader row" : r->error));
        timer_in(l->timer, AGAIN_MS);
        return;
    }
    saw_epoch(l, pg_int(r, 0, 1));
    if (!pg_bool(r, 0, 0)) {
        const struct pulse_look look = { pg_int(r, 0, 1), pg_int(r, 0, 2), pg_int(r, 0, 3), pg_int(r, 0, 4),
                                         pg_bool(r, 0, 5) };
        stand_by(l, &look);
        return;
    }
    l->phase = PHASE_CLAIMING;
    pg_call(l->s->pg, DB_LEADER_CLAIM, NULL, 0, on_claimed, l);
    pg_sync(l->s->pg, on_claimed_commit, l);
}

static void try_lock(void *arg)
{
    struct lead *l = arg;

    if (l->phase == PHASE_DOWN)
        return;
    if (l->phase != PHASE_WANTING) {   /* something failed: begin again with a new session */
        pg_disconnect(l->s->pg);
        return;
    }
    pg_call(l->s->pg, DB_LEADER_TRY, (const char *const[]){ LOCK_ID }, 1, on_tried, l);
    pg_sync(l->s->pg, NULL, NULL);
}

static void on_setup(void *arg, const struct pg_result *r)
{
    struct lead *l = arg;

    if (l->phase != PHASE_SETUP || r->lost)
        return;
    if (!r->ok) {
        log_error("the database session cannot be set up", log_str("reason", r->error));
        stall(l);
        return;
    }
    if (pg_bool(r, 0, 0)) {
        log_error("this database is a read replica; name the primary in ORION_DATABASE_URL (several hosts and "
                  "target_session_attrs=read-write find it by themselves)");
        stall(l);
        return;
    }
    l->phase = PHASE_WANTING;
    pulse_clear(&l->pulse);
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
    l->beat_ms = 0;
    timer_off(l->timer);
    timer_off(l->beat);
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
    l->loading = loading_open(s);
    l->timer = loop_timer(s->loop, try_lock, l);
    l->beat = loop_timer(s->loop, beat, l);
    l->daily = loop_timer(s->loop, make_partitions, l);
    return l;
}

void lead_close(struct lead **l)
{
    if (!*l)
        return;
    loading_close(&(*l)->loading);
    timer_free(&(*l)->timer);
    timer_free(&(*l)->beat);
    timer_free(&(*l)->daily);
    mem_free(l);
}
