/* relay.c - which message goes where: the handler tables of a gateway worker.
 *
 *   agent -> leader     hello, accept, decline, prepared, result, log.moved: under the connection's number
 *   agent -> sink       log.chunk, log.base: the frame as it came, with the connection's number written into its head
 *   leader -> agent     welcome, assign, ack, stop, log.move: as JSON
 *   sink -> agent       log.ack: as JSON, with the sink's name
 *   leader -> here      what requests wait for: submitted, refused, change.done, change.refused, task.reason
 *   sink -> here        log.data, asked for and live; log.items
 * What cannot be passed on is dropped: every sender repeats what matters until it is acknowledged. */
#include <string.h>

#include "gateway/chunk_list.h"
#include "gateway/follow.h"
#include "gateway/gateway.h"
#include "lib/log.h"
#include "proto/dispatch.h"

/* --- from schedulers and sinks --------------------------------------------------------------------------------- */

static int handle_task_submitted(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;
    const struct msg_task_submitted *m = message;

    (void)e;
    hop_answer(g->hops, from->head.type, &m->request_id, m);
    return 0;
}

static int handle_task_refused(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;
    const struct msg_task_refused *m = message;

    (void)from;
    (void)e;
    hop_refuse(g->hops, &m->request_id, m->reason, m->message);
    return 0;
}

static int handle_change_done(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;
    const struct msg_change_done *m = message;

    (void)e;
    hop_answer(g->hops, from->head.type, &m->request_id, m);
    return 0;
}

static int handle_change_refused(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;
    const struct msg_change_refused *m = message;

    (void)from;
    (void)e;
    hop_refuse(g->hops, &m->request_id, m->reason, m->message);
    return 0;
}

static int handle_task_reason(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;
    const struct msg_task_reason *m = message;

    (void)e;
    hop_answer(g->hops, from->head.type, &m->request_id, m);
    return 0;
}

static int handle_for_agent(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;

    (void)e;
    agents_deliver(g->agents, from->head.conn, from->head.type, message);
    return 0;
}

static int handle_agent_welcome(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;

    agents_welcomed(g->agents, from->head.conn, message);
    return handle_for_agent(arg, from, message, e);
}

static int handle_agent_refused(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;
    const struct msg_agent_refused *refused = message;

    (void)e;
    agents_refuse(g->agents, from->head.conn, refused->code, refused->reason);
    return 0;
}

static int handle_log_data(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;

    (void)from;
    (void)e;
    follow_data(g->follows, message);
    return 0;
}

static int handle_log_items(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct gateway *g = arg;

    (void)from;
    (void)e;
    chunk_lists_take(g->chunk_lists, message);
    return 0;
}

static const struct msg_handler scheduler_handlers[] = {
    { MSG_TASK_SUBMITTED, FROM_SCHEDULER, handle_task_submitted },
    { MSG_TASK_REFUSED, FROM_SCHEDULER, handle_task_refused },
    { MSG_CHANGE_DONE, FROM_SCHEDULER, handle_change_done },
    { MSG_CHANGE_REFUSED, FROM_SCHEDULER, handle_change_refused },
    { MSG_TASK_REASON, FROM_SCHEDULER, handle_task_reason },
    { MSG_AGENT_WELCOME, FROM_SCHEDULER, handle_agent_welcome },
    { MSG_AGENT_REFUSED, FROM_SCHEDULER, handle_agent_refused },
    { MSG_TASK_ASSIGN, FROM_SCHEDULER, handle_for_agent },
    { MSG_TASK_ACK, FROM_SCHEDULER, handle_for_agent },
    { MSG_TASK_STOP, FROM_SCHEDULER, handle_for_agent },
    { MSG_LOG_MOVE, FROM_SCHEDULER, handle_for_agent },
};

/* What comes on a sink's control socket: whose it is matters for acknowledgements only. */
struct sink_frame {
    struct gateway *g;
    const char *sink;
};

/* An agent whose log was moved has to know which sink it hears of. */
static int handle_sink_ack(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct sink_frame *f = arg;
    struct msg_log_ack ack = *(const struct msg_log_ack *)message;

    ack.sink = f->sink;
    return handle_for_agent(f->g, from, &ack, e);
}

static int handle_sink_data(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct sink_frame *f = arg;

    return handle_log_data(f->g, from, message, e);
}

static int handle_sink_items(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct sink_frame *f = arg;

    return handle_log_items(f->g, from, message, e);
}

static const struct msg_handler sink_handlers[] = {
    { MSG_LOG_ACK, FROM_LOGSINK, handle_sink_ack },
    { MSG_LOG_DATA, FROM_LOGSINK, handle_sink_data },
    { MSG_LOG_ITEMS, FROM_LOGSINK, handle_sink_items },
};

static const struct msg_handler live_handlers[] = {
    { MSG_LOG_DATA, FROM_LOGSINK, handle_log_data },
};

static void dispatch(void *arg, const struct msg_handler *table, size_t n, unsigned role, const uint8_t *data,
                     size_t len)
{
    struct err e = { 0 };

    if (msg_dispatch_bin(table, n, arg, role, NULL, data, len, &e) < 0)
        log_warn("message dropped", log_err(&e));
}

void relay_from_scheduler(struct gateway *g, const uint8_t *data, size_t len)
{
    dispatch(g, scheduler_handlers, ARRAY_LEN(scheduler_handlers), FROM_SCHEDULER, data, len);
}

void relay_from_sink(struct gateway *g, const char *sink, const uint8_t *data, size_t len)
{
    struct sink_frame f = { g, sink };

    dispatch(&f, sink_handlers, ARRAY_LEN(sink_handlers), FROM_LOGSINK, data, len);
}

void relay_live(struct gateway *g, const uint8_t *data, size_t len)
{
    dispatch(g, live_handlers, ARRAY_LEN(live_handlers), FROM_LOGSINK, data, len);
}

/* --- from agents ----------------------------------------------------------------------------------------------- */

struct agent_frame {
    struct gateway *g;
    uint64_t conn;
    const uint8_t *data;
    size_t len;
};

static int handle_agent_hello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct agent_frame *f = arg;

    (void)from;
    (void)e;
    agents_greeted(f->g->agents, f->conn, message);
    scheds_send(f->g->scheds, MSG_AGENT_HELLO, f->conn, message);
    return 0;
}

static int handle_agent_heartbeat(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)arg;   /* that a frame came at all was its meaning */
    (void)from;
    (void)message;
    (void)e;
    return 0;
}

static int handle_for_leader(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct agent_frame *f = arg;

    (void)e;
    scheds_send(f->g->scheds, from->head.type, f->conn, message);
    return 0;
}

/* The message was decoded to check all of it; what goes on is the frame itself. Bytes 16..23 of a head are `conn`,
 * little-endian (msg.h); an agent's own are 0. */
static int frame_to_sink(const struct agent_frame *f, const struct msg_from *from, const char *sink, struct err *e)
{
    if (from->head.conn != 0 || from->head.epoch != 0)
        return err_set(e, ERR_INVALID, "%s: conn and epoch are not an agent's to set", msg_wire_name(from->head.type));
    uint8_t *frame = mem_dup(f->data, f->len);
    for (size_t i = 0; i < 8; i++)
        frame[16 + i] = (uint8_t)(f->conn >> (8 * i));
    sinks_chunk(f->g->sinks, sink, frame, f->len);
    mem_free(&frame);
    return 0;
}

static int handle_log_chunk(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_log_chunk *chunk = message;

    return frame_to_sink(arg, from, chunk->sink, e);
}

static int handle_log_base(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_log_base *base = message;

    return frame_to_sink(arg, from, base->sink, e);
}

static const struct msg_handler agent_handlers[] = {
    { MSG_AGENT_HELLO, FROM_AGENT, handle_agent_hello },
    { MSG_AGENT_HEARTBEAT, FROM_AGENT, handle_agent_heartbeat },
    { MSG_TASK_ACCEPT, FROM_AGENT, handle_for_leader },
    { MSG_TASK_DECLINE, FROM_AGENT, handle_for_leader },
    { MSG_TASK_PREPARED, FROM_AGENT, handle_for_leader },
    { MSG_TASK_RESULT, FROM_AGENT, handle_for_leader },
    { MSG_LOG_MOVED, FROM_AGENT, handle_for_leader },
};

/* In binary frames: text would overtake the chunks, among which a base has its place. */
static const struct msg_handler log_handlers[] = {
    { MSG_LOG_CHUNK, FROM_AGENT, handle_log_chunk },
    { MSG_LOG_BASE, FROM_AGENT, handle_log_base },
};

/* Until it has said hello, an agent may say nothing else. */
static int check_greeting(struct agent_frame *f, bool is_binary, struct err *e)
{
    if (agents_has_greeted(f->g->agents, f->conn))
        return 0;
    enum msg_type type = is_binary ? MSG_LOG_CHUNK : msg_json_type((const char *)f->data, f->len, e);
    if (type == MSG_NONE)
        return -1;
    if (type != MSG_AGENT_HELLO)
        return err_set(e, ERR_DENIED, "say agent.hello first, not %s", msg_wire_name(type));
    return 0;
}

int relay_from_agent(struct gateway *g, uint64_t conn, bool is_binary, const uint8_t *data, size_t len, struct err *e)
{
    struct agent_frame f = { g, conn, data, len };

    if (check_greeting(&f, is_binary, e) < 0)
        return -1;
    if (is_binary)
        return msg_dispatch_bin(log_handlers, ARRAY_LEN(log_handlers), &f, FROM_AGENT, NULL, data, len, e);
    return msg_dispatch_json(agent_handlers, ARRAY_LEN(agent_handlers), &f, FROM_AGENT, NULL, (const char *)data, len,
                             e);
}
