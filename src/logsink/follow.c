/* follow.c - durable bytes to viewers' workers: live on XPUB, older ones by reads.
 *
 * Each subscription frame is answered by the durable end, so that a worker knows at once what it has to read. What a
 * slow subscriber misses it reads; nothing here waits for one. */
#include <string.h>

#include "lib/bus.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/logsink.h"
#include "logsink/range.h"
#include "logsink/store.h"

static void publish(struct sink *s, const struct log_key *key, const struct msg_log_data *m)
{
    const struct msg_head head = { .type = MSG_LOG_DATA };
    uint8_t topic[CHAIN_TOPIC_SIZE];
    chain_topic(&key->task, key->attempt, topic);
    buf_reset(&s->out);
    msg_to_bin(&head, m, MSG_MINOR, &s->out);
    (void)bus_publish(s->live, topic, sizeof(topic), s->out.data, s->out.len);
}

void follow_publish(struct sink *s, const struct attempt *a, const struct journal_record *r)
{
    const struct msg_log_data m = {
        .task_id = a->node.key.task, .attempt = a->node.key.attempt, .state = seal_state_name(a->in.seal.state),
        .offset = (int64_t)(r ? r->chunk.offset : a->in.durable.bytes), .durable = (int64_t)a->in.durable.bytes,
        .data = { r ? r->data : NULL, r ? r->chunk.length : 0 },
    };
    publish(s, &a->node.key, &m);
}

static void push_read(struct sink *s, const struct read *r)
{
    struct read *copy = mem_dup(r, sizeof(*r));
    copy->job.kind = JOB_READ;
    s->reads++;
    store_push(s->store, &copy->job);
}

/* Somebody looks: where does the log end? */
static void on_subscription(void *arg, const struct bus_frame *frame)
{
    struct sink *s = arg;
    struct read r = { .is_live = true };
    if (frame->topic_len != CHAIN_TOPIC_SIZE || frame->len != 1 || frame->data[0] != '1')
        return;
    memcpy(r.key.task.b, frame->topic, sizeof(r.key.task.b));
    for (size_t i = sizeof(r.key.task.b); i < CHAIN_TOPIC_SIZE; i++)
        r.key.attempt = r.key.attempt << 8 | frame->topic[i];
    const struct attempt *a = attempts_get(&s->attempts, &r.key);
    if (a && a->phase != ATTEMPT_LOADING)
        follow_publish(s, a, NULL);
    else if (s->reads < SINK_READS_MAX)
        push_read(s, &r);
}

int follow_open(struct sink *s, struct err *e)
{
    s->live = bus_bind(s->bus, BUS_XPUB, s->settings->live, SINK_QUEUE_MAX, on_subscription, s, e);
    return s->live ? 0 : -1;
}

void follow_read(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_read *m)
{
    const struct read r = {
        .key = { .task = m->task_id, .attempt = (uint32_t)m->attempt }, .offset = (uint64_t)m->offset,
        .limit = (uint64_t)m->limit, .peer = *peer, .conn = conn, .token = m->token,
    };
    if (s->reads < SINK_READS_MAX) {
        push_read(s, &r);
        return;
    }
    const struct msg_log_data busy = {
        .token = m->token, .task_id = m->task_id, .attempt = m->attempt, .state = "open", .offset = m->offset,
        .error = "the log sink has too many reads waiting; try again",
    };
    (void)control_send(s, peer, conn, MSG_LOG_DATA, &busy);
}

void follow_answer(struct sink *s, struct read *r)
{
    char error[257] = "";
    struct msg_log_data m = {
        .token = r->token, .task_id = r->key.task, .attempt = r->key.attempt,
        .state = r->is_absent ? "absent" : seal_state_name(r->state), .offset = (int64_t)r->offset,
        .durable = (int64_t)r->durable, .data = { (const uint8_t *)r->data.data, r->data.len },
    };
    s->reads--;
    if (r->why.kind != ERR_NONE) {
        memccpy(error, r->why.text, 0, sizeof(error) - 1);
        m.error = error;
        log_error("log cannot be read", log_err(&r->why));
    }
    if (r->is_live) {
        m.offset = m.durable;
        publish(s, &r->key, &m);
    } else {
        (void)control_send(s, &r->peer, r->conn, MSG_LOG_DATA, &m);
    }
    read_free(&r);
}
