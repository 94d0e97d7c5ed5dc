/* sinks.c - the log sinks as the core knows them: up, full, down, lost; and which of them a log is given to.
 *
 * What the shell's clocks say of a sink is an input here. A task never waits for a log disk: when no sink is up, any
 * will do, and the log moves later. ARCHITECTURE "When something dies". */
#include <string.h>

#include "scheduler/core_impl.h"
#include "scheduler/match.h"

static const char *const names[SINK_STATES] = {
    [SINK_UP] = "up", [SINK_FULL] = "full", [SINK_DOWN] = "down", [SINK_LOST] = "lost",
};

const char *sink_state_name(enum sink_state state)
{
    return names[state];
}

struct sink *sink_get(struct core *core, const char *name)
{
    struct uuid place = table_key_text("sink", name);
    struct sink *k = table_get(&core->sinks, &place);

    if (k)
        return k;
    k = mem_zalloc(sizeof *k);
    k->place = place;
    k->name = mem_strdup(name);
    LIST_INIT(&k->logs);
    table_put(&core->sinks, &place, k);
    return k;
}

void sinks_init(struct core *core)
{
    size_t n = core->config->n_sinks;

    core->placeable = mem_array(n + 1, sizeof *core->placeable);
    for (size_t i = 0; i < n; i++)
        core->placeable[i] = sink_get(core, core->config->sinks[i]);
}

void sinks_fini(struct core *core)
{
    struct sink *k;

    for (size_t at = 0; (k = table_next(&core->sinks, &at));) {
        mem_free(&k->name);
        mem_free(&k);
    }
    table_fini(&core->sinks);
    mem_free(&core->placeable);
}

/* --- where to ------------------------------------------------------------------------------------------------------ */

static bool is_fit(const struct sink *k, const struct sink *from)
{
    return k != from && k->state == SINK_UP;
}

struct sink *sink_instead(const struct core *core, const struct uuid *task_id, int64_t attempt, const struct sink *from)
{
    size_t n = 0, nth;

    for (size_t i = 0; i < core->config->n_sinks; i++)
        n += is_fit(core->placeable[i], from);
    if (!n)
        return NULL;
    nth = match_sink(task_id, attempt, n);
    for (size_t i = 0;; i++)
        if (is_fit(core->placeable[i], from) && nth-- == 0)
            return core->placeable[i];
}

struct sink *sink_place(const struct core *core, const struct uuid *task_id, int64_t attempt)
{
    struct sink *k = sink_instead(core, task_id, attempt, NULL);

    return k ? k : core->placeable[match_sink(task_id, attempt, core->config->n_sinks)];
}

/* --- how they are -------------------------------------------------------------------------------------------------- */

static void sink_change(struct step *s, struct sink *k, enum sink_state state)
{
    static const char *const kinds[SINK_STATES] = {
        [SINK_UP] = "sink.up", [SINK_FULL] = "sink.full", [SINK_DOWN] = "sink.down", [SINK_LOST] = "sink.lost",
    };
    struct row_event *ev = step_event(s, kinds[state], NULL, NULL, NULL);

    event_data(s, ev, "name", k->name);
    event_data(s, ev, "was", k->since_ms ? names[k->state] : NULL);
    k->state = state;
    k->since_ms = s->at_ms;
    if (!k->is_dirty)
        TAILQ_INSERT_TAIL(&s->core->dirty_sinks, k, dirty);
    k->is_dirty = true;
}

/* Said again, it asks those that run only: an agent that has nothing of an ended log is not asked for ever. */
static void leave(struct step *s, struct sink *k, bool is_news)
{
    struct attempt *at;

    LIST_FOREACH(at, &k->logs, of_sink) {
        if (is_news && k->state == SINK_LOST)
            log_lose(s, at);
        if (is_news || k->state == SINK_FULL || !attempt_is_terminal(at->state))
            log_leave(s, at);
    }
}

void step_sink(struct step *s, const void *message)
{
    const struct input_sink *m = message;
    struct sink *k = sink_get(s->core, m->name);
    bool is_news = m->state != k->state || !k->since_ms;

    if (m->state == SINK_DOWN && k->state == SINK_LOST)   /* lost until it is seen again */
        return;
    if (is_news)
        sink_change(s, k, m->state);
    if (m->is_leaving || m->state == SINK_LOST)
        leave(s, k, is_news);
}
