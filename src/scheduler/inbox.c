/* inbox.c - messages of the bus become inputs of the core, or renew a lease, which no row knows.
 *
 * The dispatcher has decoded and checked them, the sender included (main.c's table). */
#include "scheduler/inbox.h"

#include <stdio.h>
#include <string.h>

#include "lib/bus.h"
#include "scheduler/scheduler.h"

int handle_bus_hello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct scheduler *s = arg;

    (void)e;
    peers_hello(s->peers, from->peer, message);
    return 0;
}

int handle_bus_ping(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_bus_ping *m = message;
    const struct arrival *a = from->peer;
    struct scheduler *s = arg;

    (void)e;
    peers_pong(s->peers, a->peer, m->token);
    return 0;
}

/* --- inputs ---------------------------------------------------------------------------------------------------- */

static int input(struct scheduler *s, enum input_kind kind, const struct msg_from *from, const void *message)
{
    const struct arrival *a = from->peer;
    const struct shell_frame frame = { a->frame->data, a->frame->len };

    shell_message(s->shell, kind, (struct route){ a->peer, from->head.conn }, message, frame);
    return 0;
}

/* One function per message that is an input as it is. */
#define HANDLE_AS_INPUT(function, kind)                                                                                \
    int function(void *arg, const struct msg_from *from, const void *message, struct err *e)                           \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return input(arg, kind, from, message);                                                                        \
    }
HANDLE_AS_INPUT(handle_task_submit, INPUT_SUBMIT)
HANDLE_AS_INPUT(handle_task_cancel, INPUT_CANCEL)
HANDLE_AS_INPUT(handle_task_why, INPUT_WHY)
HANDLE_AS_INPUT(handle_agent_set, INPUT_AGENT_SET)
HANDLE_AS_INPUT(handle_project_set, INPUT_PROJECT_SET)
HANDLE_AS_INPUT(handle_group_set, INPUT_GROUP_SET)
HANDLE_AS_INPUT(handle_queue_set, INPUT_QUEUE_SET)

int handle_agent_hello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_agent_hello *m = message;

    if (m->major != MSG_MAJOR)
        return err_set(e, ERR_INVALID, "agent %s speaks protocol %lld", m->name, (long long)m->major);
    return input(arg, INPUT_HELLO, from, message);
}

/* Any word from an agent renews its lease. */
static int fact(struct scheduler *s, enum input_kind kind, const struct msg_from *from, const void *message,
                int64_t session)
{
    clocks_heard(s->clocks, session, ((const struct arrival *)from->peer)->peer);
    return input(s, kind, from, message);
}

int handle_task_accept(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    return fact(arg, INPUT_ACCEPT, from, message, ((const struct msg_task_accept *)message)->session);
}

int handle_task_decline(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    return fact(arg, INPUT_DECLINE, from, message, ((const struct msg_task_decline *)message)->session);
}

int handle_task_prepared(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    return fact(arg, INPUT_PREPARED, from, message, ((const struct msg_task_prepared *)message)->session);
}

int handle_task_result(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    return fact(arg, INPUT_RESULT, from, message, ((const struct msg_task_result *)message)->session);
}

int handle_log_moved(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)e;
    return fact(arg, INPUT_MOVED, from, message, ((const struct msg_log_moved *)message)->session);
}

/* --- log sinks -------------------------------------------------------------------------------------------------- */

static const char *sink_of(const struct scheduler *s, const struct msg_from *from)
{
    return peers_name(s->peers, ((const struct arrival *)from->peer)->peer);
}

/* Whose word it is decides what it is worth. It is said again if there is no time for it now. */
int handle_log_sealed(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_log_sealed *m = message;
    struct scheduler *s = arg;
    const char *sink = sink_of(s, from);
    struct input_sealed in = {
        .task_id = m->task_id, .attempt = m->attempt, .bytes = m->bytes, .lines = m->lines,
        .state = strcmp(m->state, "complete") == 0 ? LOG_COMPLETE : LOG_GAP,
    };

    (void)e;
    if (!sink || shell_is_full(s->shell))
        return 0;
    snprintf(in.sink, sizeof in.sink, "%s", sink);
    in.is_forced = seals_is_forced(s->seals, sink, &m->task_id, m->attempt);
    shell_own(s->shell, INPUT_SEALED, &in, sizeof in);
    return 0;
}

int handle_sink_state(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_sink_state *m = message;
    struct scheduler *s = arg;
    const char *sink = sink_of(s, from);

    (void)e;
    if (sink)
        sinkwatch_told(s->sinkwatch, sink, strcmp(m->state, "full") == 0);
    return 0;
}

/* --- sessions ---------------------------------------------------------------------------------------------------- */

int handle_agent_alive(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_agent_alive *m = message;
    const struct arrival *a = from->peer;
    struct scheduler *s = arg;

    (void)e;
    for (size_t i = 0; i < m->sessions.n; i++)
        clocks_heard(s->clocks, m->sessions.v[i], a->peer);
    return 0;
}

int handle_agent_gone(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_agent_gone *m = message;
    struct scheduler *s = arg;

    (void)from, (void)e;
    clocks_gone(s->clocks, m->session);
    return 0;
}
