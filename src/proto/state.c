/* state.c - state.def as tables: names of states, and the one way from a state to the next. Pure. */
#include "proto/state.h"

#include <stddef.h>
#include <string.h>

#include "lib/mem.h"

struct state {
    const char *name;
    bool is_terminal;
    const char *seed_word;
};
struct edge {
    int from, to;
    enum state_event event;
};

static const struct state task_states[] = {
#define TASK_STATE(e, name, terminal, seed) [TASK_##e] = { name, terminal, seed },
#include "proto/state.def"
};
static const struct state attempt_states[] = {
#define ATTEMPT_STATE(e, name, terminal) [ATTEMPT_##e] = { name, terminal, NULL },
#include "proto/state.def"
};
static const struct edge task_edges[] = {
#define TASK_EDGE(from, to, event) { TASK_##from, TASK_##to, STATE_##event },
#include "proto/state.def"
};
static const struct edge attempt_edges[] = {
#define ATTEMPT_EDGE(from, to, event) { ATTEMPT_##from, ATTEMPT_##to, STATE_##event },
#include "proto/state.def"
};
static const char *const event_names[] = {
#define STATE_EVENT(e, name) [STATE_##e] = name,
#include "proto/state.def"
};

static int edge_find(const struct edge *edges, size_t n, int from, enum state_event event)
{
    for (size_t i = 0; i < n; i++) {
        if (edges[i].from == from && edges[i].event == event)
            return edges[i].to;
    }
    return -1;
}

int task_next(enum task_state from, enum state_event event)
{
    return edge_find(task_edges, ARRAY_LEN(task_edges), (int)from, event);
}

int attempt_next(enum attempt_state from, enum state_event event)
{
    return edge_find(attempt_edges, ARRAY_LEN(attempt_edges), (int)from, event);
}

static int state_find(const struct state *states, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(states[i].name, name))
            return (int)i;
    }
    return -1;
}

int task_state_by_name(const char *name)
{
    return state_find(task_states, ARRAY_LEN(task_states), name);
}

int attempt_state_by_name(const char *name)
{
    return state_find(attempt_states, ARRAY_LEN(attempt_states), name);
}

const char *task_state_name(enum task_state s)
{
    return task_states[s].name;
}

const char *task_state_seed_word(enum task_state s)
{
    return task_states[s].seed_word;
}

bool task_is_terminal(enum task_state s)
{
    return task_states[s].is_terminal;
}

const char *attempt_state_name(enum attempt_state s)
{
    return attempt_states[s].name;
}

bool attempt_is_terminal(enum attempt_state s)
{
    return attempt_states[s].is_terminal;
}

const char *state_event_name(enum state_event e)
{
    return event_names[e];
}
