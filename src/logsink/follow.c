/* follow.c - durable bytes to viewers' workers: live on XPUB, older ones by reads; and what is known of chunks.
 *
 * Each subscription frame is answered by the durable end, so that a worker knows at once what it has to read. What a
 * slow subscriber misses it reads; nothing here waits for one. What nobody has subscribed to is not published. */
#include <string.h>

#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/logsink.h"
#include "logsink/questions.h"
#include "logsink/range.h"
#include "logsink/store.h"

#define DAMAGE_TOLD_MS 1000   /* damage that viewers meet is logged at most so often */
#define ERROR_SIZE 257

struct topic {
    struct lru_node node;
    unsigned subscribers;
};

struct follow {
    struct bus_socket *live;
    struct lru topics;
    unsigned wide;             /* subscriptions to more than one log */
    struct questions questions;
    uint64_t told_ms;          /* damage was logged then */
};

/* --- live ------------------------------------------------------------------------------------------------- */

static void publish(struct sink *s, const struct log_key *key, const struct msg_log_data *m)
{
    const struct msg_head head = { .type = MSG_LOG_DATA };
    uint8_t topic[CHAIN_TOPIC_SIZE];
    if (s->follow->wide == 0 && !lru_get(&s->follow->topics, key))
        return;
    chain_topic(&key->task, key->attempt, topic);
    buf_reset(&s->out);
    msg_to_bin(&head, m, MSG_MINOR, &s->out);
    (void)bus_publish(s->follow->live, topic, sizeof(topic), s->out.data, s->out.len);
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

static void count_topic(struct follow *f, const struct log_key *key, bool is_new)
{
    struct topic *t = (struct topic *)lru_get(&f->topics, key);
    if (!t && is_new) {
        t = mem_zalloc(sizeof(*t));
        t->node.key = *key;
        lru_add(&f->topics, &t->node);
    }
    if (t)
        t->subscribers += is_new ? 1 : -1u;
    if (t && t->subscribers == 0) {
        lru_remove(&f->topics, &t->node);
        mem_free(&t);
    }
}

/* --- questions --------------------------------------------------------------------------------------------- */

static void push_questions(struct sink *s)
{
    for (struct read *r; (r = questions_next(&s->follow->questions));)
        store_push(s->store, &r->job);
}

static bool ask(struct sink *s, const struct read *r)
{
    struct read *copy = mem_dup(r, sizeof(*r));
    copy->job.kind = JOB_READ;
    if (!questions_add(&s->follow->questions, copy)) {
        read_free(&copy);
        return false;
    }
    push_questions(s);
    return true;
}

/* Somebody looks: where does the log end? */
static void on_subscription(void *arg, const struct bus_frame *frame)
{
    struct sink *s = arg;
    struct read r = { .what = READ_END };
    if (frame->len != 1)
        return;
    bool is_new = frame->data[0] == '1';
    if (frame->topic_len != CHAIN_TOPIC_SIZE) {
        if (is_new || s->follow->wide > 0)
            s->follow->wide += is_new ? 1 : -1u;
        return;
    }
    memcpy(r.key.task.b, frame->topic, sizeof(r.key.task.b));
    for (size_t i = sizeof(r.key.task.b); i < CHAIN_TOPIC_SIZE; i++)
        r.key.attempt = r.key.attempt << 8 | frame->topic[i];
    count_topic(s->follow, &r.key, is_new);
    if (!is_new)
        return;
    const struct attempt *a = attempts_get(&s->attempts, &r.key);
    if (a && a->phase != ATTEMPT_LOADING)
        follow_publish(s, a, NULL);
    else
        (void)ask(s, &r); /* when too many wait: its worker reads what it has to all the same */
}

static const char busy[] = "the log sink has too many reads waiting; try again";

void follow_read(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_read *m)
{
    const struct read r = {
        .key = { .task = m->task_id, .attempt = (uint32_t)m->attempt }, .what = READ_BYTES,
        .offset = (uint64_t)m->offset, .limit = (uint64_t)m->limit, .peer = *peer, .conn = conn, .token = m->token,
    };
    const struct msg_log_data refusal = {
        .token = m->token, .task_id = m->task_id, .attempt = m->attempt, .state = "open", .offset = m->offset,
        .error = busy,
    };
    if (!ask(s, &r))
        (void)control_send(s, peer, conn, MSG_LOG_DATA, &refusal);
}

void follow_list(struct sink *s, const struct bus_peer *peer, uint64_t conn, const struct msg_log_list *m)
{
    const struct read r = {
        .key = { .task = m->task_id, .attempt = (uint32_t)m->attempt }, .what = READ_CHUNKS,
        .offset = (uint64_t)(m->has.seq ? m->seq : m->has.offset ? m->offset : m->time_ns),
        .from = m->has.seq ? READ_FROM_SEQ : m->has.offset ? READ_FROM_OFFSET : READ_FROM_TIME,
        .limit = (uint64_t)m->limit, .peer = *peer, .conn = conn, .token = m->token,
    };
    const struct msg_log_items refusal = { .token = m->token, .task_id = m->task_id, .attempt = m->attempt,
                                           .state = "open", .error = busy };
    if (!ask(s, &r))
        (void)control_send(s, peer, conn, MSG_LOG_ITEMS, &refusal);
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static const char *state_name(const struct read *r)
{
    return r->is_absent ? "absent" : seal_state_name(r->state);
}

static void answer_bytes(struct sink *s, const struct read *r, const char *error)
{
    const struct msg_log_data m = {
        .token = r->token, .task_id = r->key.task, .attempt = r->key.attempt, .state = state_name(r),
        .offset = (int64_t)(r->what == READ_END ? r->durable : r->offset), .durable = (int64_t)r->durable,
        .data = { (const uint8_t *)r->data.data, r->data.len }, .error = error,
        .gap_to = (int64_t)r->gap_to, .has.gap_to = r->gap_to > 0,
    };
    if (r->what == READ_END)
        publish(s, &r->key, &m);
    else
        (void)control_send(s, &r->peer, r->conn, MSG_LOG_DATA, &m);
}

static void answer_chunks(struct sink *s, const struct read *r, const char *error)
{
    const struct chunk_record *records = (const struct chunk_record *)r->data.data;
    size_t n = r->data.len / sizeof(*records);
    struct msg_log_item *items = mem_array(n + 1, sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        const struct chain_chunk *c = &records[i].chunk;
        bool is_base = chunk_record_is_base(&records[i]);
        items[i] = (struct msg_log_item){
            .seq = (int64_t)c->seq, .offset = (int64_t)c->offset, .length = is_base ? 0 : c->length,
            .time_ns = is_base ? 0 : (int64_t)c->time_ns, .stream = c->stream, .flags = c->flags,
            .head = { records[i].head.b, records[i].is_head_cut ? 0 : sizeof(records[i].head.b) },
        };
    }
    const struct msg_log_items m = {
        .token = r->token, .task_id = r->key.task, .attempt = r->key.attempt, .state = state_name(r),
        .chunks = (int64_t)r->durable, .error = error, .items = { items, n },
    };
    (void)control_send(s, &r->peer, r->conn, MSG_LOG_ITEMS, &m);
    mem_free(&items);
}

static void tell_damage(struct sink *s, const struct read *r)
{
    char task[UUID_TEXT_SIZE];
    uint64_t now_ms = clock_boot_ms();
    if (s->follow->told_ms && now_ms - s->follow->told_ms < DAMAGE_TOLD_MS)
        return;
    s->follow->told_ms = now_ms;
    uuid_format(&r->key.task, task);
    log_error("log cannot be read", log_str("task", task), log_int("attempt", r->key.attempt),
              log_int("offset", (int64_t)r->offset), log_err(&r->why));
}

void follow_answer(struct sink *s, struct read *r)
{
    char error[ERROR_SIZE] = "";
    const char *said = NULL;
    if (r->why.kind != ERR_NONE) {
        memccpy(error, r->why.text, 0, sizeof(error) - 1);
        said = error;
    }
    if (r->is_damaged || (said && r->why.kind != ERR_NOT_FOUND))
        tell_damage(s, r);
    if (r->what == READ_CHUNKS)
        answer_chunks(s, r, said);
    else
        answer_bytes(s, r, said);
    read_free(&r);
    questions_answered(&s->follow->questions);
    push_questions(s);
}

/* --- life --------------------------------------------------------------------------------------------------- */

int follow_open(struct sink *s, struct err *e)
{
    s->follow = mem_zalloc(sizeof(*s->follow));
    lru_init(&s->follow->topics);
    s->follow->live = bus_bind(s->bus, BUS_XPUB, s->settings->live, SINK_QUEUE_MAX, on_subscription, s, e);
    return s->follow->live ? 0 : -1;
}

void follow_close(struct follow **f)
{
    if (!*f)
        return;
    if ((*f)->live)
        bus_close(&(*f)->live);
    while ((*f)->topics.oldest) {
        struct topic *t = (struct topic *)(*f)->topics.oldest;
        lru_remove(&(*f)->topics, &t->node);
        mem_free(&t);
    }
    lru_fini(&(*f)->topics);
    questions_fini(&(*f)->questions);
    mem_free(f);
}
