/* effects.c - the lists of rows and messages that a batch is made of. */
#include <string.h>

#include "lib/mem.h"
#include "scheduler/core_impl.h"

static void *list_room(void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    *cap = *cap ? *cap * 2 : 8;
    return mem_resize(v, *cap, size);
}

/* One function per list: a zeroed row at its end. */
#define EFFECTS_LIST(function, type, list)                                                                             \
    type *function(struct effects *fx)                                                                                 \
    {                                                                                                                  \
        fx->list.v = list_room(fx->list.v, fx->list.n, &fx->list.cap, sizeof *fx->list.v);                             \
        return memset(&fx->list.v[fx->list.n++], 0, sizeof *fx->list.v);                                               \
    }
EFFECTS_LIST(effects_task, struct row_task, tasks)
EFFECTS_LIST(effects_attempt, struct row_attempt, attempts)
EFFECTS_LIST(effects_agent, struct row_agent, agents)
EFFECTS_LIST(effects_project, struct row_project, projects)
EFFECTS_LIST(effects_group, struct row_group, groups)
EFFECTS_LIST(effects_queue, struct row_queue, queues)
EFFECTS_LIST(effects_key, struct row_key, keys)
EFFECTS_LIST(effects_old_key, struct row_key, old_keys)
EFFECTS_LIST(effects_sink, struct row_sink, sinks)
EFFECTS_LIST(effects_segment, struct row_segment, segments)
EFFECTS_LIST(effects_event, struct row_event, events)
EFFECTS_LIST(effects_message, struct core_message, messages)
EFFECTS_LIST(effects_timer, struct core_timer, timers)

bool effects_have_rows(const struct effects *fx)
{
    return fx->tasks.n || fx->attempts.n || fx->agents.n || fx->projects.n || fx->groups.n || fx->queues.n ||
           fx->keys.n || fx->old_keys.n || fx->sinks.n || fx->segments.n || fx->events.n;
}

void effects_fini(struct effects *fx)
{
    mem_free(&fx->tasks.v);
    mem_free(&fx->attempts.v);
    mem_free(&fx->agents.v);
    mem_free(&fx->projects.v);
    mem_free(&fx->groups.v);
    mem_free(&fx->queues.v);
    mem_free(&fx->keys.v);
    mem_free(&fx->old_keys.v);
    mem_free(&fx->sinks.v);
    mem_free(&fx->segments.v);
    mem_free(&fx->events.v);
    mem_free(&fx->messages.v);
    mem_free(&fx->timers.v);
    arena_fini(&fx->arena);
    *fx = (struct effects){ 0 };
}
