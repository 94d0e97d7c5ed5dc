/* sinkwatch.c - the log sinks' clocks: who is heard, who says it is full; tells the core when that changes.
 *
 * Watched are the sinks of the configuration and those that the rows know. presence.c decides; the bus says when a sink
 * was heard (peers.c). Only a leader tells anything. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "scheduler/presence.h"
#include "scheduler/scheduler.h"

enum {
    ROUND_MS = 500,
    SLEPT_MS = 2000,         /* so late is a round only when the process was stopped */
    ABSENT_MS = 3500,        /* a sink pings every second: three are missing */
    GRACE_MS = 10000,        /* for those that were not heard since the leadership began */
    AGAIN_MS = 10000,
};

struct watched {
    char name[SINK_NAME_SIZE];
    struct presence p;
};

struct sinkwatch {
    struct scheduler *s;
    struct timer *timer;
    uint64_t due_ms;
    struct watched *v;
    size_t n;
};

static struct watched *find(struct sinkwatch *sw, const char *name)
{
    for (size_t i = 0; i < sw->n; i++)
        if (strcmp(sw->v[i].name, name) == 0)
            return &sw->v[i];
    return NULL;
}

static struct watched *watch(struct sinkwatch *sw, const char *name)
{
    struct watched *w = find(sw, name);

    if (w)
        return w;
    sw->v = mem_resize(sw->v, sw->n + 1, sizeof *sw->v);
    w = &sw->v[sw->n++];
    *w = (struct watched){ .p.has_row = false };
    snprintf(w->name, sizeof w->name, "%s", name);
    return w;
}

static void look(struct sinkwatch *sw, struct watched *w, uint64_t now)
{
    const struct presence_limits limits = { ABSENT_MS, GRACE_MS, (uint64_t)sw->s->settings->sink_lost_ms, AGAIN_MS };
    struct input_sink in = { .is_leaving = false };
    enum sink_state before = w->p.told;
    struct presence_news news;

    w->p.heard_ms = peers_sink_heard(sw->s->peers, w->name);
    if (!presence_look(&w->p, &limits, now, &news))
        return;
    if (news.state != before)
        log_info("log sink", log_str("name", w->name), log_str("is", sink_state_name(news.state)));
    memcpy(in.name, w->name, sizeof in.name);
    in.state = news.state;
    in.is_leaving = news.is_leaving;
    shell_own(sw->s->shell, INPUT_SINK, &in, sizeof in);
}

static void on_timer(void *arg)
{
    struct sinkwatch *sw = arg;
    uint64_t now = clock_boot_ms();
    bool slept = now > sw->due_ms + SLEPT_MS;

    for (size_t i = 0; i < sw->n; i++) {
        if (slept)
            presence_woke(&sw->v[i].p, now);
        if (shell_has_core(sw->s->shell))
            look(sw, &sw->v[i], now);
    }
    sw->due_ms = now + ROUND_MS;
    timer_in(sw->timer, ROUND_MS);
}

void sinkwatch_known(struct sinkwatch *sw, const char *name, enum sink_state state, bool has_row)
{
    presence_begin(&watch(sw, name)->p, state, has_row, clock_boot_ms());
}

void sinkwatch_told(struct sinkwatch *sw, const char *name, bool is_full)
{
    struct watched *w = find(sw, name);

    if (w)
        w->p.is_full = is_full;
}

struct sinkwatch *sinkwatch_open(struct scheduler *s)
{
    struct sinkwatch *sw = mem_zalloc(sizeof *sw);

    sw->s = s;
    for (size_t i = 0; i < s->config.n_sinks; i++)
        watch(sw, s->config.sinks[i]);
    sw->timer = loop_timer(s->loop, on_timer, sw);
    sw->due_ms = clock_boot_ms() + ROUND_MS;
    timer_in(sw->timer, ROUND_MS);
    return sw;
}

void sinkwatch_close(struct sinkwatch **sw)
{
    if (!*sw)
        return;
    timer_free(&(*sw)->timer);
    mem_free(&(*sw)->v);
    mem_free(sw);
}
