/* logsink_kill.c - a log sink that is killed again and again while logs stream into it loses and doubles nothing. TAP.
 *
 * Agents send chunks and send again from the last acknowledgement; a follower puts each log together from live bytes
 * and reads; the sink gets kill -9 at random moments; in the end a scheduler seals. Checked: no acknowledgement is ever
 * taken back, what the follower saw is what was written, N.log is equal byte for byte, each log is sealed as it
 * should be. ORION_SEED makes the moments repeat, ORION_KILLS says how many. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "proto/chain.h"
#include "tests/faults/logsink_rig.h"

enum {
    AGENTS = 8,
    LOG_BYTES = 4 * 1024 * 1024,
    WINDOW = 256 * 1024,         /* bytes not acknowledged */
    LIFE_MS = 60,                /* at most, from the moment in which the sink serves to its kill */
    SILENCE_MS = 1000,           /* without progress: send again */
    LIMIT_MS = 120000,
};

/* How each agent's log ends. */
enum ending { END_COMPLETE, END_LOST, END_FORCED, END_EMPTY };
static const enum ending endings[AGENTS] = { END_COMPLETE, END_COMPLETE, END_COMPLETE, END_COMPLETE,
                                             END_COMPLETE, END_LOST, END_FORCED, END_EMPTY };

struct made_chunk {
    struct chain_chunk c;
    struct hash head;
};

struct agent {
    struct test *test;
    struct uuid task;
    enum ending ending;
    uint8_t *bytes;
    struct made_chunk *chunks;
    uint64_t n;                  /* chunks in all */
    uint64_t sendable;           /* the agent dies behind this one: lost and forced logs */
    uint64_t sent, acked;        /* chunks */
    uint64_t acked_bytes;
    uint64_t moved_ms;           /* last progress */
    char state[16];              /* as sealed */
    int64_t sealed_bytes, sealed_lines;
    /* the follower */
    uint64_t seen;               /* bytes put together */
    uint64_t durable;            /* as told */
    uint64_t asked_ms;           /* a read is out since; 0: none */
    bool is_seen_right;
    char seen_state[16];
};

struct test {
    struct loop *loop;
    struct rig *rig;
    struct timer *tick, *killer;
    struct agent agents[AGENTS];
    unsigned kills, killed, taken_back, resent, reads;
    unsigned cut_short;          /* logs that had chunks in flight at a kill */
    uint64_t random, started_ms;
    bool is_over;
    unsigned tests, failed;
};

static void ok(struct test *t, bool is_good, const char *name)
{
    t->tests++;
    t->failed += !is_good;
    printf("%sok %u - %s\n", is_good ? "" : "not ", t->tests, name);
}

static uint64_t next_random(struct test *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

/* --- agents --------------------------------------------------------------------------------------------------- */

static void make_log(struct test *t, struct agent *a)
{
    uint64_t total = a->ending == END_EMPTY ? 0 : LOG_BYTES, at = 0;
    struct hash head;
    uuid_v7(&a->task, clock_wall_ms());
    a->bytes = mem_alloc(total + 8);
    for (uint64_t i = 0; i < total; i += 8) {
        uint64_t r = next_random(t);
        memcpy(a->bytes + i, &r, 8);
    }
    chain_start(&a->task, 1, &head);
    while (at < total) {
        uint64_t most = next_random(t) % 4 ? 2000 : CHAIN_DATA_MAX, len = 1 + next_random(t) % most;
        struct made_chunk m = { .c = { .seq = a->n + 1, .offset = at, .time_ns = at } };
        m.c.length = (uint32_t)(len < total - at ? len : total - at);
        chain_next(&head, &m.c, a->bytes + at);
        m.head = head;
        a->chunks = mem_resize(a->chunks, a->n + 1, sizeof(*a->chunks));
        a->chunks[a->n++] = m;
        at += m.c.length;
    }
    a->sendable = a->ending == END_COMPLETE ? a->n : a->n / 2;
    a->is_seen_right = true;
}

static uint64_t end_of(const struct agent *a, uint64_t chunks)
{
    return chunks ? a->chunks[chunks - 1].c.offset + a->chunks[chunks - 1].c.length : 0;
}

static void send_some(struct agent *a)
{
    for (; a->sent < a->sendable && end_of(a, a->sent) - a->acked_bytes < WINDOW; a->sent++) {
        const struct made_chunk *m = &a->chunks[a->sent];
        const struct msg_log_chunk chunk = {
            .sink = "sink-1", .task_id = a->task, .attempt = 1, .seq = (int64_t)m->c.seq,
            .offset = (int64_t)m->c.offset, .time_ns = (int64_t)m->c.time_ns, .head = { m->head.b, sizeof(m->head.b) },
            .data = { a->bytes + m->c.offset, m->c.length },
        };
        if (!rig_send(a->test->rig, MSG_LOG_CHUNK, 42, &chunk))
            return;
    }
}

static struct agent *find(struct test *t, const struct uuid *task)
{
    for (unsigned i = 0; i < AGENTS; i++)
        if (uuid_cmp(&t->agents[i].task, task) == 0)
            return &t->agents[i];
    return NULL;
}

static void send_again(struct agent *a)
{
    a->test->resent += (unsigned)(a->sent - a->acked);
    a->sent = a->acked;
    a->moved_ms = clock_boot_ms();
    send_some(a);
}

static void on_ack(void *arg, const struct msg_log_ack *m)
{
    struct test *t = arg;
    struct agent *a = find(t, &m->task_id);
    if (!a || (uint64_t)m->seq > a->n || end_of(a, (uint64_t)m->seq) != (uint64_t)m->offset) {
        ok(t, false, "an acknowledgement names a chunk's end");
        return;
    }
    if ((uint64_t)m->seq < a->acked)
        t->taken_back++;
    if ((uint64_t)m->seq > a->acked) {
        a->acked = (uint64_t)m->seq;
        a->acked_bytes = (uint64_t)m->offset;
        a->moved_ms = clock_boot_ms();
        if (a->sent < a->acked)
            a->sent = a->acked;
    }
    if (m->rewind)
        send_again(a);
    else
        send_some(a);
}

/* --- the follower --------------------------------------------------------------------------------------------- */

static void ask(struct agent *a)
{
    const struct msg_log_read q = { .token = 1 + (a - a->test->agents), .task_id = a->task, .attempt = 1,
                                    .offset = (int64_t)a->seen, .limit = 1048576 };
    if (a->seen >= a->durable || (a->asked_ms && clock_boot_ms() - a->asked_ms < SILENCE_MS))
        return;
    a->asked_ms = clock_boot_ms();
    a->test->reads++;
    rig_send(a->test->rig, MSG_LOG_READ, 0, &q);
}

static void on_data(void *arg, const struct msg_log_data *m, bool is_live)
{
    struct agent *a = find(arg, &m->task_id);
    uint64_t offset = (uint64_t)m->offset, end = offset + m->data.len;
    if (!is_live)
        a->asked_ms = 0;
    if (m->error) {
        printf("# read: %s\n", m->error);
        a->is_seen_right = false;
    }
    if ((uint64_t)m->durable > a->durable)
        a->durable = (uint64_t)m->durable;
    snprintf(a->seen_state, sizeof(a->seen_state), "%s", m->state);
    if (end > (uint64_t)m->durable || memcmp(a->bytes + offset, m->data.data ? m->data.data : a->bytes, m->data.len))
        a->is_seen_right = false;
    if (offset <= a->seen && end > a->seen)
        a->seen = end;
    ask(a);
}

/* --- the end -------------------------------------------------------------------------------------------------- */

static void on_sealed(void *arg, const struct msg_log_sealed *m)
{
    struct agent *a = find(arg, &m->task_id);
    snprintf(a->state, sizeof(a->state), "%s", m->state);
    a->sealed_bytes = m->bytes;
    a->sealed_lines = m->lines;
}

/* What a scheduler repeats. A forced end comes when all that will come is there. */
static void ask_seal(struct agent *a)
{
    struct hash head;
    chain_start(&a->task, 1, &head);
    struct msg_log_seal m = { .task_id = a->task, .attempt = 1 };
    if (a->ending != END_LOST) {
        m.bytes = (int64_t)end_of(a, a->n);
        m.chunks = (int64_t)a->n;
        m.head = (struct msg_bytes){ a->n ? a->chunks[a->n - 1].head.b : head.b, sizeof(head.b) };
        m.has.bytes = m.has.chunks = true;
    }
    bool is_short = a->ending == END_FORCED || a->ending == END_LOST;
    m.force = m.has.force = is_short && a->acked == a->sendable;
    rig_order(a->test->rig, MSG_LOG_SEAL, &m);
}

static bool is_finished(const struct agent *a)
{
    return a->acked == a->sendable && a->state[0] && a->seen == end_of(a, a->sendable) &&
           strcmp(a->seen_state, a->state) == 0;
}

static void on_stopped(void *arg, int wstatus)
{
    struct test *t = arg;
    ok(t, WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0, "SIGTERM ends the sink with 0");
    loop_stop(t->loop, 0);
}

static void tick(void *arg)
{
    struct test *t = arg;
    uint64_t now_ms = clock_boot_ms();
    unsigned finished = 0;
    for (unsigned i = 0; i < AGENTS; i++) {
        struct agent *a = &t->agents[i];
        finished += is_finished(a);
        if (a->sent > a->acked && now_ms - a->moved_ms >= SILENCE_MS)
            send_again(a);
        else
            send_some(a);
        ask(a);
        if (a->acked == a->sendable && !a->state[0])
            ask_seal(a);
    }
    if (!t->is_over && ((finished == AGENTS && t->killed == t->kills) || now_ms - t->started_ms > LIMIT_MS)) {
        t->is_over = true;
        rig_stop(t->rig, on_stopped, t);
    }
    timer_in(t->tick, 100);
}

/* --- kills ---------------------------------------------------------------------------------------------------- */

static void on_killed(void *arg)
{
    struct test *t = arg;
    t->killed++;
    for (unsigned i = 0; i < AGENTS; i++)
        t->cut_short += t->agents[i].sent > t->agents[i].acked;
    rig_start(t->rig);
}

static void tick_killer(void *arg)
{
    struct test *t = arg;
    if (t->killed < t->kills)
        rig_kill(t->rig, on_killed, t);
}

/* Each life lasts a random while from the moment in which it serves. */
static void on_up(void *arg)
{
    struct test *t = arg;
    for (unsigned i = 0; i < AGENTS; i++)
        send_again(&t->agents[i]);
    if (t->killed < t->kills)
        timer_in(t->killer, next_random(t) % LIFE_MS);
}

/* --- checks --------------------------------------------------------------------------------------------------- */

static bool is_file_equal(struct test *t, const struct agent *a)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(&a->task, id);
    char *path = mem_printf("%s/log/%02x/%s/1.log", rig_dir(t->rig), a->task.b[15], id);
    uint64_t want = end_of(a, a->sendable);
    struct stat st;
    int fd = open(path, O_RDONLY);
    bool is = fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == want;
    uint8_t *data = mem_alloc(want + 1);
    is = is && read(fd, data, want) == (ssize_t)want && memcmp(data, a->bytes, want) == 0;
    if (fd >= 0)
        close(fd);
    mem_free(&data);
    mem_free(&path);
    return is;
}

static int64_t lines_of(const struct agent *a)
{
    uint64_t len = end_of(a, a->sendable);
    int64_t n = len && a->bytes[len - 1] != '\n';
    for (uint64_t i = 0; i < len; i++)
        n += a->bytes[i] == '\n';
    return n;
}

static void check(struct test *t)
{
    unsigned files = 0, seen = 0, sealed = 0;
    for (unsigned i = 0; i < AGENTS; i++) {
        const struct agent *a = &t->agents[i];
        bool is_whole = a->ending == END_COMPLETE || a->ending == END_EMPTY;
        files += is_file_equal(t, a);
        seen += a->is_seen_right && a->seen == end_of(a, a->sendable) && strcmp(a->seen_state, a->state) == 0;
        sealed += strcmp(a->state, is_whole ? "complete" : "gap") == 0 && a->sealed_lines == lines_of(a) &&
                  a->sealed_bytes == (int64_t)end_of(a, a->sendable);
        if (!is_finished(a))
            printf("# log %u: acked %" PRIu64 " of %" PRIu64 " chunks, seen %" PRIu64 " of %" PRIu64
                   " bytes, sealed '%s', shown '%s'\n",
                   i, a->acked, a->sendable, a->seen, end_of(a, a->sendable), a->state, a->seen_state);
    }
    printf("# %u kills in the middle of %u logs, %u chunks sent again, %u reads\n", t->killed, t->cut_short, t->resent,
           t->reads);
    ok(t, t->killed == t->kills && t->cut_short > 0, "the sink was killed while logs streamed");
    ok(t, t->taken_back == 0, "no acknowledgement was taken back");
    ok(t, files == AGENTS, "every N.log equals what was written");
    ok(t, seen == AGENTS, "the follower saw every byte once and in order, and the end");
    ok(t, sealed == AGENTS, "every log is sealed as it should be, with its bytes and lines");
}

static unsigned setting(const char *name, unsigned fallback)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

int main(void)
{
    static const struct rig_hooks hooks = { .on_up = on_up, .on_ack = on_ack, .on_data = on_data,
                                            .on_sealed = on_sealed };
    struct test t = { .loop = loop_new(), .started_ms = clock_boot_ms(), .kills = setting("ORION_KILLS", 10) };
    unsigned seed = setting("ORION_SEED", (unsigned)t.started_ms);
    t.random = seed * 2654435761u + 1;
    printf("# ORION_SEED=%u\n", seed);
    t.rig = rig_new(t.loop, &hooks, &t);
    t.tick = loop_timer(t.loop, tick, &t);
    t.killer = loop_timer(t.loop, tick_killer, &t);
    for (unsigned i = 0; i < AGENTS; i++) {
        t.agents[i].test = &t;
        t.agents[i].ending = endings[i];
        make_log(&t, &t.agents[i]);
        rig_follow(t.rig, &t.agents[i].task, 1);
    }
    rig_start(t.rig);
    timer_in(t.tick, 100);
    loop_run(t.loop);
    check(&t);
    rig_free(&t.rig);
    timer_free(&t.tick);
    timer_free(&t.killer);
    for (unsigned i = 0; i < AGENTS; i++) {
        mem_free(&t.agents[i].bytes);
        mem_free(&t.agents[i].chunks);
    }
    loop_free(&t.loop);
    printf("1..%u\n", t.tests);
    return t.failed ? 1 : 0;
}
