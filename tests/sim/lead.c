/* lead.c - who leads: taking over from the dead, the stopped and the disconnected; the queue loaded behind the start.
 *
 * The database keeps one lock, which the leader's session holds: another scheduler takes it when that session is over,
 * or ends it when the leader has been silent for too long. The leader that sleeps through that learns it at its next
 * commit. */
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, PATIENCE_MS = 3000, BEAT_MS = 1000 };

static struct sim_shell *holder(struct world *w)
{
    for (int i = 0; i < SHELLS; i++)
        if (w->shells[i].state >= SHELL_LOADING && w->shells[i].epoch == w->db.epoch)
            return &w->shells[i];
    return NULL;
}

/* An idle leader moves the row, and sees when it is not its own any more. */
static void beat(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];

    world_in(w, BEAT_MS, beat, p);
    if (sh->state != SHELL_LEADING || shell_is_asleep(w, sh) || sh->is_cut || sh->epoch == w->db.epoch)
        return;
    world_trace(w, "scheduler %d learns that it was replaced", sh->index);
    shell_end(w, sh, SHELL_STANDBY);
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

static void load_behind(struct world *w, const struct packet *p);

static void load_later(struct world *w, const struct sim_shell *sh)
{
    struct packet p = { .shell = sh->index, .life = sh->life };

    world_in(w, 1 + (int64_t)world_random(w, world_chance(w, FAULT_DELAY, 10) ? 3000 : 200), load_behind, &p);
}

static void load_behind(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    const struct core_rows *rows;
    struct err e = { 0 };

    if (sh->life != p->life)
        return;
    if (shell_is_asleep(w, sh) || sh->is_cut) {
        load_later(w, sh);
        return;
    }
    if (w->db.epoch != sh->epoch) {   /* its session is over, and the page never comes */
        world_trace(w, "scheduler %d learns that it was replaced", sh->index);
        shell_end(w, sh, SHELL_STANDBY);
        return;
    }
    rows = db_rows(w, &w->arena, PAGE_MORE, &sh->page);
    if (!rows) {
        world_trace(w, "scheduler %d has everything", sh->index);
        clocks_loaded(w, sh);
        shell_loaded(w, sh, true);
        return;
    }
    if (core_load_more(sh->core, rows, &e) < 0)
        world_fail(w, "a page cannot be loaded: %s", e.text);
    journal_add(&sh->journal, (struct journal_entry){ .rows = rows });
    load_later(w, sh);
    shell_loaded(w, sh, false);
}

static void load(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    const struct core_rows *rows;
    struct input_lead first = { sh->epoch, "sim", "0" };
    struct err e = { 0 };

    if (sh->life != p->life)
        return;
    if (shell_is_asleep(w, sh)) {
        world_in(w, sh->wakes_ms - w->now_ms, load, p);
        return;
    }
    if (w->db.epoch != sh->epoch) {   /* the session was ended meanwhile */
        shell_end(w, sh, SHELL_STANDBY);
        return;
    }
    rows = db_rows(w, &w->arena, PAGE_FIRST, &sh->page);
    sh->core = core_new(&w->config);
    sh->is_whole = false;
    journal_fini(&sh->journal);
    journal_add(&sh->journal, (struct journal_entry){ .rows = rows });
    if (core_load(sh->core, rows, &e) < 0)
        world_fail(w, "the first rows cannot be loaded: %s", e.text);
    world_trace(w, "scheduler %d leads, epoch %lld, %zu tasks", sh->index, (long long)sh->epoch, rows->n_tasks);
    sh->state = SHELL_LEADING;
    world_trouble(w, w->now_ms);
    clocks_begin(w, sh);
    load_later(w, sh);
    if (sh->next_batch == 0) {   /* goes first, alone: nothing can leave it out */
        struct kept *k = shell_keep(w, INPUT_LEAD, (struct route){ 0 }, &first, sizeof first);
        k->at_ms = START_MS + w->now_ms + sh->skew_ms;
        journal_add(&sh->journal, (struct journal_entry){ .input = k });
        input_run(sh->core, k, &sh->filling);
    }
    shell_pump(w, sh);
}

void lead_rebuild(struct world *w, struct sim_shell *sh)
{
    struct packet p = { .shell = sh->index };

    shell_drop_core(w, sh);
    table_fini(&sh->seals);
    sh->state = SHELL_LOADING;
    world_trouble(w, w->now_ms);
    p.life = sh->life;
    world_in(w, world_ms(w, 10, 300), load, &p);
}

/* --- taking over ------------------------------------------------------------------------------------------------- */

static void clock_jump(struct world *w, struct sim_shell *sh)
{
    static const int64_t jumps[] = { 25 * HOUR_MS, 6 * HOUR_MS, -5 * HOUR_MS, 4 * MINUTE_MS, -4 * MINUTE_MS, -20000 };

    sh->skew_ms += jumps[world_random(w, ARRAY_LEN(jumps))];
    w->jump_ms = w->now_ms;
    world_trace(w, "the clock of scheduler %d jumps", sh->index);
}

static void take(struct world *w, int index)
{
    struct sim_shell *sh = &w->shells[index];
    struct packet p = { .shell = index };

    sh->epoch = ++w->db.epoch;
    sh->next_batch = w->db.batch = 0;
    sh->state = SHELL_LOADING;
    sh->life++;
    p.life = sh->life;
    w->counts.takeovers++;
    world_trouble(w, w->now_ms);
    if (world_chance(w, FAULT_CLOCK, 12))
        clock_jump(w, sh);
    world_trace(w, "scheduler %d takes epoch %lld", index, (long long)sh->epoch);
    world_in(w, world_ms(w, 20, 1500), load, &p);
}

static bool may_take(struct world *w, const struct sim_shell *leader)
{
    if (!leader)
        return world_random(w, 2);
    if (shell_is_asleep(w, leader))
        return w->now_ms - leader->slept_ms > PATIENCE_MS;
    return leader->is_cut && world_random(w, 6) == 0;
}

static void watch(struct world *w, const struct packet *p)
{
    struct sim_shell *leader = holder(w), *sh;

    world_in(w, world_ms(w, 200, 800), watch, p);
    sh = &w->shells[world_random(w, SHELLS)];
    if (sh != leader && sh->state == SHELL_STANDBY && !shell_is_asleep(w, sh) && may_take(w, leader))
        take(w, sh->index);
}

/* --- what happens to a leader ------------------------------------------------------------------------------------ */

static void restart(struct world *w, const struct packet *p)
{
    w->shells[p->shell].state = SHELL_STANDBY;
}

void lead_crash(struct world *w, struct sim_shell *sh)
{
    struct packet p = { .shell = sh->index };

    world_trace(w, "scheduler %d dies", sh->index);
    w->counts.crashes++;
    /* What it had sent may still be applied, as long as nobody has taken the lock. */
    if (sh->is_in_flight && !sh->is_applied && sh->epoch == w->db.epoch && world_random(w, 3) == 0)
        shell_apply(w, sh);
    shell_end(w, sh, SHELL_DOWN);
    sh->wakes_ms = 0;
    sh->process++;
    world_in(w, world_ms(w, 100, 4000), restart, &p);
}

/* The leader row says whether the batch is in. */
static void reconnect(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    int64_t ahead = w->db.batch - sh->next_batch;

    if (sh->life != p->life)
        return;
    if (shell_is_asleep(w, sh)) {
        world_in(w, sh->wakes_ms - w->now_ms, reconnect, p);
        return;
    }
    if (sh->epoch != w->db.epoch) {
        world_trace(w, "scheduler %d learns that it was replaced", sh->index);
        shell_end(w, sh, SHELL_STANDBY);
        return;
    }
    world_trace(w, "scheduler %d is back, %lld committed", sh->index, (long long)ahead);
    w->counts.resumed++;
    sh->is_cut = false;
    world_trouble(w, w->now_ms);
    clocks_go(w, sh);
    if (w->bug == BUG_BLIND_RESEND) {
        sh->next_batch = w->db.batch;
        sh->is_applied = false;
        ahead = 0;
    }
    if (!sh->is_in_flight)
        shell_pump(w, sh);
    else if (ahead == 1)
        shell_committed(w, sh);
    else
        shell_send(w, sh);
}

void lead_disconnected(struct world *w, struct sim_shell *sh)
{
    struct packet p = { .shell = sh->index, .life = sh->life };

    world_trace(w, "scheduler %d loses the database", sh->index);
    sh->is_cut = true;
    world_trouble(w, w->now_ms);
    world_in(w, world_ms(w, 50, world_random(w, 3) ? 500 : 5000), reconnect, &p);
}

void lead_sleep(struct world *w, struct sim_shell *sh)
{
    sh->slept_ms = w->now_ms;
    sh->wakes_ms = w->now_ms + world_ms(w, 100, world_random(w, 2) ? 2500 : 25000);
    world_trouble(w, sh->wakes_ms);
    world_trace(w, "scheduler %d sleeps for %lld ms", sh->index, (long long)(sh->wakes_ms - w->now_ms));
}

static void fate(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];

    if (world_is_kind(w))
        return;
    if (sh->state >= SHELL_LOADING && world_chance(w, FAULT_CRASH, 8))
        lead_crash(w, sh);
    else if (sh->state >= SHELL_LOADING && !shell_is_asleep(w, sh) && world_chance(w, FAULT_PAUSE, 10))
        lead_sleep(w, sh);
    else if (sh->state == SHELL_LEADING && !sh->is_cut && world_chance(w, FAULT_DATABASE, 6))
        lead_disconnected(w, sh);
    else if (world_chance(w, FAULT_CLOCK, 3))
        clock_jump(w, sh);
    world_in(w, world_ms(w, 500, 6000), fate, p);
}

void shells_start(struct world *w)
{
    struct packet none = { 0 };

    for (int i = 0; i < SHELLS; i++) {
        struct packet p = { .shell = i };
        w->shells[i].index = i;
        w->shells[i].state = SHELL_STANDBY;
        world_in(w, world_ms(w, 2000, 9000), fate, &p);
        world_in(w, world_ms(w, 0, BEAT_MS), beat, &p);
    }
    world_in(w, 1, watch, &none);
    take(w, 0);
}
