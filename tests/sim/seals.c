/* seals.c - what a shell asks of the sinks, and what it hears of them: log.seal until it is answered, and which sinks are
 * there. In the image of src/scheduler/seals.c and sinkwatch.c. */
#include <string.h>

#include "scheduler/presence.h"
#include "tests/sim/world.h"

enum { GRACE_MS = 6000 };

/* --- seals --------------------------------------------------------------------------------------------------------- */

static struct sim_seal *seal_of(const struct sim_shell *sh, const struct uuid *task, int64_t attempt)
{
    struct uuid key = attempt_key(task, attempt);

    return table_get(&sh->seals, &key);
}

/* The gap in the place of what was complete: --bug gap-wins. */
static void overwrite(struct world *w, const struct input_sealed *in)
{
    const struct row_attempt *before = db_attempt(w, &in->task_id, in->attempt);
    struct row_attempt now;

    if (w->bug != BUG_GAP_WINS || in->state != LOG_GAP || !before || !before->ended_ms)
        return;
    now = *before;
    now.log_state = LOG_GAP;
    check_log_change(w, before, &now);
}

struct answer {
    struct input_sealed in;
};

static void arrive(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    const struct answer *a = (const void *)p->frame;

    if (sh->life != p->life || !sh->core)
        return;
    if (shell_is_asleep(w, sh)) {
        world_in(w, sh->wakes_ms - w->now_ms, arrive, p);
        return;
    }
    overwrite(w, &a->in);
    shell_clock(w, sh, INPUT_SEALED, &a->in, sizeof a->in);
}

/* Late, twice, or not at all. */
static void say(struct world *w, const struct sim_shell *sh, const struct input_sealed *in)
{
    const struct answer a = { *in };
    struct packet p = { .shell = sh->index, .life = sh->life, .frame = arena_dup(&w->arena, &a, sizeof a) };

    if (world_chance(w, FAULT_LOSS, 15))
        return;
    world_in(w, world_ms(w, 1, world_chance(w, FAULT_REORDER, 10) ? 8000 : 500), arrive, &p);
    if (world_chance(w, FAULT_DUPLICATE, 10))
        world_in(w, world_ms(w, 1, 12000), arrive, &p);
}

static void seal_send(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    struct sim_seal *seal = seal_of(sh, &p->task, p->attempt);
    struct input_sealed in;

    if (sh->life != p->life || !seal || seal->id != p->number)
        return;
    world_in(w, REPEAT_MS, seal_send, p);
    if (shell_is_asleep(w, sh) || !sink_is_up(w, seal->sink) || world_chance(w, FAULT_LOSS, 10))
        return;
    seal->is_forced = seal->is_forced || w->now_ms - seal->first_ms >= GRACE_MS;
    if (sink_seal(w, seal->sink, seal, &in))
        say(w, sh, &in);
}

static bool is_same(const struct sim_seal *seal, int sink, const struct msg_log_seal *m)
{
    return seal->sink == sink && seal->message.has.chunks == m->has.chunks && seal->message.chunks == m->chunks &&
           seal->message.keep_ms == m->keep_ms;
}

void seal_begin(struct world *w, struct sim_shell *sh, const char *sink, const struct msg_log_seal *m)
{
    struct sim_seal *seal = seal_of(sh, &m->task_id, m->attempt);
    struct uuid key = attempt_key(&m->task_id, m->attempt);
    struct packet p = { .shell = sh->index, .life = sh->life, .task = m->task_id, .attempt = m->attempt };

    if (seal && is_same(seal, sink_by_name(w, sink), m))
        return;
    seal = arena_alloc(&w->arena, sizeof *seal);
    *seal = (struct sim_seal){ ++w->last_id, sink_by_name(w, sink), *m, w->now_ms, false };
    seal->message.project = NULL;
    seal->message.head = (struct msg_bytes){ 0 };
    table_put(&sh->seals, &key, seal);
    p.number = seal->id;
    seal_send(w, &p);
}

void seal_done(struct sim_shell *sh, const struct row_attempt *row)
{
    struct uuid key = attempt_key(&row->task_id, row->number);

    if (row->log_state != LOG_OPEN && !row->is_wanted)
        table_remove(&sh->seals, &key);
}

/* A sink is back: its agents could not send it anything either while it was away. */
static void grace_again(struct world *w, struct sim_shell *sh, int sink)
{
    struct sim_seal *seal;

    for (size_t at = 0; (seal = table_next(&sh->seals, &at));)
        if (seal->sink == sink) {
            seal->first_ms = w->now_ms;
            seal->is_forced = false;
        }
}

/* --- presence ------------------------------------------------------------------------------------------------------ */

static void look(struct world *w, struct sim_shell *sh, int sink)
{
    static const struct presence_limits limits = { 3500, 4000, 4000, 5000 };
    struct presence *p = &sh->sinks[sink];
    struct input_sink in = { .is_leaving = false };
    struct presence_news news;
    bool was_away = p->heard_ms + limits.absent_ms < (uint64_t)w->now_ms;

    if (sink_is_up(w, sink)) {
        p->heard_ms = (uint64_t)w->now_ms;
        p->is_full = sink_is_full(w, sink);
        if (was_away)
            grace_again(w, sh, sink);
    }
    if (!presence_look(p, &limits, (uint64_t)w->now_ms, &news))
        return;
    strcpy(in.name, w->sinks[sink].name);
    in.state = news.state;
    in.is_leaving = news.is_leaving;
    world_trace(w, "%s is %s%s", in.name, sink_state_name(in.state), in.is_leaving ? ", logs should leave" : "");
    shell_clock(w, sh, INPUT_SINK, &in, sizeof in);
}

void seals_tick(struct world *w, struct sim_shell *sh)
{
    int life = sh->life;

    for (int i = 0; i < (int)w->config.n_sinks && sh->life == life; i++)
        look(w, sh, i);
}
