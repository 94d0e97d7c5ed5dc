/* track.c - followed tasks: their states, from SQL.
 *
 * Given the ids that viewers look at, reads all of them with one query after each notification; notifications that
 * come while one runs, or too soon after it, share the next. A task whose logs are all sealed is not read again. */
#include "gateway/track.h"

#include <string.h>

#include "gateway/follow.h"
#include "gateway/gateway.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/table.h"

enum {
    PAUSE_MS = 20,           /* between two readings */
    TASKS_PER_MS = 8,        /* and longer when there is much to read */
};

struct track {
    struct tracks *all;
    TAILQ_ENTRY(track) entry;
    TAILQ_HEAD(, track_member) members;
    struct uuid id;
    struct arena arena;       /* of the state */
    struct log_state state;
    bool is_known, is_missing;
};

struct tracks {
    struct gateway *g;
    struct timer *timer;
    TAILQ_HEAD(, track) list;
    struct table by_id;
    bool is_asking;           /* a reading of all is on its way */
    bool is_stale;            /* and must be followed by another */
    uint64_t asked_ms;
};

/* What was asked, to know what was not found. */
struct question {
    struct tracks *all;
    bool is_of_all;
    size_t n;
    struct uuid ids[];
};

static bool attempt_is_final(const struct log_attempt *a)
{
    return attempt_is_terminal(a->state) && strcmp(a->log_state, "open") != 0;
}

static bool is_final(const struct track *t)
{
    if (!t->is_known || !task_is_terminal(t->state.state))
        return false;
    for (size_t i = 0; i < t->state.n_attempts; i++)
        if (!attempt_is_final(&t->state.attempts[i]))
            return false;
    return true;
}

static void tell(struct track *t)
{
    struct track_member *m;

    TAILQ_FOREACH(m, &t->members, entry)
        m->on_change(m->arg);
}

static void take_state(struct track *t, const struct log_state *fresh)
{
    struct arena arena = { 0 };

    if (t->is_known && log_state_equals(&t->state, fresh))
        return;
    log_state_copy(fresh, &arena, &t->state);
    arena_fini(&t->arena);
    t->arena = arena;
    t->is_known = true;
    t->is_missing = false;
    for (size_t i = 0; i < t->state.n_attempts; i++)
        follows_note(t->all->g->follows, &t->id, &t->state.attempts[i]);
    tell(t);
}

static void note_missing(struct tracks *ts, const struct question *q)
{
    for (size_t i = 0; i < q->n; i++) {
        struct track *t = table_get(&ts->by_id, &q->ids[i]);
        if (!t || t->is_known || t->is_missing)
            continue;
        t->is_missing = true;
        tell(t);
    }
}

static void on_states(void *arg, const struct log_state *states, size_t n)
{
    struct question *q = arg;
    struct tracks *ts = q->all;

    for (size_t i = 0; i < n; i++) {
        struct track *t = table_get(&ts->by_id, &states[i].id);
        if (t)
            take_state(t, &states[i]);
    }
    if (states)
        note_missing(ts, q);
    if (q->is_of_all) {
        ts->is_asking = false;
        if (ts->is_stale)
            tracks_refresh(ts);
    }
    mem_free(&q);
}

static struct question *question_new(struct tracks *ts, size_t max)
{
    struct question *q = mem_zalloc(sizeof(*q) + max * sizeof(q->ids[0]));

    q->all = ts;
    return q;
}

static void ask_all(struct tracks *ts)
{
    struct question *q = question_new(ts, ts->by_id.used);
    struct track *t;

    TAILQ_FOREACH(t, &ts->list, entry)
        if (!is_final(t))
            q->ids[q->n++] = t->id;
    ts->is_stale = false;
    if (q->n == 0 || !db_is_up(ts->g->db)) {
        mem_free(&q);
        return;
    }
    q->is_of_all = ts->is_asking = true;
    ts->asked_ms = clock_boot_ms();
    db_logs(ts->g->db, q->ids, q->n, on_states, q);
}

void tracks_refresh(struct tracks *ts)
{
    uint64_t since_ms = clock_boot_ms() - ts->asked_ms;
    uint64_t pause_ms = PAUSE_MS + ts->by_id.used / TASKS_PER_MS;

    ts->is_stale = true;
    if (ts->is_asking || timer_is_on(ts->timer))
        return;
    if (since_ms >= pause_ms)
        ask_all(ts);
    else
        timer_in(ts->timer, pause_ms - since_ms);
}

static void on_timer(void *arg)
{
    struct tracks *ts = arg;

    if (!ts->is_asking)
        ask_all(ts);
}

void track_join(struct tracks *ts, const struct uuid *id, struct track_member *m)
{
    struct track *t = table_get(&ts->by_id, id);

    if (!t) {
        t = mem_zalloc(sizeof(*t));
        t->all = ts;
        t->id = *id;
        TAILQ_INIT(&t->members);
        TAILQ_INSERT_TAIL(&ts->list, t, entry);
        table_put(&ts->by_id, id, t);
        struct question *q = question_new(ts, 1);
        q->ids[q->n++] = *id;
        db_logs(ts->g->db, q->ids, q->n, on_states, q);
    }
    m->track = t;
    TAILQ_INSERT_TAIL(&t->members, m, entry);
}

void track_leave(struct track_member *m)
{
    struct track *t = m->track;

    if (!t)
        return;
    TAILQ_REMOVE(&t->members, m, entry);
    m->track = NULL;
    if (!TAILQ_EMPTY(&t->members))
        return;
    TAILQ_REMOVE(&t->all->list, t, entry);
    table_remove(&t->all->by_id, &t->id);
    arena_fini(&t->arena);
    mem_free(&t);
}

const struct log_state *track_state(const struct track_member *m)
{
    return m->track && m->track->is_known ? &m->track->state : NULL;
}

bool track_is_missing(const struct track_member *m)
{
    return m->track && m->track->is_missing;
}

struct tracks *tracks_new(struct gateway *g)
{
    struct tracks *ts = mem_zalloc(sizeof(*ts));

    ts->g = g;
    TAILQ_INIT(&ts->list);
    ts->timer = loop_timer(g->loop, on_timer, ts);
    return ts;
}

/* All members have left by now. */
void tracks_free(struct tracks **tsp)
{
    if (!*tsp)
        return;
    table_fini(&(*tsp)->by_id);
    timer_free(&(*tsp)->timer);
    mem_free(tsp);
}
