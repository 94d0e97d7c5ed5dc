/* clocks.c - leases, acceptance deadlines and the core's timers on CLOCK_BOOTTIME; tells the core what follows.
 *
 * Leases are renewed in memory only. All leases have one length and so have all deadlines: each kind is a list in the
 * order of running out; the core's timers are a heap (alarms.c). One timer of the loop looks at the heads. While
 * nobody can act on it, nothing runs out. */
#include <sys/queue.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/table.h"
#include "scheduler/alarms.h"
#include "scheduler/scheduler.h"

enum {
    ROUND_MAX = 1000,        /* timers for one turn of the loop */
    AGAIN_MS = 5,            /* the next look when the shell is full */
    SLEPT_MS = 2000,         /* so late is a timer only when the process was stopped */
};

struct lease {
    struct uuid agent_id;
    int64_t session;
    struct route to;                        /* as the core was told; peer 0: from the rows, no hello yet */
    uint64_t heard_ms;
    bool is_out, is_gone;                   /* the core knows: it ran out; its socket closed */
    TAILQ_ENTRY(lease) by_age;              /* unless it is out */
};
struct deadline {
    struct input_clock what;
    uint64_t since_ms;
    TAILQ_ENTRY(deadline) by_age;
};

struct clocks {
    struct scheduler *s;
    struct timer *timer;
    uint64_t due_ms;                        /* when the timer should ring */
    bool is_held;
    struct table by_session, by_agent;      /* the latest lease of every agent, those that ran out included */
    TAILQ_HEAD(, lease) leases;             /* longest silent first */
    TAILQ_HEAD(, deadline) deadlines;
    struct alarms alarms;
    uint64_t agents_first_ms;               /* until then a running attempt's time limits wait for its agent's word */
};

static void lease_end(struct clocks *c, struct lease *l)
{
    struct uuid key = table_key_number((uint64_t)l->session);

    table_remove(&c->by_session, &key);
    table_remove(&c->by_agent, &l->agent_id);
    if (!l->is_out)
        TAILQ_REMOVE(&c->leases, l, by_age);
    mem_free(&l);
}

/* The timer stands at the first thing that may run out; a renewed lease only makes it look once more. */
static void timer_set(struct clocks *c)
{
    const struct scheduler_settings *set = c->s->settings;
    const struct lease *l = TAILQ_FIRST(&c->leases);
    const struct deadline *d = TAILQ_FIRST(&c->deadlines);
    uint64_t now = clock_boot_ms(), at = alarms_next(&c->alarms);

    if (c->is_held)
        return;
    if (l && l->heard_ms + (uint64_t)set->lease_ms < at)
        at = l->heard_ms + (uint64_t)set->lease_ms;
    if (d && d->since_ms + (uint64_t)set->accept_ms < at)
        at = d->since_ms + (uint64_t)set->accept_ms;
    if (at == UINT64_MAX)
        return;
    c->due_ms = at > now ? at : now;
    timer_in(c->timer, c->due_ms - now);
}

/* After a pause the agents' words come first: an attempt may have ended in time, and nobody could hear it. */
static bool is_early(struct clocks *c, struct core_timer *timer, uint64_t now)
{
    if ((timer->kind != TIMER_WALL && timer->kind != TIMER_STOP) || now >= c->agents_first_ms)
        return false;
    timer->in_ms = (int64_t)(c->agents_first_ms - now);
    alarms_add(&c->alarms, timer, now);
    return true;
}

static void ring(struct clocks *c, uint64_t now)
{
    struct core_timer timer;

    for (int i = 0; i < ROUND_MAX && !c->is_held && !shell_is_full(c->s->shell); i++) {
        if (!alarms_take(&c->alarms, now, &timer))
            return;
        if (!is_early(c, &timer, now))
            shell_timer(c->s->shell, &timer);
    }
}

/* The shell is full: what is left comes later. */
static void timer_again(struct clocks *c, uint64_t now)
{
    c->due_ms = now + AGAIN_MS;
    timer_in(c->timer, AGAIN_MS);
}

static void on_timer(void *arg)
{
    struct clocks *c = arg;
    const struct scheduler_settings *set = c->s->settings;
    uint64_t now = clock_boot_ms();
    struct deadline *d;
    struct lease *l;

    if (now > c->due_ms + SLEPT_MS && !c->is_held) {   /* stopped: what was said meanwhile is not read yet */
        clocks_go(c);
        return;
    }
    while (!c->is_held && (l = TAILQ_FIRST(&c->leases)) && l->heard_ms + (uint64_t)set->lease_ms <= now) {
        struct input_clock out = { l->agent_id, 0, l->session };
        TAILQ_REMOVE(&c->leases, l, by_age);
        l->is_out = true;
        shell_clock(c->s->shell, INPUT_LEASE_OUT, &out);
    }
    while (!c->is_held && (d = TAILQ_FIRST(&c->deadlines)) && d->since_ms + (uint64_t)set->accept_ms <= now) {
        struct input_clock out = d->what;
        TAILQ_REMOVE(&c->deadlines, d, by_age);
        mem_free(&d);
        shell_clock(c->s->shell, INPUT_ACCEPT_OUT, &out);
    }
    ring(c, now);
    if (!c->is_held && shell_is_full(c->s->shell))
        timer_again(c, now);
    else
        timer_set(c);
}

struct clocks *clocks_open(struct scheduler *s)
{
    struct clocks *c = mem_zalloc(sizeof *c);

    c->s = s;
    c->is_held = true;
    c->timer = loop_timer(s->loop, on_timer, c);
    TAILQ_INIT(&c->leases);
    TAILQ_INIT(&c->deadlines);
    alarms_init(&c->alarms);
    return c;
}

void clocks_close(struct clocks **c)
{
    if (!*c)
        return;
    clocks_clear(*c);
    table_fini(&(*c)->by_session);
    table_fini(&(*c)->by_agent);
    timer_free(&(*c)->timer);
    mem_free(c);
}

void clocks_clear(struct clocks *c)
{
    struct deadline *d;
    struct lease *l;

    for (size_t at = 0; (l = table_next(&c->by_agent, &at)); at--)   /* removal moves others into that slot */
        lease_end(c, l);
    while ((d = TAILQ_FIRST(&c->deadlines))) {
        TAILQ_REMOVE(&c->deadlines, d, by_age);
        mem_free(&d);
    }
    alarms_clear(&c->alarms);
}

static struct lease *lease_of(const struct clocks *c, int64_t session)
{
    struct uuid key = table_key_number((uint64_t)session);

    return table_get(&c->by_session, &key);
}

void clocks_lease(struct clocks *c, const struct uuid *agent_id, int64_t session, struct route to)
{
    struct lease *l = table_get(&c->by_agent, agent_id);
    struct uuid key = table_key_number((uint64_t)session);

    if (l)
        lease_end(c, l);
    l = mem_zalloc(sizeof *l);
    l->agent_id = *agent_id;
    l->session = session;
    l->to = to;
    l->heard_ms = clock_boot_ms();
    table_put(&c->by_session, &key, l);
    table_put(&c->by_agent, agent_id, l);
    TAILQ_INSERT_TAIL(&c->leases, l, by_age);
    if (!timer_is_on(c->timer))
        timer_set(c);
}

/* An agent that the core thinks gone is there after all (its worker was asleep, its lease ran out): only a new hello
 * brings its inventory, so its socket is closed. */
static void send_back(struct clocks *c, const struct lease *l)
{
    const struct msg_agent_refused m = { .epoch = shell_epoch(c->s->shell), .code = CORE_CLOSE_LEASE,
                                         .reason = "this session is over: say hello again" };

    peers_send(c->s->peers, l->to, MSG_AGENT_REFUSED, &m);
}

void clocks_heard(struct clocks *c, int64_t session, uint64_t peer)
{
    struct lease *l = lease_of(c, session);

    if (!l)
        return;
    if (l->is_out || l->is_gone) {
        if (l->to.peer == peer)
            send_back(c, l);
        return;
    }
    l->heard_ms = clock_boot_ms();
    TAILQ_REMOVE(&c->leases, l, by_age);
    TAILQ_INSERT_TAIL(&c->leases, l, by_age);
}

void clocks_gone(struct clocks *c, int64_t session)
{
    struct lease *l = lease_of(c, session);
    struct input_clock out;

    if (!l || l->is_gone)
        return;
    l->is_gone = true;
    out = (struct input_clock){ l->agent_id, 0, session };
    shell_clock(c->s->shell, INPUT_GONE, &out);
}

void clocks_peer_gone(struct clocks *c, uint64_t peer)
{
    struct lease *l;

    TAILQ_FOREACH(l, &c->leases, by_age)
        if (l->to.peer == peer)
            clocks_gone(c, l->session);
}

void clocks_deadline(struct clocks *c, const struct uuid *task_id, int64_t attempt, int64_t session)
{
    struct deadline *d = mem_zalloc(sizeof *d);

    d->what = (struct input_clock){ *task_id, attempt, session };
    d->since_ms = clock_boot_ms();
    TAILQ_INSERT_TAIL(&c->deadlines, d, by_age);
    if (!timer_is_on(c->timer) || d == TAILQ_FIRST(&c->deadlines))
        timer_set(c);
}

void clocks_timer(struct clocks *c, const struct core_timer *timer)
{
    uint64_t first = alarms_next(&c->alarms);

    alarms_add(&c->alarms, timer, clock_boot_ms());
    if (!timer_is_on(c->timer) || alarms_next(&c->alarms) < first)
        timer_set(c);
}

void clocks_task_ended(struct clocks *c, const struct uuid *task_id)
{
    alarms_forget(&c->alarms, task_id);
}

void clocks_no_timers(struct clocks *c)
{
    alarms_clear(&c->alarms);
}

void clocks_hold(struct clocks *c)
{
    c->is_held = true;
    timer_off(c->timer);
}

void clocks_go(struct clocks *c)
{
    uint64_t now = clock_boot_ms();
    struct deadline *d;
    struct lease *l;

    TAILQ_FOREACH(l, &c->leases, by_age)
        l->heard_ms = now;
    TAILQ_FOREACH(d, &c->deadlines, by_age)
        d->since_ms = now;
    c->agents_first_ms = now + (uint64_t)c->s->settings->accept_ms;
    c->is_held = false;
    timer_set(c);
}
